package dev.chaperone.functions;

import dev.chaperone.decide.Answer;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventBuilder;
import java.util.List;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// What goes back to whoever sent the event, and with a Broker in between to all who subscribe.
final class Replies {
  private static final Logger LOG = Logger.getLogger(Replies.class);

  private Replies() {}

  /// The reply for the answers that turned; none if none did.
  ///
  /// An event has one reply, about one Companion, so that `subject` can be filtered on. Where one
  /// event turned several, the others are in their status and Events only.
  static @Nullable CloudEvent<ReplyData> about(List<Answer> turned) {
    if (turned.isEmpty()) {
      return null;
    }
    Answer answer = turned.getFirst();
    turned.stream()
        .skip(1)
        .forEach(
            other ->
                LOG.warnf(
                    "%s: turned with the same event, no reply of its own", other.companion()));
    return CloudEventBuilder.create()
        .type(
            "dev.chaperone.disruption."
                + switch (answer.result()) {
                  case ALLOWED -> "allowed";
                  case HELD -> "held";
                  case NOT_ENFORCED -> "notenforced";
                })
        .source(
            "/apis/chaperone.dev/v1alpha1/namespaces/%s/companions/%s"
                .formatted(answer.companion().namespace(), answer.companion().name()))
        .subject(answer.companion().toString())
        .build(ReplyData.of(answer));
  }
}
