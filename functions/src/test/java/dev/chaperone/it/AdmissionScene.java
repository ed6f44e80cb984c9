package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.decide.Made;
import dev.chaperone.it.AdmissionRow.Answer;
import dev.chaperone.lab.Lab;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Companions in every state, each with a guard, its Hold and its budget, written by hand as the
/// functions would have. Requests are dry runs, so that it stays as it is.
final class AdmissionScene implements AutoCloseable {
  private static final String HELD = "held";
  private static final Pattern CONDITION = Pattern.compile("(\\w+)=(\\w+)(?:/(\\w+))?(?:@(\\d+))?");
  private static final int GUARDS = 31;
  private static final String DRY_RUN = "?dryRun=All";
  private static final String DELETE = "apiVersion: v1\nkind: DeleteOptions\ndryRun: [All]\n";

  private final Lab lab;
  private final Map<String, KubernetesClient> clients = new HashMap<>();

  AdmissionScene(Lab lab) {
    this.lab = lab;
    lab.addNode("n1", Map.of());
    lab.addNode("n2", Map.of());
    namespace(HELD, "{}");
    namespace("elsewhere", "{}");
    namespace("glass", "{chaperone.dev/break-glass: \"true\"}");
    guard(HELD, "free", "{}");
    held(HELD, "new");
    guard(HELD, "pending", "{}", "chaperone");
    hold(HELD, "pending");
    held(HELD, "unenforced", "Active=True", "Enforced=False");
    held(HELD, "enforced", "Active=True", "Enforced=True");
    budget("enforced");
    held(HELD, "partly", "Active=True", "Enforced=False");
    budget("partly");
    held(HELD, "partly-before", "Active=True@0", "Enforced=False@0");
    held(HELD, "stuck", "Active=True", "Enforced=False");
    held(HELD, "ended", "Active=False", "Enforced=False");
    held(HELD, "enforced-before", "Active=True@0", "Enforced=True@0");
    held(HELD, "ended-before", "Active=False@0", "Enforced=False@0");
    // KWOK takes the finalizers of a pod that has a node.
    guard(HELD, "ending", "{}", "chaperone");
    hold(HELD, "ending");
    held(HELD, "agent");
    guard(HELD, "agent-guards", "{}");
    guard(HELD, "guards", "{}");
    guard("elsewhere", "new", "{}");
    held(HELD, "long43");
    held(HELD, "long50");
    always(HELD, "always");
    always(HELD, "always-enforced", "DisruptionAllowed=False");
    budget("always-enforced");
    always(HELD, "always-partly", "DisruptionAllowed=Unknown");
    budget("always-partly");
    always(HELD, "always-stuck", "DisruptionAllowed=Unknown");
    always(HELD, "always-before", "DisruptionAllowed=False@0");
    always(HELD, "always-glass", "DisruptionAllowed=True/BreakGlass");
    always(HELD, "always-glass-before", "DisruptionAllowed=True/BreakGlass@0");
    always(HELD, "always-allowed", "DisruptionAllowed=True");
    guard(HELD, "busy", "{}");
    report("companion", HELD, "busy", "DisruptionAllowed=False");
    budget("busy");
    guard(HELD, "here", "{}");
    guard(HELD, "there", "{}");
    for (String companion : List.of("labeled", "labeled-apart", "labeled-new")) {
      guard(HELD, companion, "{}");
    }
    held("glass", "new");
    always("glass", "always");
    barePod("new-guards-bcdfg-bcdfg", "{is: namesake}");
    barePod(
        "new-guards-lookalike",
        "{is: lookalike, app.kubernetes.io/component: guard, chaperone.dev/companion: new}");
    barePod("new-follower", "{is: follower}");
    whatFunctionsMade();
    users();
    awaitGuards();
    holdNode("here", nodeOf("here"));
    holdNode("there", "n-elsewhere");
    for (String companion : List.of("labeled", "labeled-apart", "labeled-new")) {
      holdNodes(companion, "nodeSelector: {disk: ssd}");
    }
    report("hold", HELD, "labeled", "Active=True", "Enforced=True");
    report("hold", HELD, "labeled-apart", "Active=True", "Enforced=True");
    for (String companion : List.of("partly", "partly-before")) {
      unprotected("hold", companion, "one-that-is-gone");
    }
    unprotected("companion", "always-partly", "one-that-is-gone");
    unprotected("hold", "stuck", pod(HELD, "stuck", "guard").getMetadata().getName());
    unprotected(
        "companion", "always-stuck", pod(HELD, "always-stuck", "guard").getMetadata().getName());
    endingGuard();
    awaitPolicies();
  }

