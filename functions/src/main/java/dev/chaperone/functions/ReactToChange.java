package dev.chaperone.functions;

import dev.chaperone.decide.ObjectRef;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import org.jspecify.annotations.Nullable;

/// An object was added, updated or deleted: a DaemonSet, a Node, a Companion, a Hold, or something
/// made by Chaperone. What happened to it does not matter, since its present state is read anyway,
/// but Funqy wants a function for each type of event; `ref` and `resource` are the two modes of an
/// ApiServerSource.
@Observed
public class ReactToChange {
  private final Reconciler reconciler;

  ReactToChange(Reconciler reconciler) {
    this.reconciler = reconciler;
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.add")
  public @Nullable CloudEvent<Answer> refAdded(CloudEvent<byte[]> event) {
    return react(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.update")
  public @Nullable CloudEvent<Answer> refUpdated(CloudEvent<byte[]> event) {
    return react(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.delete")
  public @Nullable CloudEvent<Answer> refDeleted(CloudEvent<byte[]> event) {
    return react(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.resource.add")
  public @Nullable CloudEvent<Answer> resourceAdded(CloudEvent<byte[]> event) {
    return react(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.resource.update")
  public @Nullable CloudEvent<Answer> resourceUpdated(CloudEvent<byte[]> event) {
    return react(event);
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.resource.delete")
  public @Nullable CloudEvent<Answer> resourceDeleted(CloudEvent<byte[]> event) {
    return react(event);
  }

  private @Nullable CloudEvent<Answer> react(CloudEvent<byte[]> event) {
    ObjectRef object = Envelope.object(Envelope.of(event));
    return Replies.about(reconciler.changed(object));
  }
}
