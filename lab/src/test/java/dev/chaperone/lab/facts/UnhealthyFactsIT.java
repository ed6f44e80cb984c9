package dev.chaperone.lab.facts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.facts.FactsNamespace.Answer;
import dev.chaperone.lab.junit.LabExtension;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.LabelSelectorRequirement;
import io.fabric8.kubernetes.api.model.LabelSelectorRequirementBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Two ways to let the guard of a broken node go while all others wait, and what budgets make of
/// each: a guard that is not ready, and a guard that a label takes from under its budget. With none
/// of Chaperone's functions, as in [KubernetesFactsIT]; how often something passes that should wait
/// is logged, because it hangs on who is faster.
@ExtendWith(LabExtension.class)
class UnhealthyFactsIT {
  private static final System.Logger LOG = System.getLogger(UnhealthyFactsIT.class.getName());
  private static final Duration LONG = Duration.ofMinutes(2);
  private static final int TIMES = 10;
  private static final String GATE = "example.com/target-ready";
  private static final String LABEL = "unhealthy";
  private static final String CLOSED =
      "minAvailable: 2147483647\n  unhealthyPodEvictionPolicy: IfHealthyBudget";
  private static final String TWO_OF_THREE =
      "minAvailable: 2\n  unhealthyPodEvictionPolicy: AlwaysAllow";
  private static final PatchContext MERGE =
      new PatchContext.Builder().withPatchType(PatchType.JSON_MERGE).build();
  private static final PatchContext STRATEGIC_MERGE =
      new PatchContext.Builder().withPatchType(PatchType.STRATEGIC_MERGE).build();

  private static final List<LabelSelectorRequirement> OTHERS =
      List.of(
          new LabelSelectorRequirementBuilder()
              .withKey(LABEL)
              .withOperator("DoesNotExist")
              .build());

  private final Lab lab;

  UnhealthyFactsIT(Lab lab) {
    this.lab = lab;
  }

  /// What speaks for a readiness gate: with nothing but what Kubernetes counts.
  @Test
  void a_pod_that_is_not_ready_uses_up_an_open_budget_and_goes_itself() {
    try (FactsNamespace facts = spread(3, "")) {
      facts.budget(TWO_OF_THREE);
      facts.awaitAllowed(1);
      List<Pod> pods = facts.pods();

      facts.makeNotReady(pods.getFirst());

      facts.awaitAllowed(0);
      assertThat(facts.evict(pods.get(1), true).code()).isEqualTo(429);
      assertThat(facts.evict(pods.get(2), true).code()).isEqualTo(429);
      assertThat(facts.evict(pods.getFirst(), false).code()).isEqualTo(201);
    }
  }

  /// What speaks against it: the budget counts what the kubelet makes of the gate, so where no
  /// kubelet makes anything of it, as here, the gate is nothing.
  @Test
  void a_readiness_gate_that_no_kubelet_looks_at_changes_no_count() {
    try (FactsNamespace facts =
        spread(3, "readinessGates: [{conditionType: %s}]".formatted(GATE))) {
      facts.budget(TWO_OF_THREE);
      facts.awaitAllowed(1);
      Pod pod = facts.pods().getFirst();

      lab.kubectl(
              "patch",
              "pod",
              pod.getMetadata().getName(),
              "-n",
              facts.name(),
              "--subresource=status",
              "-p",
              "{\"status\":{\"conditions\":[{\"type\":\"%s\",\"status\":\"False\"}]}}"
                  .formatted(GATE))
          .orFail();

      await().during(Duration.ofSeconds(5)).atMost(LONG).until(() -> allowed(facts.budget()) == 1);
      assertThat(facts.ready()).isEqualTo(3);
    }
  }

