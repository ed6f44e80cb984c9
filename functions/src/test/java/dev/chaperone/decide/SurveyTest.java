package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What a survey finds of one Companion among everything else.
class SurveyTest {
  private final World world = new World().nodes(3).settle();

  static Stream<Arguments> worlds() {
    return Stream.of(
        of("nothing to do", true, false, _ -> {}),
        of("held, and said so", true, false, it -> it.hold("rebuild", null).settle()),
        of("a new Hold", false, false, it -> it.hold("rebuild", null)),
        of("a Hold that went", false, false, it -> it.hold("rebuild", null).settle().holds.clear()),
        of(
            "a drain that waits",
            false,
            false,
            it -> it.hold("rebuild", null).settle().cordon("node-1")),
        of("an Eviction that waits", false, false, SurveyTest::evicted),
        of("an Eviction that was answered", true, false, it -> evicted(it).settle()),
        of("a node that came", false, true, it -> it.node("node-4").controllers()),
        of("a node that went", false, true, it -> it.nodes.remove("node-1")),
        of("a guard without its node", false, true, it -> it.guardPods.clear()),
        of(
            "a guard that ended",
            false,
            true,
            it -> it.guardPods.values().iterator().next().getStatus().setPhase("Failed")),
        of("no budget", false, false, it -> it.budgets.remove("agent-nodes")),
        of("no follower", false, false, it -> it.follower = null),
        of("no target", false, false, it -> it.target = null),
        of(
            "guards without a target, and a drain that waits",
            false,
            false,
            it -> {
              it.cordon("node-1").target = null;
              it.controllers();
            }),
        of(
            "another spec",
            false,
            false,
            it ->
                it.spec =
                    World.spec(
                        Policy.AlwaysHold, new IntOrString(1), Protect.Pods, Protect.Nodes)));
  }

