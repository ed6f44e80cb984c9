package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/// Where the follower runs: exactly where the target does.
record PlacementPlan(List<Change> changes, Finding finding) {

  static PlacementPlan of(Snapshot seen) {
    if (seen.spec().companionRef() == null) {
      return none(Finding.good("NothingFollows", "spec.companionRef is not set: nothing follows"));
    }
    String name = seen.spec().companionRef().name();
    if (seen.ref().namespace().equals(Snapshot.targetNamespace(seen.companion()))
        && name.equals(seen.spec().targetRef().name())) {
      return none(
          Finding.bad(
              "CompanionIsTarget",
              "targetRef and companionRef name the same DaemonSet "
                  + name
                  + ": name another one in companionRef, or leave it out"));
    }
    Optional<String> rival = rival(seen);
    if (rival.isPresent()) {
      return none(
          Finding.bad(
              "CompanionTaken",
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
              "CompanionMissing",
              "DaemonSet "
                  + seen.ref().namespace()
                  + "/"
                  + name
                  + " does not exist: create it, or correct companionRef"));
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
            "FollowsTarget",
            "DaemonSet "
                + follower.getMetadata().getName()
                + " has the placement of "
                + seen.targetName());
    if (actual.equals(wanted)) {
      return none(follows);
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
              "PlacementConflict",
              "%s applies a placement of its own to DaemonSet %s: take nodeSelector, node affinity and tolerations out of its manifest"
                  .formatted(String.join(", ", appliers), follower.getMetadata().getName())));
    }
    List<String> inTheWay =
        actual.surplus(wanted).stream()
            .filter(field -> FieldOwners.hasOther(follower, field))
            .toList();
    return new PlacementPlan(List.of(new Change.Place(follower, wanted, inTheWay)), follows);
  }

  private static PlacementPlan none(Finding finding) {
    return new PlacementPlan(List.of(), finding);
  }
}
