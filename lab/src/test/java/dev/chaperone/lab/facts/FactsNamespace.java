package dev.chaperone.lab.facts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatus;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.readiness.Readiness;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// A namespace and nodes of its own for one fact, with at most one workload, `app`, and one budget
/// for its pods.
final class FactsNamespace implements AutoCloseable {
  /// For a pod template: at most one on each node.
  static final String ONE_PER_NODE =
      "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution:"
          + " [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: app}}}]}}";

  /// For a pod template: a scheduler that nobody is.
  static final String OWN_SCHEDULER = "schedulerName: nobody";

  private static final AtomicInteger NAMES = new AtomicInteger();
  private static final Duration LONG = Duration.ofMinutes(2);
  private static final String LABEL = "app";

  private final String name = "facts-" + NAMES.incrementAndGet();
  private final Lab lab;
  private final KubernetesClient client;

  FactsNamespace(Lab lab, int nodes) {
    this.lab = lab;
    this.client = lab.client();
    lab.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {facts: \"\"}}"
            .formatted(name));
    IntStream.rangeClosed(1, nodes).forEach(i -> lab.addNode(node(i), Map.of("pool", name)));
  }

  /// What the API server answered to a request: 2xx, or an error in its words.
  record Answer(int code, String message) {}

  String name() {
    return name;
  }

  String node(int number) {
    return name + "-" + number;
  }

