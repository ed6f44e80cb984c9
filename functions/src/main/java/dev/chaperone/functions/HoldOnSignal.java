package dev.chaperone.functions;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Signal;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Expression;
import dev.chaperone.decide.SignalEvent;
import dev.chaperone.decide.SignalEvent.Ask;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// Any other event: holds and releases as the Companions' signals say. One that no Companion wants
/// is refused, or else Funqy answers 404, which Knative sends again and again.
@Observed
public class HoldOnSignal {
  private static final Logger LOG = Logger.getLogger(HoldOnSignal.class);

  private final ClusterReader reader;
  private final Sender sender;
  private final HoldKeeper keeper;
  private final Replies replies;

  HoldOnSignal(ClusterReader reader, Sender sender, HoldKeeper keeper, Replies replies) {
    this.reader = reader;
    this.sender = sender;
    this.keeper = keeper;
    this.replies = replies;
  }

  @Funq
  @CloudEventMapping(trigger = "*")
  public @Nullable CloudEvent<ReplyData> signal(CloudEvent<byte[]> received) {
    var event = Envelope.of(received);
    Deadline deadline = keeper.begin();
    List<Companion> listening = reader.listening(event.getType(), deadline);
    if (listening.isEmpty()) {
      throw new Malformed("no Companion has a signal of type " + event.getType());
    }
    Sender.Rights rights = sender.of(event, received, deadline);
    SignalEvent asking =
        new SignalEvent(
            event.getType(),
            event.getSource().toString(),
            event.getSubject() == null ? "" : event.getSubject(),
            Payload.value(received));

    List<Outcome> outcomes =
        Several.map(
            listening,
            Reconciler.AT_ONCE,
            companion ->
                ask(
                    companion,
                    event.getType(),
                    (signal, ref) -> {
                      Optional<Ask> ask = asking.asks(signal, ref);
                      Deadline share = keeper.share(deadline, listening.size());
                      ask.ifPresent(
                          it ->
                              rights.exercise(
                                  it,
                                  share,
                                  its -> keeper.carryOut(its, Payload.time(received), share)));
                      return ask.isPresent();
                    }));
    List<RuntimeException> failures =
        outcomes.stream().flatMap(it -> it.failures().stream()).toList();
    List<CompanionRef> asked =
        outcomes.stream().filter(Outcome::asked).map(Outcome::companion).toList();
    // For all of them once more: those that hold already find their Hold.
    failures.stream()
        .filter(Unavailable.class::isInstance)
        .findFirst()
        .ifPresent(
            unavailable -> {
              throw unavailable;
            });
    if (!failures.isEmpty() && !replies.areWaiting(asked)) {
      throw failures.getFirst();
    }
    return replies.about(asked);
  }

  /// What came of one Companion.
  ///
  /// @param asked whether anything was asked of it that the sender may ask
  private record Outcome(CompanionRef companion, boolean asked, List<RuntimeException> failures) {}

  private interface Application {
    /// Whether anything was asked.
    boolean of(Signal signal, CompanionRef ref) throws Expression.Failed;
  }

  /// Whatever goes wrong for one of them, the others who listen are asked all the same.
  private static Outcome ask(Companion companion, String type, Application application) {
    var ref = CompanionRef.of(companion);
    boolean asked = false;
    List<RuntimeException> failures = new ArrayList<>();
    for (Signal signal : companion.getSpec().signals()) {
      if (!signal.type().equals(type)) {
        continue;
      }
      try {
        asked |= application.of(signal, ref);
      } catch (Expression.Failed e) {
        LOG.warnf("%s: signal %s: %s", ref, type, e.getMessage());
        failures.add(new Malformed("signal of Companion " + ref + ": " + e.getMessage()));
      } catch (Unavailable | Denied | Malformed | Ineffective e) {
        LOG.warnf("%s: signal %s: %s", ref, type, e.getMessage());
        failures.add(e);
      } catch (RuntimeException e) {
        LOG.errorf(e, "%s: signal %s: internal error", ref, type);
        failures.add(e);
      }
    }
    return new Outcome(ref, asked, failures);
  }
}
