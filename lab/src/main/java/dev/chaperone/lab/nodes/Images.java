package dev.chaperone.lab.nodes;

import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// What the nodes of a lab have instead of a registry.
final class Images {
  /// What [pods of a test](../../../../../../../go/nodes/pod) run: it waits, serves or asks.
  static final String POD = "dev.local/pod:lab";

  /// What holds the name spaces of each pod. Not the guards' image, so that one can be without
  /// the other.
  static final String SANDBOX = "dev.local/sandbox:lab";

  /// What guards run, as the functions have it by default.
  static final String GUARD = "registry.k8s.io/pause:3.10.1";

  static final String COREDNS = "dev.local/coredns:lab";

  /// As net-kourier's own manifest says it.
  private static final String ENVOY = "docker.io/envoyproxy/envoy:v1.36-latest";

  private static final String FUNCTIONS = "registry.example.com/chaperone/functions:0.1";

  private final Binaries binaries;

  Images(Binaries binaries) {
    this.binaries = binaries;
  }

  /// The image of a part of Knative, by its source's name such as
  /// `knative.dev/eventing/cmd/broker/ingress`.
  static String ofKnative(String source) {
    Path parts = Path.of(source);
    return "dev.local/%s-%s:lab".formatted(parts.getName(1), parts.getFileName());
  }

  /// What pods of users need.
  List<Image> ofEach() {
    Path pod = binaries.program(Module.NODES, "pod");
    return List.of(
        Image.ofProgram(SANDBOX, pod, "pause"),
        guard(),
        Image.ofProgram(POD, pod),
        knative(Module.SERVING, "serving", "queue"),
        knative(Module.EVENTING, "eventing", "apiserver_receive_adapter"));
  }

  /// As Kubernetes' own: it runs as its own user.
  Image guard() {
    return Image.ofProgram(GUARD, binaries.program(Module.NODES, "pod"), "pause").as("65535:65535");
  }

  /// The same, and what the cluster itself runs.
  List<Image> ofTheFirst() {
    List<Image> all = new ArrayList<>(ofEach());
    all.add(Image.ofProgram(COREDNS, binaries.program(Module.ADDONS, "coredns")));
    all.add(knative(Module.ADDONS, "net-kourier", "kourier"));
    all.add(Envoy.image(ENVOY, Envoy.program(binaries.cache())));
    Stream.of("activator", "autoscaler", "controller", "webhook")
        .map(it -> knative(Module.SERVING, "serving", it))
        .forEach(all::add);
    Stream.of(
            "controller",
            "webhook",
            "mtchannel_broker",
            "ingress",
            "filter",
            "channel_controller",
            "channel_dispatcher",
            "mtping")
        .map(it -> knative(Module.EVENTING, "eventing", it))
        .forEach(all::add);
    return all;
  }

  /// The functions' own image, under the name that `knative/` says, where it was built.
  List<RealNode.Archive> archives() {
    Path built = functions();
    return Files.exists(built)
        ? List.of(
            new RealNode.Archive(built, "docker.io/library/chaperone-functions:latest", FUNCTIONS))
        : List.of();
  }

  Path functions() {
    return binaries.checkout().resolve("functions/target/image.tar");
  }

  private Image knative(Module module, String part, String program) {
    return Image.ofProgram(
        ofKnative("knative.dev/" + part + "/cmd/" + program), binaries.program(module, program));
  }
}