  void daemonSet() {
    lab.apply(
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: app, namespace: %1$s}
        spec:
          selector: {matchLabels: {app: app}}
          template:
            metadata: {labels: {app: app}}
            spec: {nodeSelector: {pool: %1$s}, containers: [{name: main, image: none}]}
        """
            .formatted(name));
  }

  /// @param spec YAML, one line of the pod template's spec; nothing: the default scheduler puts
  /// them anywhere on this namespace's nodes
  void deployment(int replicas, String spec) {
    lab.apply(
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: app, namespace: %1$s}
        spec:
          replicas: %2$d
          selector: {matchLabels: {app: app}}
          template:
            metadata: {labels: {app: app}}
            spec:
              nodeSelector: {pool: %1$s}
              containers: [{name: main, image: none}]
              %3$s
        """
            .formatted(name, replicas, spec));
  }

  /// Pods with the workload's labels that are not its own.
  void foreignPods(int count) {
    for (int i = 1; i <= count; i++) {
      lab.apply(
          """
          apiVersion: v1
          kind: Pod
          metadata: {name: foreign-%2$d, namespace: %1$s, labels: {app: app}}
          spec: {nodeSelector: {pool: %1$s}, containers: [{name: main, image: none}]}
          """
              .formatted(name, i));
    }
  }

  /// @param rule YAML of the budget's spec besides its selector
  void budget(String rule) {
    lab.apply(
        """
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: budget, namespace: %s}
        spec:
          selector: {matchLabels: {app: app}}
          %s
        """
            .formatted(name, rule));
  }

  PodDisruptionBudget budget() {
    return client.policy().v1().podDisruptionBudget().inNamespace(name).withName("budget").get();
  }

  void deleteBudget() {
    client.policy().v1().podDisruptionBudget().inNamespace(name).withName("budget").delete();
  }

  Watch watchBudget(Watcher<PodDisruptionBudget> watcher) {
    return client
        .policy()
        .v1()
        .podDisruptionBudget()
        .inNamespace(name)
        .withName("budget")
        .watch(watcher);
  }

  void hold(String hold, String reason) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: %s}
        """
            .formatted(hold, name, reason));
  }

  void release(String hold) {
    kubectl("delete", "hold", hold);
  }

  /// A policy for evictions and deletions of pods in all such namespaces, by others than the
  /// cluster itself. Closing it deletes it.
  ///
  /// @param head YAML of the policy's spec, whole lines
  /// @param allowed CEL
  /// @param message CEL
  /// @param binding YAML of the binding's spec, one line
  Closeable policy(String head, String allowed, String message, String binding) {
    String policy = name + "-" + NAMES.incrementAndGet();
    lab.apply(
        """
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata: {name: %1$s}
        spec:
        %2$s
          matchConstraints:
            namespaceSelector: {matchExpressions: [{key: facts, operator: Exists}]}
            resourceRules:
            - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods/eviction]}
            - {apiGroups: [""], apiVersions: [v1], operations: [DELETE], resources: [pods]}
          matchConditions:
          - {name: user, expression: "!request.userInfo.username.startsWith('system:') && request.userInfo.username != 'kwok'"}
          validations:
          - expression: "%3$s"
            messageExpression: %4$s
            reason: Forbidden
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicyBinding
        metadata: {name: %1$s}
        spec:
          policyName: %1$s
          validationActions: [Deny]
          %5$s
        """
            .formatted(policy, head.strip().indent(2).stripTrailing(), allowed, message, binding));
    return () ->
        lab.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", policy)
            .orFail();
  }

  interface Closeable extends AutoCloseable {
    @Override
    void close();
  }

  /// In the order of their names.
  List<Pod> pods() {
    return client.pods().inNamespace(name).withLabel(LABEL).list().getItems().stream()
        .filter(it -> it.getMetadata().getDeletionTimestamp() == null)
        .sorted(Comparator.comparing(it -> it.getMetadata().getName()))
        .toList();
  }

  List<String> names() {
    return pods().stream().map(it -> it.getMetadata().getName()).toList();
  }

  long ready() {
    return pods().stream().filter(Readiness::isPodReady).count();
  }

  void awaitReady(int count) {
    await(count + " pods ready in " + name).atMost(LONG).until(() -> ready() == count);
  }

  void awaitPending(int count) {
    await(count + " pods in " + name).atMost(LONG).until(() -> pods().size() == count);
    assertThat(pods()).allMatch(it -> it.getStatus().getPhase().equals("Pending"));
  }

  /// Waits until Kubernetes says so for the budget's present spec.
  void awaitAllowed(int disruptions) {
    await("allowed disruptions in " + name)
        .atMost(LONG)
        .untilAsserted(
            () -> {
              PodDisruptionBudget budget = budget();
              assertThat(budget.getStatus().getObservedGeneration())
                  .isEqualTo(budget.getMetadata().getGeneration());
              assertThat(budget.getStatus().getDisruptionsAllowed()).isEqualTo(disruptions);
            });
  }

  void awaitHealthy(int pods) {
    await("healthy pods in " + name)
        .atMost(LONG)
        .untilAsserted(() -> assertThat(budget().getStatus().getCurrentHealthy()).isEqualTo(pods));
  }

  Answer evict(Pod pod) {
    return evict(pod, false);
  }

  Answer evict(Pod pod, boolean dryRun) {
    return request(
        pod,
        "/eviction",
        "POST",
        Map.of(
            "apiVersion",
            "policy/v1",
            "kind",
            "Eviction",
            "metadata",
            Map.of("name", pod.getMetadata().getName(), "namespace", name)),
        dryRun);
  }

  Answer delete(Pod pod, boolean dryRun) {
    return request(pod, "", "DELETE", null, dryRun);
  }

  /// Waits until admission refuses to evict the pod.
  void awaitRefused(Pod pod) {
    await("eviction refused in " + name)
        .atMost(LONG)
        .pollInterval(Duration.ofMillis(5))
        .pollDelay(Duration.ZERO)
        .until(() -> evict(pod, true).code() == 403);
  }

  void awaitNotRefused(Pod pod) {
    await("eviction not refused in " + name)
        .atMost(LONG)
        .until(() -> evict(pod, true).code() == 201);
  }

  private Answer request(
      Pod pod, String subresource, String method, @Nullable Object body, boolean dryRun) {
    String uri =
        "/api/v1/namespaces/%s/pods/%s%s%s"
            .formatted(name, pod.getMetadata().getName(), subresource, dryRun ? "?dryRun=All" : "");
    try {
      client.raw(uri, method, body);
      return new Answer(method.equals("POST") ? 201 : 200, "");
    } catch (KubernetesClientException e) {
      return new Answer(e.getCode(), Objects.requireNonNullElse(e.getMessage(), ""));
    }
  }

  /// As schedulers do: by the subresource of the pod.
  void bind(Pod pod, String node) {
    Answer answer =
        request(
            pod,
            "/binding",
            "POST",
            Map.of(
                "apiVersion",
                "v1",
                "kind",
                "Binding",
                "metadata",
                Map.of("name", pod.getMetadata().getName()),
                "target",
                Map.of("apiVersion", "v1", "kind", "Node", "name", node)),
            false);
    assertThat(answer.code()).as(answer.message()).isEqualTo(201);
  }

  /// As a kubelet does whose probe fails.
  void makeNotReady(Pod pod) {
    kubectl(
        "patch",
        "pod",
        pod.getMetadata().getName(),
        "--subresource=status",
        "-p",
        "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
  }

  void annotate(Pod pod, String annotation) {
    kubectl("annotate", "pod", pod.getMetadata().getName(), annotation);
  }

  void scale(int replicas) {
    kubectl("scale", "deployment/app", "--replicas=" + replicas);
  }

  void restart() {
    kubectl("rollout", "restart", "deployment/app");
    kubectl("rollout", "status", "deployment/app", "--timeout=100s");
  }

  void touchDaemonSet() {
    kubectl("annotate", "daemonset/app", "--overwrite", "touched=" + System.nanoTime());
  }

  DaemonSetStatus daemonSetStatus() {
    return client.apps().daemonSets().inNamespace(name).withName("app").get().getStatus();
  }

  void taint(int number, String effect) {
    lab.kubectl("taint", "node", node(number), "maintenance=:" + effect).orFail();
  }

  void cordon(int number) {
    lab.kubectl("cordon", node(number)).orFail();
  }

  void uncordon(int number) {
    lab.kubectl("uncordon", node(number)).orFail();
  }

  void labelNode(int number, String label) {
    lab.kubectl("label", "node", node(number), label).orFail();
  }

  void deleteNode(int number) {
    lab.kubectl("delete", "node", node(number)).orFail();
  }

  Kubectl drain(int number) {
    return lab.startKubectl("drain", node(number), "--ignore-daemonsets", "--timeout=300s");
  }

  /// Waits until a drain has met the budget.
  static void awaitBlocked(Kubectl drain) {
    await()
        .atMost(LONG)
        .until(() -> drain.err().contains("would violate the pod's disruption budget"));
  }

  private void kubectl(String... arguments) {
    String[] all = Arrays.copyOf(arguments, arguments.length + 2);
    all[arguments.length] = "-n";
    all[arguments.length + 1] = name;
    lab.kubectl(all).orFail();
  }

  @Override
  public void close() {
    client.namespaces().withName(name).delete();
    client.nodes().withLabel("pool", name).delete();
  }
}
