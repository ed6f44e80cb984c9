package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.EventKey;
import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// One write. Each is idempotent; each one's object says which state of the cluster it was decided
/// on, where that matters.
public sealed interface Change {

  /// The object that is written, for logs and messages.
  HasMetadata object();

  /// The failures that are as good as success: it is so already, or what it is about is gone, which
  /// is for the next event to see.
  default Set<WriteFailure> harmless() {
    return switch (this) {
      case Create _, Replace _, Apply _, Place _, ReportKey _ -> Set.of();
      // Somebody was faster, or it is gone.
      case Bind _, SetSchedule _ -> Set.of(WriteFailure.NOT_FOUND, WriteFailure.CONFLICT);
      case Delete _, SetApart _, Report _, ReportHold _, Respond _, Mark _, Unmark _, Renew _ ->
          Set.of(WriteFailure.NOT_FOUND);
      // Told before.
      case TellOnce _ -> Set.of(WriteFailure.CONFLICT);
      // Nobody's safety hangs on an Event.
      case Tell _ -> Set.of(WriteFailure.values());
    };
  }

  /// Whether it may be written although what it was decided on was seen some seconds ago: it takes
  /// nothing away that something may hang on by now, and the API server refuses it where somebody
  /// else has decided on the same object meanwhile.
  default boolean mayComeLate() {
    return switch (this) {
      case Create _, Bind _, Report _, ReportHold _, Tell _ -> true;
      // Whether a budget gives room is for the decision to know.
      case Replace(HasMetadata object, HasMetadata seen) ->
          !(object instanceof Deployment wanted)
              || GuardDeployment.keepsEveryGuard((Deployment) seen, wanted);
      case Apply _,
          Place _,
          SetApart _,
          Delete _,
          ReportKey _,
          Respond _,
          SetSchedule _,
          Mark _,
          Unmark _,
          Renew _,
          TellOnce _ ->
          false;
    };
  }

  /// Creates an object that Chaperone makes, only where there is none of this name.
  record Create(HasMetadata object) implements Change {}

  /// Writes the whole spec of an object that Chaperone made, and its own labels and annotations:
  /// only on the version that was seen, or on a later one of the same spec that was decided for the
  /// same reasons.
  ///
  /// @param object without the annotation [Made#CLOSED_FOR], that is taken away
  record Replace(HasMetadata object, HasMetadata seen) implements Change {}

  /// Creates or updates a Hold that an event asks for.
  record Apply(Hold object) implements Change {}

  /// Gives the follower the placement, and takes from it what is in the way.
  ///
  /// @param inTheWay JSON pointers of placement that others once wrote, which server-side apply
  ///     cannot remove
  record Place(DaemonSet object, Placement placement, List<String> inTheWay) implements Change {}

  /// Binds a waiting guard to a node.
  record Bind(Pod object, String node) implements Change {}

  /// Gives a guard a label that says which budget it is under, or takes it away; only on the
  /// version that was seen.
  ///
  /// @param label [Made#HELD_FOR] or [Made#UNHEALTHY]
  /// @param value absent: it is to have none
  record SetApart(Pod object, String label, @Nullable String value) implements Change {}

  /// Deletes an object that Chaperone made, and only the very object that was seen.
  record Delete(HasMetadata object) implements Change {}

  /// Writes the status that the object carries, on the version that was seen.
  record Report(Companion object) implements Change {}

  /// Writes the status that the Hold carries, on the version that was seen.
  record ReportHold(Hold object) implements Change {}

  /// Writes the status that the key carries, on the version that was seen.
  record ReportKey(EventKey object) implements Change {}

  /// Answers an Eviction as its responder, on the version that was seen.
  ///
  /// @param index of the responder's entry in its status
  /// @param entry as it is to be
  record Respond(GenericKubernetesResource object, int index, Map<String, Object> entry)
      implements Change {}

  /// Sets how often the pulse beats, on the version that was seen.
  ///
  /// @param schedule cron with five fields
  record SetSchedule(GenericKubernetesResource object, String schedule) implements Change {}

  /// Sets the condition on the node, and only on the version that was seen, if that is known.
  record Mark(Node object, NodeCondition condition) implements Change {}

  /// Removes the condition from the node, if it is there.
  ///
  /// @param companion only if the condition is of this one; absent: in any case
  record Unmark(Node object, String type, @Nullable CompanionRef companion) implements Change {}

  /// Notes in a Lease, if it is there, the time that this one carries.
  record Renew(Lease object) implements Change {}

  /// Tells people, as a Kubernetes Event about an object.
  record Tell(HasMetadata object, boolean warning, String reason, String message)
      implements Change {}

  /// The same as a warning, and once for each name: told again, it is as good as told.
  ///
  /// @param name of the Event, in the object's namespace
  record TellOnce(HasMetadata object, String name, String reason, String message)
      implements Change {}
}