  /// What speaks against it too: a budget that closes refuses the eviction of a pod that is ready
  /// from its first moment on, and that of one that is not only once Kubernetes has counted.
  @Test
  void a_budget_that_closes_refuses_at_once_only_what_is_ready() {
    try (FactsNamespace facts = spread(3, "")) {
      facts.budget(TWO_OF_THREE);
      facts.awaitAllowed(1);
      Pod broken = facts.pods().getFirst();
      Pod healthy = facts.pods().getLast();
      facts.makeNotReady(broken);
      int passedBroken = 0;
      for (int i = 0; i < TIMES; i++) {
        facts.budget(TWO_OF_THREE);
        facts.awaitAllowed(0);
        replace(facts, Integer.MAX_VALUE, "IfHealthyBudget", List.of());
        Answer first = facts.evict(broken, true);
        assertThat(facts.evict(healthy, true).code()).isEqualTo(429);
        passedBroken += first.code() == 201 ? 1 : 0;
        facts.awaitAllowed(0);
        assertThat(facts.evict(broken, true).code()).as("once counted").isEqualTo(429);
      }
      LOG.log(
          System.Logger.Level.INFO,
          "not ready, under a budget that has just closed: {0} of {1} evictions passed",
          passedBroken,
          TIMES);

      facts.budget(CLOSED);
      lab.kubectl(
              "patch",
              "pod",
              broken.getMetadata().getName(),
              "-n",
              facts.name(),
              "--subresource=status",
              "-p",
              "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}")
          .orFail();
      for (int i = 0; i < TIMES; i++) {
        facts.budget(TWO_OF_THREE);
        facts.awaitAllowed(1);
        replace(facts, Integer.MAX_VALUE, "IfHealthyBudget", List.of());
        assertThat(facts.evict(broken, true).code()).as("ready").isEqualTo(429);
      }
    }
  }

  /// What speaks against a label: Kubernetes looks at the budget that a changed pod is under now,
  /// so the one that it was under goes on counting it. Whoever moves a pod has to write that
  /// budget.
  @Test
  void a_budget_that_only_lost_a_pod_is_not_counted_again_before_it_is_written() {
    try (FactsNamespace facts = spread(3, "")) {
      openBoth(facts);
      Pod broken = facts.pods().getFirst();
      Pod healthy = facts.pods().getLast();

      label(broken, "true");

      await("the other budget").atMost(LONG).until(() -> allowed(apartBudget(facts)) == 1);
      await().during(Duration.ofSeconds(20)).atMost(LONG).until(() -> allowed(facts.budget()) == 1);
      assertThat(facts.evict(healthy, true).code()).as("goes as well").isEqualTo(201);
      lab.kubectl("annotate", "pdb", "budget", "-n", facts.name(), "look=again").orFail();
      facts.awaitAllowed(0);
      assertThat(facts.evict(healthy, true).code()).isEqualTo(429);

      label(broken, null);
      facts.awaitAllowed(1);
    }
  }

  /// What holds all the same: the budget asks for one more before the pod moves, until the pod is
  /// counted under the other one. Whatever is counted after that is counted without it.
  @Test
  void no_other_pod_goes_while_one_moves_from_a_budget_that_asked_for_one_more() {
    try (FactsNamespace facts = spread(3, "")) {
      openBoth(facts);
      Pod broken = facts.pods().getFirst();
      Pod healthy = facts.pods().getLast();
      for (int i = 0; i < TIMES; i++) {
        replace(facts, 3, "AlwaysAllow", OTHERS);
        assertThat(facts.evict(healthy, true).code()).as("asks for more").isEqualTo(429);
        label(broken, "true");
        assertThat(facts.evict(healthy, true).code()).as("moved").isEqualTo(429);
        await("the other budget")
            .atMost(LONG)
            .until(() -> apartBudget(facts).getStatus().getExpectedPods() == 1);
        replace(facts, 2, "AlwaysAllow", OTHERS);
        assertThat(facts.evict(healthy, true).code()).as("asks for less").isEqualTo(429);
        await("counted").atMost(LONG).until(() -> allowed(facts.budget()) >= 0);
        assertThat(allowed(facts.budget())).isZero();
        label(broken, null);
        facts.awaitAllowed(1);
        lab.kubectl("annotate", "--overwrite", "pdb", "apart", "-n", facts.name(), "look=" + i)
            .orFail();
        await("gone from the other budget")
            .atMost(LONG)
            .until(() -> apartBudget(facts).getStatus().getExpectedPods() == 0);
      }
    }
  }

  /// What is so of a pod that is not ready: until that is counted, another may go as well.
  @Test
  void a_budget_counts_a_pod_that_is_no_longer_ready_by_itself() {
    try (FactsNamespace facts = spread(3, "")) {
      facts.budget(TWO_OF_THREE);
      facts.awaitAllowed(1);
      Pod broken = facts.pods().getFirst();
      Pod healthy = facts.pods().getLast();
      int passed = 0;
      for (int i = 0; i < TIMES; i++) {
        ready(broken, "False");
        passed += facts.evict(healthy, true).code() == 201 ? 1 : 0;
        facts.awaitAllowed(0);
        assertThat(facts.evict(healthy, true).code()).isEqualTo(429);
        ready(broken, "True");
        facts.awaitAllowed(1);
      }
      LOG.log(
          System.Logger.Level.INFO,
          "another, right after one was no longer ready: {0} of {1} evictions passed",
          passed,
          TIMES);
    }
  }

