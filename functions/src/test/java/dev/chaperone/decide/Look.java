package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// One of those that look, decide and write, with what it has read and not yet written.
final class Look {
  private @Nullable List<PodDisruptionBudget> known;
  private @Nullable Snapshot seen;
  private @Nullable Decision decision;
  private final Deque<Change> left = new ArrayDeque<>();
  private boolean reports;
  private final List<HasMetadata> stored = new ArrayList<>();
  private final World world;
  private final BooleanSupplier cutShort;
  private final BiConsumer<Change.ReportHold, Snapshot> reported;

  Look(World world) {
    this(world, () -> false, (_, _) -> {});
  }

  /// @param cutShort whether it reports although guards are on their way
  /// @param reported is told what it says of a Hold, and what it had seen
  Look(World world, BooleanSupplier cutShort, BiConsumer<Change.ReportHold, Snapshot> reported) {
    this.world = world;
    this.cutShort = cutShort;
    this.reported = reported;
  }

  boolean isAboutToMoveBack() {
    return left.peek() instanceof Change.SetApart apart && apart.value() == null;
  }

  void step(List<String> told, boolean pulse) {
    if (known == null) {
      known = world.budgets.values().stream().map(Serialization::clone).toList();
    } else if (decision == null) {
      seen = copy(world.snapshot(pulse), known);
      decision = Decision.of(seen);
      left.addAll(decision.changes());
    } else if (left.isEmpty() && reports) {
      known = null;
      seen = null;
      decision = null;
      reports = false;
      stored.clear();
    } else if (left.isEmpty()) {
      reports = true;
      boolean again = (decision.isMoving() && !cutShort.getAsBoolean()) || decision.opens();
      if (!again) {
        decision.report(new Written(List.copyOf(stored), List.of())).steps().forEach(left::addAll);
      }
    } else {
      Change change = left.remove();
      if (isStale(change)) {
        left.clear();
        reports = true;
      } else {
        told.add(System.identityHashCode(this) % 97 + " " + describe(change));
        world.apply(change);
        if (change instanceof Change.ReportHold report) {
          reported.accept(report, Objects.requireNonNull(seen));
        }
        Optional.ofNullable(world.budgets.get(change.object().getMetadata().getName()))
            .map(Serialization::clone)
            .ifPresent(stored::add);
      }
    }
  }

  /// As the API server finds by the version, and the writer by the spec and its fence.
  private boolean isStale(Change change) {
    String name = change.object().getMetadata().getName();
    return switch (change) {
      case Change.Create create -> world.budgets.containsKey(name);
      case Change.Replace replace when replace.seen() instanceof PodDisruptionBudget budget ->
          !isSame(budget, world.budgets.get(name));
      case Change.Delete delete when delete.object() instanceof PodDisruptionBudget budget ->
          !isSame(budget, world.budgets.get(name));
      case Change.SetApart apart ->
          !Objects.equals(version(apart.object()), version(world.guardPods.get(name)));
      case Change.Bind bind ->
          !world.guardPods.containsKey(name)
              || world.guardPods.get(name).getSpec().getNodeName() != null;
      case Change.Report _ ->
          !Objects.equals(
              world.companion.getStatus(), Objects.requireNonNull(seen).companion().getStatus());
      case Change.ReportHold report ->
          !world.holds.containsKey(name)
              || !world
                  .holds
                  .get(name)
                  .getMetadata()
                  .getUid()
                  .equals(report.object().getMetadata().getUid());
      default -> false;
    };
  }

  private static @Nullable String version(@Nullable HasMetadata object) {
    return object == null ? "none" : object.getMetadata().getResourceVersion();
  }

  private static boolean isSame(PodDisruptionBudget one, @Nullable PodDisruptionBudget other) {
    return other != null
        && Objects.equals(one.getMetadata().getGeneration(), other.getMetadata().getGeneration())
        && Objects.equals(one.getMetadata().getAnnotations(), other.getMetadata().getAnnotations());
  }

  private static String describe(Change change) {
    return change instanceof Change.SetApart(Pod guard, String label, String value)
        ? "%s of %s has %s %s"
            .formatted(guard.getMetadata().getName(), guard.getSpec().getNodeName(), label, value)
        : change instanceof Change.Replace(PodDisruptionBudget budget, HasMetadata _)
            ? budget.getMetadata().getName() + " " + budget.getSpec().getMinAvailable()
            : change.getClass().getSimpleName() + " " + change.object().getMetadata().getName();
  }

  /// What later changes of the world do not change; the budgets as they were read before.
  private static Snapshot copy(Snapshot seen, List<PodDisruptionBudget> known) {
    Roster roster = seen.roster();
    Companion companion = new Companion();
    companion.setMetadata(seen.companion().getMetadata());
    companion.setSpec(seen.companion().getSpec());
    companion.setStatus(seen.companion().getStatus());
    return new Snapshot(
        seen.now(),
        seen.settings(),
        seen.pulse(),
        known,
        companion,
        seen.rivals(),
        Serialization.clone(seen.target()),
        Serialization.clone(seen.follower()),
        Serialization.clone(seen.guards()),
        List.copyOf(seen.holds()),
        seen.observed(),
        seen.notRunning().stream().map(Serialization::clone).toList(),
        seen.placed(),
        seen.evictions(),
        new Roster(
            roster.complete(),
            roster.nodes().entrySet().stream()
                .collect(
                    Collectors.toMap(it -> it.getKey(), it -> Serialization.clone(it.getValue()))),
            roster.targetPods().stream().map(Serialization::clone).toList(),
            roster.guards().stream().map(Serialization::clone).toList(),
            roster.lookAlikes()));
  }
}
