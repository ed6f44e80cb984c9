package dev.chaperone.reflectors;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.knative.EventRequest;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// Route reflectors in a lab: what they need of it, and what is there.
final class InLab {
  static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  static final Path MANIFESTS = HOME.resolve("reflectors/manifests");
  static final String REFLECTOR = "chaperone.dev/route-reflector";

  private InLab() {}

  /// Types and rights, with stand-ins for Calico's CRDs.
  static void install(Lab lab) {
    Chaperone.installTypesAndRights(lab, HOME);
    lab.apply(Path.of("src/test/resources/calico/crds.yaml"));
    lab.apply(MANIFESTS.resolve("crd.yaml"));
    lab.apply(MANIFESTS.resolve("rbac.yaml"));
    lab.awaitListed("routereflectors", "bgppeers", "caliconodestatuses");
  }

  /// @param pulse the PingSource's name
  static HttpRequest pulse(FunctionsOnDemand of, String pulse) {
    return EventRequest.of(
            of.address(),
            "/apis/v1/namespaces/chaperone/pingsources/" + pulse,
            "dev.knative.sources.ping")
        .build();
  }

  static Optional<RouteReflectorsStatus> status(Lab lab) {
    return Optional.ofNullable(
        lab.client().resources(RouteReflectors.class).withName("default").require().getStatus());
  }

  /// The nodes with the label, sorted.
  static Set<String> reflectors(Lab lab) {
    return lab.client().nodes().withLabel(REFLECTOR).list().getItems().stream()
        .map(it -> it.getMetadata().getName())
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
