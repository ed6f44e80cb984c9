package dev.chaperone.functions;

import dev.chaperone.cluster.Deadline;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Occasion;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import org.jspecify.annotations.Nullable;

/// An object was added, updated or deleted: a DaemonSet, a Node, a Companion, a Hold, or something
/// made by Chaperone. Its present state is read anyway, so what happened to it hardly matters, but
/// Funqy wants a function for each type of event; `ref` and `resource` are the two modes of an
/// ApiServerSource.
@Observed
public class ReactToChange {
  private final Reconciler reconciler;
  private final Rounds rounds;
  private final Replies replies;

  ReactToChange(Reconciler reconciler, Rounds rounds, Replies replies) {
    this.reconciler = reconciler;
    this.rounds = rounds;
    this.replies = replies;
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.add")
  public @Nullable CloudEvent<ReplyData> refAdded(CloudEvent<byte[]> event) {
    return added(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.update")
  public @Nullable CloudEvent<ReplyData> refUpdated(CloudEvent<byte[]> event) {
    return changed(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.delete")
  public @Nullable CloudEvent<ReplyData> refDeleted(CloudEvent<byte[]> event) {
    return deleted(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.resource.add")
  public @Nullable CloudEvent<ReplyData> resourceAdded(CloudEvent<byte[]> event) {
    return added(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.resource.update")
  public @Nullable CloudEvent<ReplyData> resourceUpdated(CloudEvent<byte[]> event) {
    return changed(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.resource.delete")
  public @Nullable CloudEvent<ReplyData> resourceDeleted(CloudEvent<byte[]> event) {
    return deleted(event);
  }

  private @Nullable CloudEvent<ReplyData> added(CloudEvent<byte[]> event) {
    ObjectRef object = Envelope.object(Envelope.of(event));
    return look(object, Occasion.addition(object));
  }

  private @Nullable CloudEvent<ReplyData> changed(CloudEvent<byte[]> event) {
    ObjectRef object = Envelope.object(Envelope.of(event));
    return look(object, Occasion.change(object));
  }

  private @Nullable CloudEvent<ReplyData> deleted(CloudEvent<byte[]> event) {
    ObjectRef object = Envelope.object(Envelope.of(event));
    return look(object, Occasion.deletion(object));
  }

  private @Nullable CloudEvent<ReplyData> look(ObjectRef object, Occasion occasion) {
    Deadline deadline = reconciler.begin();
    return replies.about(
        object.isNode()
            ? rounds.share(
                Rounds.Kind.NODES,
                occasion,
                deadline,
                (all, until) -> reconciler.react(object, all, until))
            : reconciler.react(object, occasion, deadline));
  }
}
