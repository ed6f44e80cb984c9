package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Instant;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class VerdictTest {
  private final World world = new World().nodes(3);

  @ParameterizedTest
  @CsvSource({
    // policy,   hold,      overlap, allowed, reason
    "Auto,        none,      false,   true,  NothingHolds",
    "Auto,        for ever,  false,   false, Hold",
    "Auto,        unexpired, false,   false, Hold",
    "Auto,        expired,   false,   true,  NothingHolds",
    "Auto,        none,      true,    false, OverlappingBudget",
    "Auto,        for ever,  true,    false, OverlappingBudget",
    "AlwaysAllow, for ever,  false,   true,  AlwaysAllow",
    "AlwaysAllow, none,      true,    true,  AlwaysAllow",
    "AlwaysHold,  none,      false,   false, AlwaysHold",
    "AlwaysHold,  expired,   false,   false, AlwaysHold",
  })
  void policy_and_holds_decide(
      Policy policy, String hold, boolean overlap, boolean allowed, Reason reason) {
    world.spec = World.spec(policy, new IntOrString(1), Protect.Pods, Protect.Nodes);
    switch (hold) {
      case "for ever" -> world.hold("rebuild", null);
      case "unexpired" -> world.hold("rebuild", "2026-11-24T06:00:01Z");
      case "expired" -> world.hold("rebuild", "2026-11-24T06:00:00Z");
      default -> {}
    }
    if (overlap) {
      world.budget(foreign(Map.of("app", "agent")));
    }

    Verdict verdict = world.decide().verdict();

    assertThat(verdict.allowed()).isEqualTo(allowed);
    assertThat(verdict.reason()).isEqualTo(reason);
  }

  /// Also over `AlwaysHold`; and what holds then holds again without anybody doing anything.
  @ParameterizedTest
  @EnumSource(
      value = Policy.class,
      names = {"Auto", "AlwaysHold"})
  void break_glass_ends_by_itself(Policy policy) {
    world.spec = World.spec(policy, new IntOrString(1), Protect.Pods, Protect.Nodes);
    world.hold("rebuild", null).breakGlass("2026-11-24T06:05:00Z").settle();
    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True BreakGlass");
    assertThat(world.condition("rebuild", "Active")).isEqualTo("False BreakGlass");
    assertThat(world.decide().isPending()).isTrue();

    world.now = Instant.parse("2026-11-24T06:05:00Z");
    world.settle();

    assertThat(world.condition(Decision.ALLOWED)).startsWith("False ");
    assertThat(world.condition("rebuild", "Enforced")).isEqualTo("True Enforced");
  }

  /// So that one can see what a Companion would do before it does.
  @Test
  void what_would_block_is_in_the_status_while_the_policy_ignores_it() {
    world.spec =
        Serialization.unmarshal(
            """
            targetRef: {name: node}
            followerRef: {name: agent}
            disruption:
              policy: AlwaysAllow
              protect: [Pods, Nodes]
              maxUnavailable: 1
              failurePolicy: Hold
              holdWhen: [{name: named, expression: target.metadata.name == 'node'}]
              maintenanceWindows: [{schedule: 0 7 * * *, duration: 2h, timeZone: UTC}]
            """,
            CompanionSpec.class);
    world.hold("rebuild", null).settle();

    assertThat(world.condition(Decision.ALLOWED)).isEqualTo("True AlwaysAllow");
    assertThat(world.companion.getStatus().reasons())
        .extracting(BlockingReason::type, BlockingReason::name)
        .contains(
            tuple("Hold", "rebuild"), tuple("ExpressionTrue", "named"), tuple("OutsideWindow", ""));
  }

  @Test
  void a_held_verdict_names_every_hold_with_its_reason_and_its_end() {
    world.hold("a", null).hold("b", "2026-11-24T07:00:00Z");

    assertThat(world.decide().verdict().message())
        .isEqualTo(
            "Hold a: reason of a (since 2026-11-24T05:00:00Z, until it is deleted); "
                + "Hold b: reason of b (since 2026-11-24T05:00:00Z, until 2026-11-24T07:00:00Z)");
  }

  @Test
  void many_holds_are_counted_not_listed() {
    for (int i = 0; i < 8; i++) {
      world.hold("hold-" + i, null);
    }

    assertThat(world.decide().verdict().message()).endsWith("; and 3 more");
  }

  @Test
  void a_budget_for_other_pods_is_no_overlap() {
    world.budget(foreign(Map.of("app", "something-else")));

    assertThat(world.decide().verdict().allowed()).isTrue();
  }

  @Test
  void a_budget_for_every_pod_overlaps() {
    world.budget(foreign(Map.of()));

    assertThat(world.decide().verdict().message())
        .contains("PodDisruptionBudget foreign")
        .contains("delete it or narrow its selector");
  }

  /// No event tells of another's selector that was narrowed.
  @Test
  void while_a_budget_overlaps_the_resync_comes_soon() {
    world.settle();
    assertThat(world.decide().isPending()).isFalse();

    world.budget(foreign(Map.of()));

    assertThat(world.decide().isPending()).isTrue();
  }

  @Test
  void without_its_target_nothing_is_guarded() {
    world.target = null;
    world.hold("rebuild", null);

    Verdict verdict = world.decide().verdict();

    assertThat(verdict.reason()).isEqualTo(Reason.TargetNotFound);
    assertThat(verdict.message()).contains("storage/node").contains("correct targetRef");
  }

  private static PodDisruptionBudget foreign(Map<String, String> labels) {
    return new PodDisruptionBudgetBuilder()
        .withNewMetadata()
        .withName("foreign")
        .endMetadata()
        .withNewSpec()
        .withNewSelector()
        .withMatchLabels(labels)
        .endSelector()
        .endSpec()
        .build();
  }
}