  @Override
  public void close() {
    clients.values().forEach(KubernetesClient::close);
  }

  Answer ask(AdmissionRow row) {
    String namespace =
        row.companion().contains("/") ? row.companion().replaceFirst("/.*", "") : HELD;
    String companion = full(row.companion().replaceFirst(".*/", ""));
    String pods = "/api/v1/namespaces/" + namespace + "/pods";
    String companions = "/apis/chaperone.dev/v1alpha1/namespaces/" + namespace + "/companions";
    String user = row.user();
    return switch (row.verb() + " " + row.object()) {
      case "deletes companion" -> ask(user, "DELETE", companions + "/" + companion, DELETE);
      case "deletes all companions" ->
          ask(user, "DELETE", companions + "?fieldSelector=metadata.name=" + companion, DELETE);
      case "deletes all guards" ->
          ask(user, "DELETE", pods + "?labelSelector=chaperone.dev/companion=" + companion, DELETE);
      case "creates guard" -> ask(user, "POST", pods + DRY_RUN, newPod(labels(companion)));
      case "creates follower" -> ask(user, "POST", pods + DRY_RUN, newPod("{app: follower}"));
      default -> {
        Pod pod = pod(namespace, companion, row.object());
        String path = pods + "/" + pod.getMetadata().getName();
        yield switch (row.verb()) {
          case "evicts" -> ask(user, "POST", path + "/eviction", eviction(pod));
          case "deletes" -> ask(user, "DELETE", path, DELETE);
          case "kills" -> ask(user, "DELETE", path, DELETE + "gracePeriodSeconds: 0");
          case "binds" -> ask(user, "POST", path + "/binding" + DRY_RUN, binding(pod));
          case "relabels" -> ask(user, "PUT", path + DRY_RUN, relabelled(pod, companion));
          case "annotates" -> ask(user, "PUT", path + DRY_RUN, annotated(pod));
          case "sets apart" ->
              ask(user, "PUT", path + DRY_RUN, labeled(pod, Made.HELD_FOR, "a-hash"));
          case "marks Pending", "marks Apart", "marks Anything" ->
              ask(
                  user,
                  "PUT",
                  path + DRY_RUN,
                  labeled(pod, Made.UNHEALTHY, row.verb().substring("marks ".length())));
          default -> throw new IllegalArgumentException(row.verb());
        };
      }
    };
  }

  /// Writes a Companion with no more rights than the user has.
  Answer write(String user, String spec) {
    return answer(
        as(user, List.of()),
        "POST",
        "/apis/chaperone.dev/v1alpha1/namespaces/held/companions" + DRY_RUN,
        parse(
            """
            apiVersion: chaperone.dev/v1alpha1
            kind: Companion
            metadata: {name: written}
            spec: %s
            """
                .formatted(spec)));
  }

  /// Asks as somebody to whom RBAC forbids nothing.
  ///
  /// @param user the name, and after a space a group
  private Answer ask(String user, String method, String path, String body) {
    List<String> words = List.of(user.split(" ", -1));
    List<String> groups =
        Stream.concat(words.stream().skip(1), Stream.of("system:masters")).toList();
    return answer(as(words.getFirst(), groups), method, path, parse(body));
  }

  private static Answer answer(KubernetesClient client, String method, String path, Object body) {
    try {
      return new Answer(200, client.raw(path, method, body));
    } catch (KubernetesClientException e) {
      return new Answer(e.getCode(), String.valueOf(e.getMessage()));
    }
  }

