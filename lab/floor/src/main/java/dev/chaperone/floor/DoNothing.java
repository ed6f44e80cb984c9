package dev.chaperone.floor;

import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;

/// Answers every event and does nothing.
public class DoNothing {
  @Funq
  @CloudEventMapping(trigger = "*")
  public void event(CloudEvent<byte[]> event) {
    event.id();
  }
}
