package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionSpec.UnhealthyNodeEvictionPolicy;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Time, for every history: events come late, twice or not at all, a pulse comes every minute.
@Execution(ExecutionMode.CONCURRENT)
class TimelinePropertiesTest {
  private static final Duration MAXIMUM = Duration.ofMinutes(10);

  static Stream<Integer> seeds() {
    return IntStream.range(0, 300).boxed();
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void nothing_is_open_while_a_hold_or_a_condition_holds(int seed) {
    Random random = new Random(seed);
    World world = world(random.nextBoolean() ? "60s" : null, null);
    for (int i = 0; i < 60; i++) {
      step(world, random);
      world.event(random.nextInt(5) == 0);
      if (holds(world)) {
        assertThat(isOpen(world)).as("step %d", i).isFalse();
      }
    }
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void no_reason_blocks_longer_than_its_own_maximum_and_each_until_then(int seed) {
    Random random = new Random(seed);
    World world = world(random.nextBoolean() ? "90s" : null, "10m");
    for (int i = 0; i < 80; i++) {
      step(world, random);
      world.now = world.now.plusSeconds(random.nextInt(60));
      Verdict verdict = world.event(true).verdict();
      List<Instant> begun =
          world.holds.values().stream()
              .filter(it -> !Holds.isExpired(it, world.now))
              .map(it -> Instant.parse(it.getMetadata().getCreationTimestamp()))
              .toList();
      boolean due = begun.stream().anyMatch(it -> world.now.isBefore(it.plus(MAXIMUM)));
      switch (verdict) {
        case Verdict.Held held ->
            assertThat(held.reasons())
                .as("step %d", i)
                .allMatch(
                    it ->
                        !it.type().yields()
                            || world.now.isBefore(
                                Objects.requireNonNull(it.since()).plus(MAXIMUM)));
        case Verdict.Allowed allowed -> assertThat(due).as("step %d", i).isFalse();
      }
    }
  }

  /// A forgotten one no longer counts; that is no reason not to listen to the next.
  @Test
  void a_hold_that_comes_after_the_maximum_of_another_blocks() {
    World world = world(null, "10m");
    world.hold("forgotten", null).event(false);
    world.now = world.now.plus(MAXIMUM);
    assertThat(world.event(true).verdict().reason()).isEqualTo(Reason.MaxHoldDurationExceeded);

    world.hold("new", null).event(false);

    assertThat(isOpen(world)).isFalse();
    assertThat(active(world, "forgotten")).isEqualTo("False MaxHoldDurationExceeded");
    assertThat(active(world, "new")).isEqualTo("True Active");
  }

  private static String active(World world, String hold) {
    return Optional.ofNullable(world.holds.get(hold).getStatus())
        .map(status -> Optional.ofNullable(status.conditions()).orElseThrow().getFirst())
        .map(it -> it.getStatus() + " " + it.getReason())
        .orElse("");
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void what_toggles_faster_than_it_settles_never_opens(int seed) {
    Random random = new Random(seed);
    World world = world("60s", null);
    ceph(world, "HEALTH_WARN");
    world.event(false);
    for (int i = 0; i < 60; i++) {
      // Each time it turns, somebody hears of it; how often besides does not matter.
      world.now = world.now.plusSeconds(1 + random.nextInt(58));
      ceph(world, i % 2 == 0 ? "HEALTH_OK" : "HEALTH_WARN");
      for (int events = random.nextInt(3); events >= 0; events--) {
        world.event(random.nextBoolean());
        assertThat(isOpen(world)).as("step %d", i).isFalse();
      }
    }
  }

  @Test
  void opens_when_it_has_settled_and_no_earlier() {
    World world = world("60s", null);
    ceph(world, "HEALTH_WARN");
    world.event(false);
    ceph(world, "HEALTH_OK");
    world.event(false);
    assertThat(world.decide().verdict().reason()).isEqualTo(Reason.Settling);

    world.now = world.now.plusSeconds(59);
    assertThat(world.event(true).verdict().allowed()).isFalse();
    world.now = world.now.plusSeconds(1);
    assertThat(world.event(true).verdict().allowed()).isTrue();
  }

  @Test
  void settles_after_a_node_was_let_go() {
    World world = world("60s", null).settle();
    assertThat(isOpen(world)).isTrue();
    assertThat(world.drain("node-1")).isTrue();

    assertThat(world.event(false).verdict().message()).contains("node-1").contains("settlePeriod");
    assertThat(isOpen(world)).isFalse();
    world.now = world.now.plusSeconds(60);
    world.event(true);
    assertThat(isOpen(world)).isTrue();
  }

  @Test
  void says_what_it_saw_since_when_and_until_when() {
    World world = world(null, "24h");
    ceph(world, "HEALTH_WARN");
    world.event(false);
    Instant first = world.now;
    world.now = world.now.plusSeconds(3600);

    assertThat(world.event(false).verdict().message())
        .isEqualTo(
            "unhealthy: Ceph is not healthy [ceph.status.health is HEALTH_WARN] (since "
                + first
                + ", at most until "
                + first.plus(Duration.ofHours(24))
                + ")");
    world.now = first.plus(Duration.ofHours(24));
    assertThat(world.event(true).verdict())
        .satisfies(it -> assertThat(it.reason()).isEqualTo(Reason.MaxHoldDurationExceeded))
        .satisfies(it -> assertThat(it.message()).contains("24h").contains("HEALTH_WARN"));
  }

  private static void step(World world, Random random) {
    world.now = world.now.plusSeconds(random.nextInt(90));
    switch (random.nextInt(6)) {
      case 0 -> ceph(world, "HEALTH_WARN");
      case 1 -> ceph(world, "HEALTH_OK");
      case 2 -> world.hold("h" + random.nextInt(2), null);
      case 3 ->
          world.hold(
              "h" + random.nextInt(2), world.now.plusSeconds(random.nextInt(180)).toString());
      case 4 -> world.holds.remove("h" + random.nextInt(2));
      default -> {}
    }
    world.controllers();
  }

  private static boolean holds(World world) {
    boolean held =
        world.holds.values().stream()
            .map(it -> it.getSpec().expiresAt())
            .anyMatch(end -> end == null || Instant.parse(end).isAfter(world.now));
    return held || world.observed.toString().contains("HEALTH_WARN");
  }

  private static boolean isOpen(World world) {
    return !BudgetSpecs.isClosed(world.budgets.get("agent-nodes").getSpec());
  }

  private static void ceph(World world, String health) {
    world.observed.put("ceph", new Observation.Seen(Map.of("status", Map.of("health", health))));
  }

  private static World world(@Nullable String settlePeriod, @Nullable String maxHoldDuration) {
    World world = new World().nodes(3);
    world.heldFor = Duration.ZERO;
    ceph(world, "HEALTH_OK");
    world.spec =
        new CompanionSpec(
            world.spec.targetRef(),
            world.spec.followerRef(),
            new Disruption(
                Policy.Auto,
                List.of(Protect.Pods, Protect.Nodes),
                new IntOrString(2),
                List.of(),
                List.of(
                    new HoldExpression(
                        "unhealthy", "ceph.status.health != 'HEALTH_OK'", "Ceph is not healthy")),
                FailurePolicy.Hold,
                settlePeriod,
                maxHoldDuration,
                List.of(),
                null,
                null,
                UnhealthyNodeEvictionPolicy.IfBudgetAllows));
    world.controllers();
    world.event(false);
    world.controllers();
    world.event(false);
    return world;
  }
}
