package dev.chaperone.kubectl;

import static dev.chaperone.kubectl.Objects.budget;
import static dev.chaperone.kubectl.Objects.companion;
import static dev.chaperone.kubectl.Objects.facts;
import static dev.chaperone.kubectl.Objects.ofCompanion;
import static dev.chaperone.kubectl.Objects.pod;
import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.decide.Reason;
import dev.chaperone.kubectl.Answer.Accepted;
import dev.chaperone.kubectl.Answer.Refused;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What blocks what, from objects and the API server's answers to lines.
class DrainReportTest {
  private static final Refused BY_BUDGET =
      new Refused("Cannot evict pod as it would violate the pod's disruption budget.", false);
  private static final Companion HELD =
      companion(
          """
          {reasons: [
            {type: Hold, name: rebuild, message: "Hold rebuild: a disk", since: "2026-01-01T00:00:00Z"},
            {type: Hold, name: old, message: "Hold old: a test", since: "2025-01-01T00:00:00Z", overdue: true},
            {type: ExpressionTrue, name: ceph, message: "Ceph is not healthy (health=WARN)",
             since: "2026-01-01T01:00:00Z", until: "2026-01-02T01:00:00Z"}]}""");
  private static final Companion USED_UP =
      companion(
          """
          {conditions: [{type: DisruptionAllowed, status: "False", reason: MaxUnavailableReached,
            message: maxUnavailable (1) is used up by node n2, lastTransitionTime: "2026-01-01T00:00:00Z"}]}""");
  private static final Companion ONLY_UNHEALTHY =
      companion(
          """
          {conditions: [{type: DisruptionAllowed, status: "True", reason: OnlyUnhealthyNodes,
            message: "Only nodes whose target pod is not ready may be drained: n2"}]}""");
  private static final Companion OPEN =
      companion(
          """
          {conditions: [{type: DisruptionAllowed, status: "True", reason: NothingHolds, message: No active holds}]}""");

  private final Map<Pod, Answer> answers = new LinkedHashMap<>();

  @Test
  void every_active_reason_of_the_companion_is_said_in_the_words_of_its_status() {
    answers.put(pod("guard-1", "guard"), BY_BUDGET);
    answers.put(pod("web-1", "web"), new Accepted());

    assertThat(lines(facts(HELD, ofCompanion("guard", 0))))
        .containsExactly(
            "NAMESPACE   POD       EVICTION   BLOCKED BY",
            "storage     guard-1   blocked    PodDisruptionBudget storage/agent-nodes",
            "storage     web-1     allowed    <none>",
            "",
            "PodDisruptionBudget storage/agent-nodes (Companion storage/agent) blocks storage/guard-1",
            "  Hold: Hold rebuild: a disk (since 2026-01-01T00:00:00Z, until it is deleted)",
            "    " + Reason.Hold.documentation(),
            "  ExpressionTrue: Ceph is not healthy (health=WARN) (since 2026-01-01T01:00:00Z, at most"
                + " until 2026-01-02T01:00:00Z)",
            "    " + Reason.ExpressionTrue.documentation(),
            "",
            "A drain of node n1 is blocked by PodDisruptionBudget storage/agent-nodes (evictions"
                + " refused: 1 of 2).");
  }

  @Test
  void without_a_reason_the_condition_explains_a_closed_budget() {
    answers.put(pod("guard-1", "guard"), BY_BUDGET);

    assertThat(lines(facts(USED_UP, ofCompanion("guard", 0))))
        .contains(
            "  MaxUnavailableReached: maxUnavailable (1) is used up by node n2",
            "    " + Reason.MaxUnavailableReached.documentation());
    assertThat(lines(facts(ONLY_UNHEALTHY, ofCompanion("guard", 0))))
        .contains(
            "  OnlyUnhealthyNodes: Only nodes whose target pod is not ready may be drained: n2");
    assertThat(lines(facts(OPEN, ofCompanion("guard", 0))))
        .contains(
            "  The budget allows no eviction at this moment, although the Companion says: No active"
                + " holds");
    assertThat(lines(facts(companion("{}"), ofCompanion("guard", 0))))
        .contains("  Chaperone has not reported on it yet");
  }

  @Test
  void reasons_that_are_ignored_explain_nothing() {
    answers.put(pod("guard-1", "guard"), BY_BUDGET);
    Companion notOpened =
        companion(
            """
            {reasons: [{type: Hold, name: rebuild, message: "Hold rebuild: a disk", since: "2026-01-01T00:00:00Z"}],
             conditions: [{type: DisruptionAllowed, status: "False", reason: NotOpened, message: closed by a webhook}]}""");

    assertThat(lines(facts(notOpened, ofCompanion("guard", 0))))
        .contains("  NotOpened: closed by a webhook")
        .noneMatch(it -> it.contains("Hold rebuild"));
  }

  @Test
  void a_companion_that_should_block_and_does_not_is_named_in_its_words() {
    Companion companion =
        companion(
            """
            {reasons: [{type: Hold, name: rebuild, message: "Hold rebuild: a disk", since: "2026-01-01T00:00:00Z"}],
             unguardedNodes: [{name: n1, message: its guard is not there yet}],
             conditions: [{type: DisruptionAllowed, status: Unknown, reason: NotEnforced, message: Should be blocked}]}""");

    assertThat(lines(facts(companion)))
        .containsExactly(
            "Companion storage/agent should block it, and does not",
            "  NotEnforced: Should be blocked",
            "    " + Reason.NotEnforced.documentation(),
            "",
            "Nothing blocks a drain of node n1: it has no pod to evict.");
    assertThat(DrainReport.of("n2", answers, facts(companion), List.of()).gaps()).isEmpty();

    answers.put(pod("guard-2", "guard"), new Accepted());
    assertThat(
            DrainReport.of("n2", answers, facts(companion, ofCompanion("guard", 1)), List.of())
                .gaps())
        .extracting(DrainReport.Gap::owner)
        .containsExactly("Companion storage/agent");
  }