  /// What speaks for a label: ready pods under two budgets, each counted for itself.
  @Test
  void a_pod_that_a_label_puts_under_another_budget_goes_and_is_closed_in_at_once() {
    try (FactsNamespace facts = spread(3, "")) {
      openBoth(facts);
      Pod broken = facts.pods().getFirst();

      label(broken, "true");

      await().atMost(LONG).until(() -> allowed(apartBudget(facts)) == 1);
      assertThat(facts.evict(broken, true).code()).isEqualTo(201);
      for (int i = 0; i < TIMES; i++) {
        replaceApart(facts, Integer.MAX_VALUE, "IfHealthyBudget");
        assertThat(facts.evict(broken, true).code()).as("closed").isEqualTo(429);
        replaceApart(facts, 0, "AlwaysAllow");
        await().atMost(LONG).until(() -> allowed(apartBudget(facts)) == 1);
      }

      label(broken, null);
      facts.awaitHealthy(3);
      assertThat(facts.evict(broken, true).code()).isEqualTo(201);
    }
  }

  /// Pods of one Deployment, one on each node, ready.
  private FactsNamespace spread(int pods, String spec) {
    FactsNamespace facts = new FactsNamespace(lab, pods);
    facts.deployment(pods, FactsNamespace.ONE_PER_NODE + "\n      " + spec);
    facts.awaitReady(pods);
    return facts;
  }

  /// Two open budgets: one lets one of the pods without the label go, the other has none yet.
  private void openBoth(FactsNamespace facts) {
    facts.budget(TWO_OF_THREE);
    lab.client()
        .resource(budget(facts, "apart", 0, "AlwaysAllow", List.of(with())).build())
        .create();
    replace(facts, 2, "AlwaysAllow", OTHERS);
    facts.awaitAllowed(1);
  }

  private PodDisruptionBudget apartBudget(FactsNamespace facts) {
    return lab.client()
        .policy()
        .v1()
        .podDisruptionBudget()
        .inNamespace(facts.name())
        .withName("apart")
        .get();
  }

  private void replace(
      FactsNamespace facts, int minAvailable, String policy, List<LabelSelectorRequirement> of) {
    update(budget(facts, "budget", minAvailable, policy, of), facts.budget());
  }

  private void replaceApart(FactsNamespace facts, int minAvailable, String policy) {
    update(budget(facts, "apart", minAvailable, policy, List.of(with())), apartBudget(facts));
  }

  private void update(PodDisruptionBudgetBuilder wanted, PodDisruptionBudget now) {
    lab.client()
        .resource(
            wanted
                .editMetadata()
                .withResourceVersion(null)
                .withUid(now.getMetadata().getUid())
                .endMetadata()
                .build())
        .update();
  }

  private static PodDisruptionBudgetBuilder budget(
      FactsNamespace facts,
      String name,
      int minAvailable,
      String policy,
      List<LabelSelectorRequirement> of) {
    return new PodDisruptionBudgetBuilder()
        .withNewMetadata()
        .withNamespace(facts.name())
        .withName(name)
        .endMetadata()
        .withNewSpec()
        .withMinAvailable(new IntOrString(minAvailable))
        .withUnhealthyPodEvictionPolicy(policy)
        .withNewSelector()
        .addToMatchLabels("app", "app")
        .withMatchExpressions(of)
        .endSelector()
        .endSpec();
  }

  private static LabelSelectorRequirement with() {
    return new LabelSelectorRequirementBuilder().withKey(LABEL).withOperator("Exists").build();
  }

  private void label(Pod pod, @Nullable String value) {
    lab.client()
        .pods()
        .inNamespace(pod.getMetadata().getNamespace())
        .withName(pod.getMetadata().getName())
        .patch(
            MERGE,
            "{\"metadata\":{\"labels\":{\"%s\":%s}}}"
                .formatted(LABEL, value == null ? "null" : "\"" + value + "\""));
  }

  /// As a kubelet says it.
  private void ready(Pod pod, String status) {
    lab.client()
        .pods()
        .inNamespace(pod.getMetadata().getNamespace())
        .withName(pod.getMetadata().getName())
        .subresource("status")
        .patch(
            STRATEGIC_MERGE,
            "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}"
                .formatted(status));
  }

  private static int allowed(PodDisruptionBudget budget) {
    return budget.getStatus() == null
            || !Objects.equals(
                budget.getStatus().getObservedGeneration(), budget.getMetadata().getGeneration())
        ? -1
        : budget.getStatus().getDisruptionsAllowed();
  }
}
