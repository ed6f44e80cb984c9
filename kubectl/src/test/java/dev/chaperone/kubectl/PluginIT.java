package dev.chaperone.kubectl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.api.Companion;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Every command against a real control plane, on which the functions run as users install them.
/// What the plugin says has to be what the Companion's status says.
@ExtendWith(LabExtension.class)
class PluginIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Duration LONG = Duration.ofMinutes(2);
  private static final Duration IDLE = Duration.ofMinutes(10);

  private static Lab lab;
  private static FunctionsOnDemand functions;
  private static ApiServerSource sources;

  @BeforeAll
  static void install(Lab given) {
    lab = given;
    Chaperone.installTypesAndRights(lab, HOME);
    lab.apply(HOME.resolve("knative/policies"));
    functions =
        FunctionsOnDemand.start(
            FunctionsCommand.fastest(FunctionsCommand.built(HOME)),
            Map.of("KUBECONFIG", lab.kubeconfig("chaperone", "functions").toString()),
            IDLE,
            lab.folder().resolve("functions.log"));
    startSources();
  }

  @AfterAll
  static void end() {
    sources.close();
    functions.close();
  }

  private static void startSources() {
    sources =
        ApiServerSource.start(lab, functions.address(), HOME.resolve("triggers/base/sources.yaml"));
  }

  @Test
  void nothing_blocks_a_drain_that_the_budgets_let_through() {
    companion("free", 2, "{}");
    awaitAllowed("free", "True");

    Run why = run("why", "free-1");

    assertThat(why.out())
        .contains("agent-guards-", "allowed")
        .endsWith(
            "Nothing blocks a drain of node free-1: the API server accepts each of its evictions (1).\n");
    assertThat(why.exit()).isZero();
    assertThat(run("status", "-n", "free").out().lines().skip(1))
        .singleElement()
        .asString()
        .matches("free +agent +True +NothingHolds +\\S+ +2/2 +<none> +<none> +<none>");
  }

  @Test
  void who_else_maintains_a_node_is_named_to_whoever_may_know() throws JsonProcessingException {
    companion("others", 2, "{}");
    awaitAllowed("others", "True");
    lab.apply(
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: medik8s-leases}
        ---
        apiVersion: coordination.k8s.io/v1
        kind: Lease
        metadata: {name: node-others-1, namespace: medik8s-leases}
        spec:
          holderIdentity: node-maintenance
          leaseDurationSeconds: 3600
          acquireTime: "2026-01-01T00:00:00.000000Z"
          renewTime: "2026-01-01T01:00:00.000000Z"
          leaseTransitions: 0
        ---
        apiVersion: apps/v1
        kind: DaemonSet
        metadata:
          name: kured
          namespace: kube-system
          annotations:
            weave.works/kured-node-lock: '{"maxOwners":2,"locks":[{"nodeID":"others-2","metadata":{"unschedulable":false},"created":"2026-01-01T00:00:00.5Z","TTL":0}]}'
        spec:
          selector: {matchLabels: {name: kured}}
          template:
            metadata: {labels: {name: kured}}
            spec:
              nodeSelector: {kured: none}
              containers: [{name: kured, image: none}]
        """);
    String medik8s =
        "Node others-1 is maintained by node-maintenance (Lease medik8s-leases/node-others-1, since"
            + " 2026-01-01T00:00:00Z, expired 2026-01-01T02:00:00Z)";
    String kured =
        "Node others-2 is maintained by kured (lock on DaemonSet kube-system/kured, since"
            + " 2026-01-01T00:00:00.500Z, until it is released)";

    Run why = run("why", "others-1");
    assertThat(why.exit()).isZero();
    assertThat(why.out().lines()).contains(medik8s).doesNotContain(kured);
    assertThat(run("preview", "others-1", "others-2").out().lines()).contains(medik8s, kured);
    assertThat(
            new ObjectMapper()
                .readTree(run("why", "others-2", "-o", "json").out())
                .at("/maintainers/0/name")
                .asText())
        .isEqualTo("kured");

    // Whoever may not read them is told the rest.
    lab.addServiceAccount(
        "others",
        "reader",
        "{apiGroups: [''], resources: [pods], verbs: [list]}",
        "{apiGroups: [''], resources: [pods/eviction], verbs: [create]}",
        "{apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [list]}");
    String reader = lab.kubeconfig("others", "reader").toString();
    await("the rights")
        .atMost(LONG)
        .untilAsserted(() -> assertThat(runAs(reader, "why", "others-1").exit()).isZero());
    assertThat(runAs(reader, "why", "others-1").out())
        .isEqualTo(why.out().replace(medik8s + "\n\n", ""));
  }

  @Test
  void of_two_nodes_the_second_waits_for_the_first_in_a_preview_and_in_a_drain() {
    companion("turns", 2, "{}");
    awaitAllowed("turns", "True");

    Run preview = run("preview", "turns-1", "turns-2");
    assertThat(preview.exit()).isZero();
    assertThat(preview.out())
        .contains("Companion turns/agent: maxUnavailable 1, drained now: none. No active holds")
        .contains("A drain of node turns-1 goes through at once (pods to evict: 1).")
        .contains("A drain of node turns-2 waits (pods that cannot go yet: 1 of 1).")
        .containsPattern("turns-2 .* waits .*node turns-1, until it is uncordoned or deleted");

    lab.kubectl("drain", "turns-1", "--ignore-daemonsets", "--timeout=90s").orFail();
    awaitReason("turns", "MaxUnavailableReached");

    Run why = run("why", "turns-2");
    assertThat(why.exit()).isEqualTo(Plugin.BLOCKED);
    assertThat(why.out())
        .contains(
            "PodDisruptionBudget turns/agent-nodes (Companion turns/agent) blocks turns/agent")
        .contains("MaxUnavailableReached: " + message("turns"))
        .contains("turns-1");
    assertThat(run("preview", "turns-2").out())
        .contains("drained now: turns-1. " + message("turns"));
    assertThat(run("status", "-n", "turns").out()).contains("MaxUnavailableReached", "turns-1");
  }

  @Test
  void a_hold_is_placed_explained_listed_and_released() throws JsonProcessingException {
    companion("held", 2, "{}");
    awaitAllowed("held", "True");

    Run hold = run("hold", "agent", "-n", "held", "--reason", "rebuilding pool 42", "--for", "2h");
    assertThat(hold.err()).isEmpty();
    assertThat(hold.exit()).isZero();
    String name = hold.out().lines().findFirst().orElseThrow().replaceAll(".*/| created", "");
    assertThat(hold.out())
        .isEqualTo(
            """
            hold.chaperone.dev/%1$s created
            hold.chaperone.dev/%1$s enforced: Evictions are refused on 2 nodes that run the target
            """
                .formatted(name));
    awaitAllowed("held", "False");

    Run why = run("why", "held-1");
    assertThat(why.exit()).isEqualTo(Plugin.BLOCKED);
    assertThat(why.out())
        .contains("Hold: " + message("held"))
        .contains("Hold " + name + ": rebuilding pool 42 (since 2", ", until 2")
        .contains("A drain of node held-1 is blocked by PodDisruptionBudget held/agent-nodes");
    JsonNode json = new ObjectMapper().readTree(run("why", "held-1", "-o", "json").out());
    assertThat(json.at("/blocked").asBoolean()).isTrue();
    assertThat(json.at("/blockers/0/blocker/owner").asText()).isEqualTo("Companion held/agent");
    assertThat(json.at("/blockers/0/blocker/reasons/0/reason").asText()).isEqualTo("Hold");
    assertThat(run("holds", "-n", "held").out().lines().skip(1))
        .singleElement()
        .asString()
        .matches("held +" + name + " +agent +True +True +\\S+ +(119m|2h) +rebuilding pool 42");
    assertThat(run("holds", "-A", "-o", "yaml").out()).contains("reason: ", "expiresAt: ");

    assertThat(run("release", name, "-n", "held").out())
        .isEqualTo("hold.chaperone.dev/" + name + " deleted\n");
    awaitAllowed("held", "True");
    assertThat(run("why", "held-1").exit()).isZero();
    lab.kubectl(
            "patch",
            "companion",
            "agent",
            "-n",
            "held",
            "--type=merge",
            "-p",
            "{\"spec\": {\"disruption\": {\"policy\": \"AlwaysAllow\"}}}")
        .orFail();
    awaitReason("held", "AlwaysAllow");
    Run ignored = run("hold", "agent", "-n", "held", "--reason", "late", "--until-deleted");
    assertThat(ignored.exit()).isEqualTo(Plugin.ERROR);
    assertThat(ignored.err())
        .contains(
            "is not enforced: Companion agent ignores Holds: its policy is AlwaysAllow. It stays");
    Run again = run("release", name, "-n", "held");
    assertThat(again.exit()).isEqualTo(Plugin.ERROR);
    assertThat(again.err()).contains("Hold held/" + name + " does not exist");
  }

  @Test
  void a_hold_of_labeled_nodes_is_why_they_wait_and_no_other() {
    companion("racks", 2, "{}");
    awaitAllowed("racks", "True");
    lab.kubectl("label", "node", "racks-1", "example.com/rack=r1").orFail();

    Run hold =
        run(
            "hold",
            "agent",
            "-n",
            "racks",
            "--node-selector",
            "example.com/rack=r1",
            "--name",
            "rebuild",
            "--reason",
            "rewiring r1",
            "--for",
            "2h");

    assertThat(hold.err()).isEmpty();
    assertThat(hold.out())
        .contains("enforced: Evictions are refused on nodes with example.com/rack=r1");
    assertThat(run("why", "racks-1").out())
        .contains("Hold: Hold rebuild of nodes with example.com/rack=r1: rewiring r1");
    assertThat(run("why", "racks-2").exit()).isZero();
    assertThat(run("holds", "-n", "racks", "-o", "wide").out()).contains(" example.com/rack=r1 ");
  }

  @Test
  void a_hold_of_one_node_is_why_that_node_waits_and_no_other() {
    companion("alone", 2, "{}");
    awaitAllowed("alone", "True");

    Run hold =
        run(
            "hold",
            "agent",
            "-n",
            "alone",
            "--node",
            "alone-1",
            "--name",
            "rebuild",
            "--reason",
            "rebuilding sda",
            "--for",
            "2h");

    assertThat(hold.err()).isEmpty();
    assertThat(hold.out()).contains("enforced: Evictions are refused on node alone-1");
    assertThat(run("why", "alone-1").out())
        .contains("Hold: Hold rebuild of node alone-1: rebuilding sda")
        .contains("A drain of node alone-1 is blocked by PodDisruptionBudget alone/agent-held");
    assertThat(run("why", "alone-2").exit()).isZero();
    assertThat(run("preview", "alone-1", "alone-2").out())
        .contains("A drain of node alone-1 waits", "rebuilding sda")
        .contains("A drain of node alone-2 goes through at once");
    assertThat(run("holds", "-n", "alone", "-o", "wide").out()).contains("NODE", " alone-1 ");

    lab.kubectl("drain", "alone-2", "--ignore-daemonsets", "--timeout=90s").orFail();
    assertThat(run("release", "rebuild", "-n", "alone").err()).isEmpty();
    // Its reason was there already, by the drained node: only the guard says that the Hold is gone.
    await("the budget of all nodes")
        .atMost(LONG)
        .until(() -> run("why", "alone-1").out().contains("PodDisruptionBudget alone/agent-nodes"));
    assertThat(allowed("alone").getReason()).isEqualTo("MaxUnavailableReached");
  }

  @Test
  void break_glass_ends_when_it_was_to_end_and_when_it_is_ended() {
    companion("glass", 2, "{policy: AlwaysHold}");
    awaitReason("glass", "AlwaysHold");
    String why = "the disk of glass-1 is failing";

    Run allow = run("allow", "agent", "-n", "glass", "--for", "2h", "--reason", why);

    assertThat(allow.err()).isEmpty();
    assertThat(allow.exit()).isZero();
    assertThat(allow.out())
        .startsWith("companion.chaperone.dev/agent allows: ")
        .contains(" are ignored until 2", why);
    lab.kubectl("drain", "glass-1", "--ignore-daemonsets", "--timeout=90s").orFail();
    lab.kubectl("uncordon", "glass-1").orFail();
    assertThat(run("allow", "agent", "-n", "glass", "--end").out())
        .startsWith("companion.chaperone.dev/agent decides as usual: ")
        .contains("AlwaysHold");
    assertThat(run("why", "glass-2").exit()).isEqualTo(Plugin.BLOCKED);

    assertThat(run("allow", "agent", "-n", "glass", "--for", "20s", "--reason", why).exit())
        .isZero();
    await("its end")
        .atMost(LONG)
        .until(
            () -> {
              String now = "touched=" + System.nanoTime();
              lab.kubectl("annotate", "companion", "agent", "-n", "glass", "--overwrite", now)
                  .orFail();
              return "AlwaysHold".equals(allowed("glass").getReason());
            });

    Run without = run("allow", "agent", "-n", "glass", "--for", "1h");
    assertThat(without.exit()).isEqualTo(Plugin.ERROR);
    assertThat(without.err()).contains("Say for how long and why: --for 1h --reason TEXT");
    assertThat(run("allow", "nobody", "-n", "glass", "--end").err()).contains("nobody");
  }

  @Test
  void an_expression_is_explained_with_the_value_that_it_read() {
    companion(
        "expression",
        1,
        """
        {holdWhen: [{name: few, expression: "target.status.numberReady < 100", message: Too few}]}""");
    awaitReason("expression", "ExpressionTrue");

    Run why = run("why", "expression-1");

    assertThat(why.exit()).isEqualTo(Plugin.BLOCKED);
    assertThat(why.out())
        .contains("ExpressionTrue: " + message("expression"))
        .contains("Too few")
        .contains("target.status.numberReady");
  }

  @Test
  void a_budget_of_somebody_else_is_named_with_its_owner_and_its_numbers() {
    lab.addNode("foreign-1", Map.of("pool", "foreign"));
    lab.apply(
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: foreign}
        ---
        apiVersion: policy/v1
        kind: PodDisruptionBudget
        metadata: {name: web, namespace: foreign, annotations: {meta.helm.sh/release-name: shop}}
        spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
        ---
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: web, namespace: foreign}
        spec:
          selector: {matchLabels: {app: web}}
          template:
            metadata: {labels: {app: web}}
            spec:
              nodeSelector: {pool: foreign}
              containers: [{name: main, image: none}]
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: reader, namespace: foreign}
        """);
    await("a pod that is counted")
        .atMost(LONG)
        .untilAsserted(
            () ->
                assertThat(
                        lab.kubectl(
                                "get",
                                "pdb",
                                "web",
                                "-n",
                                "foreign",
                                "-o",
                                "jsonpath={.status.currentHealthy}")
                            .out())
                    .isEqualTo("1"));

    Run why = run("why", "foreign-1");
    assertThat(why.exit()).isEqualTo(Plugin.BLOCKED);
    assertThat(why.out())
        .contains("PodDisruptionBudget foreign/web (Helm release shop) blocks foreign/web-")
        .contains("Ready pods: 1 of 1; needed: 1 (minAvailable 1)")
        .contains("It allows none even when all its pods are ready");

    // With no rights, it says which is missing; with those that its help names, it needs no other.
    String reader = lab.kubeconfig("foreign", "reader").toString();
    Run refused = runAs(reader, "why", "foreign-1");
    assertThat(refused.exit()).isEqualTo(Plugin.ERROR);
    assertThat(refused.err())
        .startsWith("error: Cannot list the pods of node foreign-1: pods is forbidden")
        .endsWith("Ask an administrator for this right\n");
    lab.kubectl(
            "create",
            "clusterrole",
            "why",
            "--verb=list,create,get",
            "--resource=pods,pods/eviction,poddisruptionbudgets,companions.chaperone.dev")
        .orFail();
    lab.kubectl(
            "create",
            "clusterrolebinding",
            "why",
            "--clusterrole=why",
            "--serviceaccount=foreign:reader")
        .orFail();
    await("the right")
        .atMost(LONG)
        .untilAsserted(
            () -> assertThat(runAs(reader, "why", "foreign-1").out()).isEqualTo(why.out()));
    assertThat(runAs(reader, "why", "nowhere").err())
        .isEqualTo("error: Node nowhere has no pods, and you may not get nodes: check its name\n");
  }

  @Test
  void a_hold_that_nothing_enforces_yet_is_refused_by_policy_in_its_words() {
    companion("policy", 1, "{}");
    awaitAllowed("policy", "True");
    sources.close();

    Run hold =
        run(
            "hold",
            "agent",
            "-n",
            "policy",
            "--name",
            "freeze",
            "--reason",
            "a freeze",
            "--until-deleted",
            "--wait",
            "1s");
    assertThat(hold.exit()).isEqualTo(Plugin.ERROR);
    assertThat(hold.err())
        .isEqualTo(
            "error: Hold policy/freeze is not enforced after 1s: Chaperone has not reported on it. It"
                + " stays; kubectl chaperone release freeze -n policy deletes it\n");
    Run why = run("why", "policy-1");
    assertThat(why.exit()).isEqualTo(Plugin.BLOCKED);
    assertThat(why.out())
        .contains("ValidatingAdmissionPolicy 'chaperone-hold' blocks policy/agent-guards-")
        .contains(
            "Hold freeze of Companion agent blocks the disruption of this node: a freeze (not enforced"
                + " yet: try again)");

    startSources();
    lab.kubectl("annotate", "hold", "freeze", "-n", "policy", "touched=1").orFail();
    awaitReason("policy", "Hold");
    assertThat(run("why", "policy-1").out())
        .contains("Hold: " + message("policy"))
        .contains("until it is deleted");
  }

  @Test
  void beside_a_guard_that_cannot_start_a_hold_makes_every_drain_wait_but_that_of_its_node() {
    companion("stuck", 2, "{}");
    awaitAllowed("stuck", "True");
    Pod guard = Scenes.guard(lab, "stuck-2");
    String stuck = guard.getMetadata().getName();
    Scenes.report(lab, guard, Scenes.CANNOT_START);
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: freeze, namespace: stuck}
        spec: {companionRef: {name: agent}, reason: a freeze}
        """);
    awaitReason("stuck", "NotEnforced");

    assertThat(run("why", "stuck-1").out())
        .contains("PodDisruptionBudget stuck/agent-nodes (Companion stuck/agent) blocks stuck/")
        .contains("Hold freeze: a freeze");
    assertThat(run("why", "stuck-2").out())
        .contains("ValidatingAdmissionPolicy 'chaperone-hold' blocks stuck/" + stuck)
        .contains("Hold freeze of Companion agent blocks the disruption of this node: a freeze")
        .containsPattern("not enforced since 2[^ ]+Z: no running guard on stuck-2")
        .contains(
            "(guard %s does not run yet: ImagePullBackOff: Back-off pulling image pause)"
                .formatted(stuck))
        .doesNotContain("try again");
  }

  @Test
  void what_does_not_exist_is_named_with_what_to_do() {
    assertThat(run("why", "nowhere").err())
        .isEqualTo("error: Node nowhere does not exist: kubectl get nodes lists those that do\n");
    Run hold = run("hold", "nobody", "--reason", "a test", "--for", "1h");
    assertThat(hold.err())
        .isEqualTo(
            "error: Companion default/nobody does not exist: kubectl chaperone status -A lists those"
                + " that do\n");
    assertThat(hold.exit()).isEqualTo(Plugin.ERROR);
    assertThat(run("holds").err())
        .isEqualTo("No Holds found in namespace default; -A shows those of all namespaces.\n");
  }

  /// What a command printed, and how it ended.
  private record Run(int exit, String out, String err) {}

  private static Run run(String... arguments) {
    return runAs(lab.kubeconfig().toString(), arguments);
  }

  private static Run runAs(String kubeconfig, String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    int exit =
        Plugin.run(
            new PrintWriter(out),
            new PrintWriter(err),
            Stream.concat(Arrays.stream(arguments), Stream.of("--kubeconfig", kubeconfig))
                .toArray(String[]::new));
    return new Run(exit, out.toString(), err.toString());
  }

  /// A Companion of which each node is guarded.
  private static void companion(String name, int nodes, String disruption) {
    Scenes.companion(lab, name, nodes, disruption);
    await("guards of " + name)
        .atMost(LONG)
        .until(
            () ->
                lab.kubectl(
                        "get",
                        "companion",
                        "agent",
                        "-n",
                        name,
                        "-o",
                        "jsonpath={.status.guards.running}")
                    .out()
                    .equals(String.valueOf(nodes)));
  }

  private static void awaitAllowed(String namespace, String status) {
    await("DisruptionAllowed " + status)
        .atMost(LONG)
        .until(() -> status.equals(allowed(namespace).getStatus()));
    if (status.equals("True")) {
      await("a budget that allows one")
          .atMost(LONG)
          .until(
              () ->
                  lab.kubectl(
                          "get",
                          "pdb",
                          "agent-nodes",
                          "-n",
                          namespace,
                          "-o",
                          "jsonpath={.status.disruptionsAllowed}")
                      .out()
                      .equals("1"));
    }
  }

  private static void awaitReason(String namespace, String reason) {
    await(reason).atMost(LONG).until(() -> reason.equals(allowed(namespace).getReason()));
  }

  private static String message(String namespace) {
    return allowed(namespace).getMessage();
  }

  private static Condition allowed(String namespace) {
    Companion companion =
        lab.client().resources(Companion.class).inNamespace(namespace).withName("agent").get();
    return Facts.allowed(Facts.status(companion)).orElseGet(Condition::new);
  }
}