  @Test
  void a_companion_that_may_not_be_read_is_named_with_the_right_that_is_missing() {
    answers.put(pod("guard-1", "guard"), BY_BUDGET);

    assertThat(lines(facts(ofCompanion("guard", 0))))
        .contains(
            "  Companion storage/agent cannot be read",
            "    Ask an administrator for the right to get companions in namespace storage");
  }

  @Test
  void a_foreign_budget_is_named_with_its_owner_its_numbers_and_what_to_do() {
    answers.put(pod("web-1", "web"), BY_BUDGET);
    var never = budget("web", "web", 0, 1, 1, 1);
    never.getMetadata().setLabels(Map.of("app.kubernetes.io/managed-by", "Flux"));

    assertThat(lines(facts(never)))
        .contains(
            "PodDisruptionBudget storage/web (managed by Flux) blocks storage/web-1",
            "  Ready pods: 1 of 1; needed: 1 (minAvailable 1)",
            "    It allows none even when all its pods are ready. Ask its owner for more replicas, or"
                + " for a rule that allows one to go");
    assertThat(lines(facts(budget("web", "web", 0, 3, 2, 2))))
        .contains(
            "PodDisruptionBudget storage/web (not Chaperone's) blocks storage/web-1",
            "    Wait until more of its pods are ready, or find out why they are not");
  }

  @Test
  void of_many_pods_of_one_budget_a_few_are_named() {
    for (int pod = 1; pod <= 7; pod++) {
      answers.put(pod("web-" + pod, "web"), BY_BUDGET);
    }

    assertThat(lines(facts(budget("web", "web", 0, 7, 7, 7))))
        .contains(
            "PodDisruptionBudget storage/web (not Chaperone's) blocks storage/web-1, storage/web-2,"
                + " storage/web-3, storage/web-4, storage/web-5 and 2 more");
  }

  @Test
  void two_budgets_on_one_pod_are_both_named() {
    answers.put(
        pod("guard-1", "guard"),
        new Refused("This pod has more than one PodDisruptionBudget", false));

    assertThat(lines(facts(OPEN, ofCompanion("guard", 1), budget("all", "guard", 1, 3, 3, 2))))
        .contains(
            "PodDisruptionBudgets storage/agent-nodes and storage/all (agent-nodes: Companion"
                + " storage/agent, all: not Chaperone's) block storage/guard-1");
  }

  @Test
  void a_policy_speaks_for_itself() {
    answers.put(
        pod("guard-1", "guard"),
        new Refused(
            "pods \"guard-1\" is forbidden: ValidatingAdmissionPolicy 'chaperone-hold' with binding"
                + " 'chaperone-hold' denied request: Hold rebuild of Companion agent blocks it",
            true));
    answers.put(
        pod("web-1", "web"),
        new Refused("admission webhook \"drain.example.org\" denied the request: not now", true));

    assertThat(lines(facts(HELD, ofCompanion("guard", 0))))
        .contains(
            "ValidatingAdmissionPolicy 'chaperone-hold' blocks storage/guard-1",
            "  Hold rebuild of Companion agent blocks it",
            "admission webhook \"drain.example.org\" blocks storage/web-1",
            "  not now");
  }

  @Test
  void a_refusal_that_nothing_explains_is_said_in_the_api_servers_words() {
    answers.put(pod("web-1", "web"), new Refused("the budget web needs 2 pods", false));

    assertThat(lines(facts())).contains("  the budget web needs 2 pods");
  }

  @Test
  void nothing_blocks_where_nothing_has_to_go() {
    assertThat(lines(facts()))
        .containsExactly("Nothing blocks a drain of node n1: it has no pod to evict.");
    assertThat(DrainReport.of("n1", answers, facts(), List.of()).blocked()).isFalse();
  }

  @Test
  void pods_of_daemonsets_and_of_the_kubelet_stay_in_a_drain() {
    Pod ofDaemonSet =
        new PodBuilder(pod("a", "a"))
            .editMetadata()
            .addNewOwnerReference()
            .withKind("DaemonSet")
            .withController(true)
            .endOwnerReference()
            .endMetadata()
            .build();
    Pod mirror =
        new PodBuilder(pod("b", "b"))
            .editMetadata()
            .addToAnnotations("kubernetes.io/config.mirror", "x")
            .endMetadata()
            .build();

    assertThat(DrainedPods.of(List.of(pod("d", "d"), ofDaemonSet, mirror, pod("c", "c"))))
        .extracting(it -> it.getMetadata().getName())
        .containsExactly("c", "d");
  }

  @Test
  void who_else_maintains_the_node_is_named_and_blocks_nothing() {
    Maintainer kured =
        new Maintainer(
            "n1",
            "kured",
            "lock on DaemonSet kube-system/kured",
            "2026-01-01T00:00:00Z",
            null,
            false);

    assertThat(DrainReport.of("n1", answers, facts(), List.of(kured)).lines())
        .containsExactly(
            "Node n1 is maintained by kured (lock on DaemonSet kube-system/kured, since"
                + " 2026-01-01T00:00:00Z, until it is released)",
            "",
            "Nothing blocks a drain of node n1: it has no pod to evict.");
  }

  private List<String> lines(Facts facts) {
    return DrainReport.of("n1", answers, facts, List.of()).lines();
  }
}
