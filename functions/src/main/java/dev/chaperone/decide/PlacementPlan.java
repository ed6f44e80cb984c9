package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus.PlacementWrites;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Where the follower runs: exactly where the target does.
///
/// @param writes how often the same placement was written in a row, for the status
record PlacementPlan(List<Change> changes, Finding finding, @Nullable PlacementWrites writes) {

  /// Somebody who changes it back this often does so for ever, and each time rolls the pods.
  private static final int MAX_WRITES = 3;

  /// After this long without a write, it is tried again.
  private static final Duration RETRY = Duration.ofHours(1);

  static PlacementPlan of(Snapshot seen) {
    if (seen.spec().followerRef() == null) {
      return none(
          Finding.good(Reason.NothingFollows, "spec.followerRef is not set: nothing follows"));
    }
    String name = seen.spec().followerRef().name();
    if (seen.ref().namespace().equals(Snapshot.targetNamespace(seen.companion()))
        && name.equals(seen.spec().targetRef().name())) {
      return none(
          Finding.bad(
              Reason.FollowerIsTarget,
              "targetRef and followerRef name the same DaemonSet "
                  + name
                  + ": name another one in followerRef, or leave it out"));
    }
    Optional<String> rival = rival(seen);
    if (rival.isPresent()) {
      return none(
          Finding.bad(
              Reason.FollowerTaken,
              "DaemonSet "
                  + name
                  + " already follows for the older Companion "
                  + rival.get()
                  + ": delete one of the two, or name another DaemonSet"));
    }
    DaemonSet target = seen.target();
    if (target == null) {
      return none(seen.withoutTarget());
    }
    DaemonSet follower = seen.follower();
    if (follower == null) {
      return none(
          Finding.bad(
              Reason.FollowerNotFound,
              "DaemonSet "
                  + seen.ref().namespace()
                  + "/"
                  + name
                  + " does not exist: create it, or correct followerRef"));
    }
    return follow(seen, target, follower);
  }

  /// The older Companion to which the follower belongs, if that is not this one.
  static Optional<String> rival(Snapshot seen) {
    Comparator<Companion> byAge =
        Comparator.<Companion, String>comparing(c -> c.getMetadata().getCreationTimestamp())
            .thenComparing(c -> c.getMetadata().getName());
    return seen.rivals().stream()
        .filter(other -> byAge.compare(other, seen.companion()) < 0)
        .min(byAge)
        .map(other -> other.getMetadata().getName());
  }

  private static PlacementPlan follow(Snapshot seen, DaemonSet target, DaemonSet follower) {
    Placement wanted = Placement.of(target);
    Placement actual = Placement.of(follower);
    Finding follows =
        Finding.good(
            Reason.FollowsTarget,
            "DaemonSet "
                + follower.getMetadata().getName()
                + " has the placement of "
                + seen.targetName());
    String id = Drift.hash(wanted);
    PlacementWrites before = before(seen, id);
    if (actual.equals(wanted)) {
      return new PlacementPlan(List.of(), follows, written(seen, id, before));
    }
    List<String> appliers =
        actual.differing(wanted).stream()
            .flatMap(field -> FieldOwners.otherAppliers(follower, field).stream())
            .distinct()
            .toList();
    if (!appliers.isEmpty()) {
      // Whoever applies a field applies it again: writing here would roll the pods to and fro for
      // ever.
      return none(
          Finding.bad(
              Reason.PlacementConflict,
              "%s applies a placement of its own to DaemonSet %s: take nodeSelector, node affinity and tolerations out of its manifest"
                  .formatted(String.join(", ", appliers), follower.getMetadata().getName())));
    }
    int count = before == null ? 0 : before.count();
    if (count >= MAX_WRITES) {
      return new PlacementPlan(
          List.of(),
          Finding.bad(
              Reason.PlacementConflict,
              "Somebody has changed the placement of DaemonSet %s back %d times (field managers: %s): take nodeSelector, node affinity and tolerations out of its manifest; tried again an hour after the last try"
                  .formatted(
                      follower.getMetadata().getName(),
                      count,
                      String.join(", ", FieldOwners.others(follower)))),
          before);
    }
    List<String> inTheWay =
        actual.surplus(wanted).stream()
            .filter(field -> FieldOwners.hasOther(follower, field))
            .toList();
    return new PlacementPlan(
        List.of(new Change.Place(follower, wanted, inTheWay)),
        follows,
        new PlacementWrites(id, count + 1, seen.now().toString()));
  }

  /// How often this placement was written lately.
  private static @Nullable PlacementWrites before(Snapshot seen, String id) {
    PlacementWrites before = seen.status().placementWrites();
    return before != null
            && before.placement().equals(id)
            && Times.parse(before.lastTime())
                .filter(it -> seen.now().isBefore(it.plus(RETRY)))
                .isPresent()
        ? before
        : null;
  }

  /// What this run tried to write, and is so now, it has written; a look before may have lost a
  /// race of its own.
  private static @Nullable PlacementWrites written(
      Snapshot seen, String id, @Nullable PlacementWrites before) {
    PlacementWrites tried = seen.placed();
    return tried != null && tried.placement().equals(id) ? tried : before;
  }

  private static PlacementPlan none(Finding finding) {
    return new PlacementPlan(List.of(), finding, null);
  }
}
