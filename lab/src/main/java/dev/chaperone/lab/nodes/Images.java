package dev.chaperone.lab.nodes;

import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/// What the nodes of a lab have instead of a registry.
final class Images {
  /// What [pods of a test](../../../../../../../go/nodes/pod) run: it waits, serves or asks.
  static final String POD = "dev.local/pod:lab";

  /// What holds the name spaces of each pod. Not [#PAUSE], so that a pod can be without that.
  static final String SANDBOX = "dev.local/sandbox:lab";

  /// As Kubernetes itself names it.
  static final String PAUSE = "registry.k8s.io/pause:3.10.1";

  static final String COREDNS = "dev.local/coredns:lab";

  /// As net-kourier's own manifest says it.
  private static final String ENVOY = "docker.io/envoyproxy/envoy:v1.36-latest";

  private final Binaries binaries;
  private final List<RealNode.Archive> archives;

  /// @param archives more of them, for every node
  Images(Binaries binaries, List<RealNode.Archive> archives) {
    this.binaries = binaries;
    this.archives = List.copyOf(archives);
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
        pause(),
        Image.ofProgram(POD, pod),
        knative(Module.SERVING, "serving", "queue"),
        knative(Module.EVENTING, "eventing", "apiserver_receive_adapter"));
  }

  /// As Kubernetes' own: it runs as its own user.
  Image pause() {
    return Image.ofProgram(PAUSE, binaries.program(Module.NODES, "pod"), "pause").as("65535:65535");
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

  /// What else every node has.
  List<RealNode.Archive> archives() {
    return archives;
  }

  private Image knative(Module module, String part, String program) {
    return Image.ofProgram(
        ofKnative("knative.dev/" + part + "/cmd/" + program), binaries.program(module, program));
  }
}