  /// @param idle whether there is nothing to write or to say
  /// @param everyNode whether nodes that are not cordoned make a difference
  private static Arguments of(
      String name, boolean idle, boolean everyNode, Consumer<World> change) {
    return Arguments.of(name, idle, everyNode, change);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("worlds")
  void a_survey_leads_to_the_same_decision_as_a_look(
      String name, boolean idle, boolean everyNode, Consumer<World> change) {
    change.accept(world);
    Snapshot alone = world.snapshot(true);

    Snapshot amongAll = survey().of(alone.ref(), true, Written.NOTHING).orElseThrow();

    assertThat(Decision.of(amongAll).isIdle()).isEqualTo(idle);
    assertThat(Decision.of(amongAll).needsEveryNode()).isEqualTo(everyNode);
    assertThat(asked(amongAll)).isEqualTo(asked(alone));
    assertThat(survey().closing(alone.ref())).isEqualTo(world.known().closing());
  }

  static Stream<Arguments> differences() {
    return Stream.of(
        late("a new Hold", true, it -> it.hold("rebuild", null)),
        late("no budget", true, it -> it.budgets.remove("agent-nodes")),
        late("no guards", true, it -> it.guards = null),
        late("a guard without its node", true, it -> it.guardPods.clear()),
        late("a Hold that went", false, it -> it.hold("rebuild", null).settle().holds.clear()),
        late("a guard too many", false, it -> it.nodes.remove("node-1")),
        late(
            "one that waits too many",
            false,
            it -> {
              // While held, no budget asks for less.
              it.hold("rebuild", null).settle().nodes.remove("node-1");
              it.controllers();
            }),
        late(
            "another placement",
            false,
            it ->
                it.target()
                    .getSpec()
                    .getTemplate()
                    .getSpec()
                    .setNodeSelector(Map.of("pool", "a"))));
  }

  private static Arguments late(String name, boolean mayComeLate, Consumer<World> change) {
    return Arguments.of(name, mayComeLate, change);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("differences")
  void what_neither_opens_nor_takes_away_may_come_late(
      String name, boolean mayComeLate, Consumer<World> change) {
    change.accept(world);

    assertThat(Decision.of(world.snapshot(true)).mayComeLate()).isEqualTo(mayComeLate);
  }

  @Test
  void a_survey_knows_what_was_closed_since() {
    world.hold("rebuild", null);
    CompanionRef ref = world.snapshot(true).ref();
    Survey survey = survey();
    survey.closing(ref).forEach(world::apply);
    Written closed = new Written(List.copyOf(world.budgets.values()), List.of());

    Decision decision = Decision.of(survey.of(ref, true, closed).orElseThrow());

    assertThat(decision.changes())
        .noneMatch(it -> it.object().getKind().equals("PodDisruptionBudget"));
    assertThat(decision.report(closed).answer().result()).isEqualTo(Answer.Result.HELD);
  }

  @Test
  void what_blocks_closes_without_a_look() {
    world.hold("rebuild", null);

    survey().closing(world.snapshot(true).ref()).forEach(world::apply);

    assertThat(world.budgets.values()).allMatch(it -> BudgetSpecs.isClosed(it.getSpec()));
    assertThat(world.decide().changes())
        .noneMatch(it -> it.object().getKind().equals("PodDisruptionBudget"));
  }

  @Test
  void a_companion_that_is_being_deleted_or_does_not_exist_closes_nothing() {
    world.hold("rebuild", null);
    assertThat(survey().closing(new CompanionRef("elsewhere", "none"))).isEmpty();

    world.companion.getMetadata().setDeletionTimestamp("2026-11-24T06:00:00Z");

    assertThat(survey().closing(world.snapshot(true).ref())).isEmpty();
  }

  @Test
  void only_expressions_are_evaluated() {
    assertThat(survey().evaluates(world.snapshot(true).ref())).isFalse();

    world.holdsWhen(new HoldExpression("it", "1 == 1", null));

    assertThat(survey().evaluates(world.snapshot(true).ref())).isTrue();
  }

  @Test
  void what_nothing_was_said_of_is_unfinished_and_what_lacks_a_guard_but_for_a_drain() {
    world.companion.setStatus(null);
    assertThat(Survey.isUnfinished(world.companion)).isTrue();

    world.settle();
    assertThat(Survey.isUnfinished(world.companion)).isFalse();

    assertThat(world.drain("node-1")).isTrue();
    world.settle();
    assertThat(Survey.isUnfinished(world.companion)).isFalse();

    world.guardPods.values().forEach(it -> it.getStatus().setPhase("Pending"));
    world.event(false);
    assertThat(Survey.isUnfinished(world.companion)).isTrue();
  }

  /// What sets up, or what a Hold asks for, any event about the Companion does as well.
  @Test
  void only_what_no_count_shows_needs_a_pulse() {
    world.hold("rebuild", null);
    assertThat(Decision.of(world.snapshot(true)).needsPulse()).isFalse();

    world.guards = null;
    assertThat(Decision.of(world.snapshot(true)).needsPulse()).isFalse();
    assertThat(Decision.of(world.snapshot(true)).needsEveryNode()).isTrue();

    world.settle();
    world.nodes.remove("node-1");
    assertThat(Decision.of(world.snapshot(true)).needsPulse()).isTrue();
  }

  private static List<String> asked(Snapshot seen) {
    Decision decision = Decision.of(seen);
    return List.of(
        decision.steps(true).toString(),
        decision.report(Written.NOTHING).steps().toString(),
        String.valueOf(decision.isPending()));
  }

  private static World evicted(World world) {
    world.respondsToEvictions = true;
    world.servesEvictions = true;
    world.settle().hold("rebuild", null).settle();
    world.evictions.put(
        "pod-1-" + world.guardOn("node-1").getMetadata().getName(),
        EvictionObjects.active(world.guardOn("node-1"), World.NOW.toString()));
    return world;
  }

  /// With objects of others beside those of the world.
  private Survey survey() {
    World others = new World().nodes(2).settle();
    others.companion.getMetadata().setNamespace("elsewhere");
    return new Survey(
        world.now,
        new Settings(
            Scope.CLUSTER,
            world.settings,
            world.marksNodes,
            world.respondsToEvictions,
            world.maxHoldDuration),
        new Survey.Found(
            List.of(others.companion, world.companion),
            List.copyOf(world.holds.values()),
            List.copyOf(world.budgets.values()),
            Stream.of(world.target, world.follower)
                .filter(Objects::nonNull)
                .<DaemonSet>map(it -> it)
                .toList(),
            Stream.of(world.guards).filter(Objects::nonNull).<Deployment>map(it -> it).toList(),
            Stream.concat(world.guardPods.values().stream(), world.lookAlikes.values().stream())
                .<Pod>map(it -> it)
                .toList(),
            List.copyOf(world.targetPods.values()),
            List.copyOf(world.nodes.values()),
            Map.of(),
            new Evictions(world.evictions().served(), world.evictions().objects(), List.of())));
  }
}