  private KubernetesClient as(String user, List<String> groups) {
    return clients.computeIfAbsent(
        user + groups,
        _ -> {
          Config config =
              new ConfigBuilder(lab.client().getConfiguration())
                  .withImpersonateUsername(user)
                  .withImpersonateGroups(
                      Stream.concat(groups.stream(), Stream.of("system:authenticated"))
                          .toArray(String[]::new))
                  .build();
          return new KubernetesClientBuilder().withConfig(config).build();
        });
  }

  private GenericKubernetesResource parse(String yaml) {
    return lab.client()
        .getKubernetesSerialization()
        .unmarshal(yaml, GenericKubernetesResource.class);
  }

  private static String newPod(String labels) {
    return """
    apiVersion: v1
    kind: Pod
    metadata: {name: one-more, labels: %s}
    spec: {containers: [{name: main, image: none}]}
    """
        .formatted(labels);
  }

  private static String binding(Pod pod) {
    return """
    apiVersion: v1
    kind: Binding
    metadata: {name: %s}
    target: {kind: Node, name: n1}
    """
        .formatted(pod.getMetadata().getName());
  }

  private String relabelled(Pod pod, String companion) {
    Map<String, String> labels =
        Map.of(
            "app.kubernetes.io/component",
            "guard",
            "chaperone.dev/companion",
            companion,
            "chaperone.dev/companion-uid",
            "any");
    return lab.client()
        .getKubernetesSerialization()
        .asJson(new PodBuilder(pod).editMetadata().withLabels(labels).endMetadata().build());
  }

  private String annotated(Pod pod) {
    return lab.client()
        .getKubernetesSerialization()
        .asJson(
            new PodBuilder(pod).editMetadata().addToAnnotations("a", "b").endMetadata().build());
  }

  private String labeled(Pod pod, String label, String value) {
    return lab.client()
        .getKubernetesSerialization()
        .asJson(new PodBuilder(pod).editMetadata().addToLabels(label, value).endMetadata().build());
  }

  private static String eviction(Pod pod) {
    return """
    apiVersion: policy/v1
    kind: Eviction
    metadata: {namespace: %s, name: %s}
    deleteOptions: {dryRun: [All]}
    """
        .formatted(pod.getMetadata().getNamespace(), pod.getMetadata().getName());
  }

  /// A name as long as it says.
  private static String full(String companion) {
    return companion.matches("long[0-9]+")
        ? companion + "-" + "g".repeat(Integer.parseInt(companion.substring(4)) - 7)
        : companion;
  }

  /// A guard of the Companion, or the pod that is labelled so.
  Pod pod(String namespace, String companion, String is) {
    return pods(namespace, is).stream()
        .filter(
            it ->
                !is.equals("guard")
                    || companion.equals(it.getMetadata().getLabels().get(Made.COMPANION_LABEL)))
        .findFirst()
        .orElseThrow();
  }

  private List<Pod> pods(String namespace, String is) {
    return lab.client().pods().inNamespace(namespace).withLabel("is", is).list().getItems();
  }

  /// A namespace with a guard that a Hold blocks.
  void namespaceWithHold(String name) {
    namespace(name, "{}");
    held(name, "new");
    await("a guard").atMost(Scene.LONG).until(() -> pods(name, "guard").size() == 1);
  }

