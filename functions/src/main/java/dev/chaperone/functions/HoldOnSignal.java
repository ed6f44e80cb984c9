package dev.chaperone.functions;

import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;

/// Events of types that no function wants. Without it Funqy answers 404, which Knative sends again
/// and again.
public class RefuseUnknown {
  @Funq
  @CloudEventMapping(trigger = "*")
  public void unknown(CloudEvent<byte[]> event) {
    throw new Malformed("no function wants events of type " + Envelope.of(event).getType());
  }
}
