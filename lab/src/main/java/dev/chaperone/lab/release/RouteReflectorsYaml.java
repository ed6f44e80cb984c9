package dev.chaperone.lab.release;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// The file of a release that installs Calico's route reflectors, beside Chaperone.
///
/// @param home the checkout
/// @param image of their function, `name:tag` or `name@sha256:…`
public record RouteReflectorsYaml(Path home, String image) {
  private static final String HEADER =
      """
      # Calico's route reflectors in one file, beside Chaperone, whose Broker they use: what `kubectl apply -k reflectors/manifests`
      # applies.
      #
      #   kubectl apply -f route-reflectors.yaml
      #   kubectl wait -n chaperone --for=condition=Ready --timeout=5m ksvc,trigger,apiserversource,pingsource --all
      #
      # RouteReflectors can be applied once their type is known:
      #
      #   kubectl wait --for=condition=Established crd/routereflectorses.chaperone.dev
      #
      # `kubectl delete -f route-reflectors.yaml` takes the RouteReflectors too. Labels, annotations and BGPPeers stay, so the
      # network does too.
      """;

  /// The file with the image that the checkout names.
  public static RouteReflectorsYaml asShipped(Path home) {
    return new RouteReflectorsYaml(home, manifests(home).image());
  }

  /// Writes `route-reflectors.yaml` into a folder.
  public Path write(Path folder) throws IOException {
    return Files.writeString(
        Files.createDirectories(folder).resolve("route-reflectors.yaml"),
        HEADER + manifests(home).with(image).yaml());
  }

  private static Rendered manifests(Path home) {
    return Rendered.of(home.resolve("reflectors/manifests"));
  }
}
