package dev.chaperone.reflectors;

import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;

/// A Node or the RouteReflectors was added, updated or deleted, or it is time to look again: the
/// present state is read anyway, so what happened hardly matters, but Funqy wants a function for
/// each type of CloudEvent.
public class KeepTopology {
  private final Keeper keeper;

  KeepTopology(Keeper keeper) {
    this.keeper = keeper;
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.add")
  public void added(CloudEvent<byte[]> event) {
    keeper.look();
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.update")
  public void updated(CloudEvent<byte[]> event) {
    keeper.look();
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.apiserver.ref.delete")
  public void deleted(CloudEvent<byte[]> event) {
    keeper.look();
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.sources.ping")
  public void pulse(CloudEvent<byte[]> event) {
    keeper.look();
  }
}
