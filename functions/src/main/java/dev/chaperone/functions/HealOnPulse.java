package dev.chaperone.functions;

import dev.chaperone.decide.Occasion;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import org.jspecify.annotations.Nullable;

/// The periodic event: whatever events missed, and whatever only time changes, is put right.
@Observed
public class HealOnPulse {
  private final Reconciler reconciler;
  private final Rounds rounds;
  private final Replies replies;

  HealOnPulse(Reconciler reconciler, Rounds rounds, Replies replies) {
    this.reconciler = reconciler;
    this.rounds = rounds;
    this.replies = replies;
  }

  @Funq
  @CloudEventMapping(trigger = "dev.knative.sources.ping")
  public @Nullable CloudEvent<ReplyData> pulse(CloudEvent<byte[]> event) {
    Envelope.of(event);
    return replies.about(
        rounds.share(
            Rounds.Kind.PULSE,
            Occasion.PULSE,
            reconciler.begin(),
            (_, until) -> reconciler.pulse(until)));
  }

  /// The same for `kn func invoke`, which sends this type unless it is given another one.
  @Funq
  @CloudEventMapping(trigger = "boson.fn")
  public @Nullable CloudEvent<ReplyData> invoked(CloudEvent<byte[]> event) {
    return pulse(event);
  }
}
