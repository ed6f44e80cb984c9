package dev.chaperone.lab.nodes;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// A lab whose nodes are real: `control-plane`, which carries the cluster itself and whatever
/// belongs to it, and workers `node-1`, `node-2` and so on for everybody else's pods.
///
/// All that a cluster has but a registry and the world outside: images are on the nodes already, no
/// name of another machine is known. It takes Linux, root and a few packages; see [#missing()].
/// Nothing of it outlives the JVM that started it.
public final class NodeLab implements AutoCloseable {
  /// What pods of a test may run: `pause` waits, `serve` answers on 8080 and ends when GRACE has
  /// passed.
  public static final String POD_IMAGE = Images.POD;

  /// The image of Kubernetes that only waits, of which a pod may be without: see
  /// [RealNode#removeImage].
  public static final String PAUSE_IMAGE = Images.PAUSE;

  private static final Duration PATIENCE = Duration.ofMinutes(3);

  private final Lab lab;
  private final RealCluster cluster;

  private NodeLab(Lab lab, RealCluster cluster) {
    this.lab = lab;
    this.cluster = cluster;
  }

  /// What this machine is missing for real nodes, each with what to do about it; nothing if they
  /// can run.
  public static List<String> missing() {
    return Requirements.missing();
  }

  /// Starts a cluster and returns when its nodes are Ready and names are resolved. The first time
  /// on a machine this builds the programs, which takes many minutes and is reported on standard
  /// error.
  ///
  /// @param workers how many nodes there are besides the control plane's, at most 9
  /// @throws LabFailure if something is missing on this machine or a part does not start; the
  /// message says what
  public static NodeLab start(int workers) {
    return start(workers, List.of());
  }

  /// The same, with more images on every node.
  ///
  /// @throws LabFailure as [#start(int)]
  public static NodeLab start(int workers, List<RealNode.Archive> images) {
    Requirements.require();
    Binaries binaries = new Binaries();
    binaries.prepare(
        Module.NODES,
        Module.CONTROLPLANE,
        Module.ETCD,
        Module.NODE,
        Module.KNATIVE,
        Module.SERVING,
        Module.EVENTING,
        Module.ADDONS);
    try {
      Path folder = Files.createTempDirectory("chaperone-nodes-");
      RealCluster cluster =
          new RealCluster(binaries, folder, new Images(binaries, images), workers);
      NodeLab nodes = new NodeLab(Lab.on(cluster, binaries, folder), cluster);
      nodes.settle();
      return nodes;
    } catch (IOException e) {
      throw new UncheckedIOException("The lab's folder cannot be written", e);
    }
  }

  private void settle() {
    try {
      cluster.workers().forEach(it -> awaitReady(it.name()));
      awaitReady(RealCluster.FIRST);
      lab.apply(resource("dns.yaml"));
      lab.kubectl("rollout", "status", "deployment/coredns", "-n", "kube-system", "--timeout=90s")
          .orFail();
    } catch (RuntimeException | AssertionError e) {
      lab.keepLogs();
      close();
      throw e;
    }
  }

  /// The cluster. Nodes that [Lab#addNode] adds are of no use here: nothing runs on them.
  public Lab lab() {
    return lab;
  }

  /// One of the nodes there were since the start, whether it runs or not.
  public RealNode node(String name) {
    return cluster.node(name);
  }

  /// The workers.
  public List<RealNode> workers() {
    return cluster.workers();
  }

  /// Starts a node that ended, or one more, and returns when it is Ready.
  ///
  /// @param name `node-` and a number from 1 to 9
  public RealNode join(String name) {
    RealNode node = cluster.join(name);
    awaitReady(name);
    return node;
  }

  /// Installs Knative Serving with Kourier, and Knative Eventing, and returns when all of it is
  /// available.
  public void installKnative() {
    Binaries binaries = new Binaries();
    KnativeInPods knative = new KnativeInPods(lab, binaries::manifests);
    knative.installServing();
    knative.installEventing();
    List.of("knative-serving", "kourier-system", "knative-eventing")
        .forEach(knative::awaitAvailable);
  }

  /// Freezes the API server: connections stay open, nothing is answered.
  public void freezeApiServer() {
    cluster.node(RealCluster.FIRST).signal("STOP", "[c]ontrolplane kube-apiserver");
  }

  /// Lets it go on. nsenter, which brought it into its node, stopped with it, and continues it when
  /// it is continued itself. One that stays stopped keeps the node's name spaces from ending.
  public void resumeApiServer() {
    cluster.apiServer().resume();
  }

  /// Waits until the cluster calls a node Ready.
  ///
  /// @throws LabFailure if it does not after minutes
  public void awaitReady(String name) {
    Waiting.until(
        PATIENCE,
        () -> isReady(name),
        () ->
            new LabFailure(
                "%s is not Ready after %s, see %s-*.log in %s"
                    .formatted(name, PATIENCE, name, lab.folder())));
  }

  /// Whether the cluster calls a node Ready.
  public boolean isReady(String name) {
    KubernetesClient client = lab.client();
    Node node = client.nodes().withName(name).get();
    return node != null
        && node.getStatus().getConditions() != null
        && node.getStatus().getConditions().stream()
            .anyMatch(it -> it.getType().equals("Ready") && it.getStatus().equals("True"));
  }

  /// Runs the lab's own program in a pod that waits, to ask from inside: see [#ask].
  ///
  /// @param labels as YAML
  public void addClient(String namespace, String name, String labels) {
    lab.apply(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: %s, namespace: %s, labels: %s}
        spec:
          terminationGracePeriodSeconds: 0
          securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
          containers:
          - name: pod
            image: "%s"
            args: [pause]
            securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        """
            .formatted(name, namespace, labels, POD_IMAGE));
    lab.kubectl("wait", "--for=condition=Ready", "pod/" + name, "-n", namespace, "--timeout=60s")
        .orFail();
  }

  /// Asks from inside such a pod: `get URL`, or `post URL TYPE SOURCE` for a CloudEvent. What is
  /// written is the status, the seconds that it took and the answer; the exit code is not 0 if
  /// nobody answered.
  public Kubectl.Result ask(String namespace, String client, String... request) {
    List<String> arguments =
        new ArrayList<>(List.of("exec", "-n", namespace, client, "--", "/app/pod"));
    arguments.addAll(List.of(request));
    return lab.kubectl(arguments.toArray(String[]::new));
  }

  /// Ends it all. Nothing is left on the machine.
  @Override
  public void close() {
    lab.close();
  }

  private static String resource(String name) {
    try (InputStream in = Objects.requireNonNull(NodeLab.class.getResourceAsStream(name))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