  private void namespace(String name, String labels) {
    lab.apply(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: %s}"
            .formatted(name, labels));
  }

  private void held(String namespace, String companion, String... conditions) {
    guard(namespace, companion, "{}");
    hold(namespace, companion);
    report("hold", namespace, companion, conditions);
  }

  void hold(String namespace, String companion) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %1$s, namespace: %2$s}
        spec: {companionRef: {name: %1$s}, reason: a test}
        """
            .formatted(full(companion), namespace));
  }

  private void holdNode(String companion, String node) {
    holdNodes(companion, "nodeName: " + node);
  }

  private void holdNodes(String companion, String which) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %1$s, namespace: held}
        spec: {companionRef: {name: %1$s}, reason: a test, %2$s}
        """
            .formatted(companion, which));
  }

  private String nodeOf(String companion) {
    return pod(HELD, companion, "guard").getSpec().getNodeName();
  }

  private void always(String namespace, String companion, String... conditions) {
    guard(namespace, companion, "{policy: AlwaysHold}");
    report("companion", namespace, companion, conditions);
  }

  private void guard(String namespace, String companion, String disruption) {
    guard(namespace, companion, disruption, "default-scheduler");
  }

  private void guard(String namespace, String companion, String disruption, String scheduler) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: %1$s, namespace: %2$s}
        spec: {targetRef: {name: target}, disruption: %3$s}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: %1$s-guards, namespace: %2$s}
        spec:
          selector: {matchLabels: %4$s}
          template:
            metadata: {labels: %4$s}
            spec:
              schedulerName: %5$s
              containers: [{name: guard, image: none}]
        """
            .formatted(full(companion), namespace, disruption, labels(companion), scheduler));
  }

  private static String labels(String companion) {
    return "{is: guard, app.kubernetes.io/component: guard, chaperone.dev/companion: %s, chaperone.dev/companion-uid: any%s}"
        .formatted(
            full(companion),
            companion.equals("labeled-apart") ? ", %s: a-hash".formatted(Made.HELD_FOR) : "");
  }

  private void barePod(String name, String labels) {
    lab.apply(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: %s, namespace: held, labels: %s}
        spec: {containers: [{name: main, image: none}]}
        """
            .formatted(name, labels));
  }

  /// A closed budget.
  private void budget(String companion) {
    lab.apply(
        """
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: %s-nodes, namespace: held}
        spec: {minAvailable: 2147483647, selector: {matchLabels: %s}}
        """
            .formatted(companion, labels(companion)));
  }

  /// Writes the status as the functions do.
  ///
  /// @param conditions `Type=Status`, with `/Reason` where that matters and `@generation` if not of
  ///     the present one
  private void report(String kind, String namespace, String name, String... conditions) {
    if (conditions.length == 0) {
      return;
    }
    String json =
        Stream.of(conditions)
            .map(CONDITION::matcher)
            .filter(Matcher::matches)
            .map(
                it ->
                    """
                    {"type": "%s", "status": "%s", "reason": "%s", "message": "a\\ncause",
                     "observedGeneration": %s, "lastTransitionTime": "2026-01-01T00:00:00Z"}
                    """
                        .formatted(
                            it.group(1),
                            it.group(2),
                            Objects.requireNonNullElse(it.group(3), "Test"),
                            Objects.requireNonNullElse(it.group(4), "1")))
            .collect(Collectors.joining(","));
    patchStatus(kind, namespace, name, "{\"conditions\": [%s]}".formatted(json));
  }

  /// Writes besides which guards do not run.
  private void unprotected(String kind, String name, String guard) {
    patchStatus(kind, HELD, name, "{\"unprotectedGuards\": [\"a\", \"%s\"]}".formatted(guard));
  }

  private void patchStatus(String kind, String namespace, String name, String status) {
    lab.kubectl(
            "patch",
            kind,
            full(name),
            "-n",
            namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            "{\"status\": %s}".formatted(status))
        .orFail();
  }

  /// And what is others'.
  private void whatFunctionsMade() {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: made, namespace: held}
        spec: {targetRef: {name: proxy}}
        """);
    String uid =
        lab.client()
            .resources(Companion.class)
            .inNamespace(HELD)
            .withName("made")
            .get()
            .getMetadata()
            .getUid();
    String made =
        """
        labels: {app.kubernetes.io/managed-by: chaperone, chaperone.dev/companion: made}, ownerReferences: [{apiVersion: chaperone.dev/v1alpha1, kind: Companion, name: made, uid: %s, controller: true}]
        """
            .strip()
            .formatted(uid);
    String deployment =
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: %1$s, namespace: held, %2$s}
        spec:
          replicas: 0
          selector: {matchLabels: {is: %1$s, chaperone.dev/companion-uid: any}}
          template:
            metadata: {labels: {is: %1$s, chaperone.dev/companion-uid: any}}
            spec:
              schedulerName: chaperone
              automountServiceAccountToken: false
              securityContext: {runAsNonRoot: true}
              containers:
              - name: %3$s
                image: registry.k8s.io/pause:3.10.1
                securityContext:
                  allowPrivilegeEscalation: false
                  readOnlyRootFilesystem: true
                  capabilities: {drop: [ALL]}
        """;
    lab.apply(deployment.formatted("made-guards", made, "guard"));
    lab.apply(deployment.formatted("their-guards", "labels: {a: b}", "guard"));
    lab.apply(deployment.formatted("theirs", "labels: {a: b}", "main"));
    String budget =
        """
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: %s, namespace: held, %s}
        spec: {minAvailable: 2, selector: {matchLabels: {app: proxy}}}
        """;
    lab.apply(budget.formatted("made-nodes", made));
    lab.apply(budget.formatted("theirs", "labels: {a: b}"));
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: by-event, namespace: held, annotations: {chaperone.dev/source: /x}}
        spec: {companionRef: {name: made}, reason: a test}
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: proxy, namespace: held}
        spec:
          selector: {matchLabels: {app: proxy}}
          template:
            metadata: {labels: {app: proxy}}
            spec:
              priorityClassName: system-node-critical
              nodeSelector: {never: "yes"}
              affinity:
                podAntiAffinity:
                  preferredDuringSchedulingIgnoredDuringExecution:
                  - weight: 1
                    podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {app: proxy}}}
              containers: [{name: main, image: none}]
        """);
  }

  /// Who may write Companions, and what else they may.
  private void users() {
    lab.apply(
        """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: test-companions}
        rules: [{apiGroups: [chaperone.dev], resources: [companions], verbs: ["*"]}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: test-daemonsets}
        rules: [{apiGroups: [apps], resources: [daemonsets], verbs: [get]}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: companions, namespace: held}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-companions}
        subjects: [{kind: User, name: team}, {kind: User, name: reader}, {kind: User, name: writer}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: edit, namespace: held}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
        subjects: [{kind: User, name: team}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: test-daemonsets}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-daemonsets}
        subjects: [{kind: User, name: reader}]
        """);
  }

  private void awaitGuards() {
    await("guards")
        .atMost(Scene.LONG)
        .untilAsserted(
            () ->
                assertThat(pods(HELD, "guard"))
                    .hasSize(GUARDS)
                    .filteredOn(it -> !it.getSpec().getSchedulerName().equals("chaperone"))
                    .allMatch(Scene::isReady));
  }

  /// The guard that is being deleted, and stays for as long as something else wants it.
  private void endingGuard() {
    String guard = pod(HELD, "ending", "guard").getMetadata().getName();
    lab.kubectl(
            "patch",
            "pod",
            guard,
            "-n",
            HELD,
            "--type=merge",
            "-p",
            "{\"metadata\": {\"finalizers\": [\"example.com/test\"]}}")
        .orFail();
    // As a controller deletes it, and without another in its place.
    lab.kubectl("scale", "deployment", "ending-guards", "-n", HELD, "--replicas=0").orFail();
    await("a guard that is being deleted")
        .atMost(Scene.LONG)
        .until(() -> pod(HELD, "ending", "guard").getMetadata().getDeletionTimestamp() != null);
  }

  /// The API server takes a moment to act on a policy, and to see what its parameters are. What is
  /// written last is seen last.
  private void awaitPolicies() {
    held(HELD, "last");
    always(HELD, "post");
    await("guards").atMost(Scene.LONG).until(() -> pods(HELD, "guard").size() == GUARDS + 2);
    for (String row :
        List.of(
            "admin | evicts | guard | last | Hold last",
            "admin | evicts | guard | post | Companion post",
            "admin | deletes | companion | last | Hold last",
            "admin | creates | guard | last | only guards",
            "system:serviceaccount:chaperone:functions | binds | follower | new | a Pod")) {
      await(row)
          .atMost(Scene.LONG)
          .until(() -> AdmissionRow.parse(row).isRight(ask(AdmissionRow.parse(row))));
    }
  }
}
