package dev.chaperone.functions;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.Signal;
import dev.chaperone.cluster.Access.Verb;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.Answer;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Durations;
import dev.chaperone.decide.Expression;
import dev.chaperone.decide.HoldRequest;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// Any other event: holds and releases as the Companions' signals say. One that no Companion wants
/// is refused, or else Funqy answers 404, which Knative sends again and again.
@Observed
public class HoldOnSignal {
  private static final Logger LOG = Logger.getLogger(HoldOnSignal.class);
  private static final Set<String> VARIABLES = Set.of("type", "source", "subject", "data");

  private final ClusterReader reader;
  private final Sender sender;
  private final HoldKeeper keeper;

  HoldOnSignal(ClusterReader reader, Sender sender, HoldKeeper keeper) {
    this.reader = reader;
    this.sender = sender;
    this.keeper = keeper;
  }

  @Funq
  @CloudEventMapping(trigger = "*")
  public @Nullable CloudEvent<ReplyData> signal(CloudEvent<byte[]> received) {
    var event = Envelope.of(received);
    Deadline deadline = keeper.begin();
    List<Companion> listening = reader.listening(event.getType(), deadline);
    if (listening.isEmpty()) {
      throw new Malformed("nobody wants events of type " + event.getType());
    }
    Sender.Rights rights = sender.of(event, deadline);
    Map<String, Object> values = new LinkedHashMap<>();
    values.put("type", event.getType());
    values.put("source", event.getSource().toString());
    values.put("subject", event.getSubject() == null ? "" : event.getSubject());
    Payload.value(received).ifPresent(data -> values.put("data", data));
    Expression.Language language = Expression.language(VARIABLES);

    List<Answer> turned = new ArrayList<>();
    RuntimeException failure = null;
    Unavailable unavailable = null;
    // Whatever goes wrong for one of them, the others who listen are asked all the same.
    for (Companion companion : listening) {
      var ref = CompanionRef.of(companion);
      for (Signal signal : companion.getSpec().signals()) {
        if (signal.type().equals(event.getType())) {
          try {
            turned.addAll(apply(signal, ref, received, language, values, rights, deadline));
          } catch (Expression.Failed e) {
            LOG.warnf("%s: signal %s: %s", ref, signal.type(), e.getMessage());
            failure = new Malformed("signal of Companion " + ref + ": " + e.getMessage());
          } catch (Unavailable e) {
            LOG.warnf("%s: signal %s: %s", ref, signal.type(), e.getMessage());
            unavailable = e;
          } catch (Denied | Malformed | Ineffective e) {
            LOG.warnf("%s: signal %s: %s", ref, signal.type(), e.getMessage());
            failure = e;
          } catch (RuntimeException e) {
            LOG.errorf(e, "%s: signal %s: internal error", ref, signal.type());
            failure = e;
          }
        }
      }
    }
    if (unavailable != null) {
      // For all of them once more: those that hold already find their Hold.
      throw unavailable;
    }
    if (failure != null && turned.isEmpty()) {
      throw failure;
    }
    return Replies.about(turned);
  }

  private List<Answer> apply(
      Signal signal,
      CompanionRef ref,
      CloudEvent<byte[]> received,
      Expression.Language language,
      Map<String, Object> values,
      Sender.Rights rights,
      Deadline deadline)
      throws Expression.Failed {
    String source = String.valueOf(values.get("source"));
    if (language.compile(signal.holdWhen()).isTrue(values)) {
      String key = key(signal, language, values);
      rights.require(Verb.CREATE, ref.namespace());
      String reason =
          signal.reason() == null || signal.reason().isBlank()
              ? Payload.cut("signal " + signal.type() + " " + key)
              : signal.reason();
      return keeper.hold(
          new HoldRequest(ref, source, key),
          reason,
          Payload.time(received),
          Durations.parse(signal.ttl()),
          deadline);
    }
    if (signal.releaseWhen() != null && language.compile(signal.releaseWhen()).isTrue(values)) {
      String key = key(signal, language, values);
      rights.require(Verb.DELETE, ref.namespace());
      return keeper.release(new HoldRequest(ref, source, key), deadline);
    }
    return List.of();
  }

  /// Keys of two signals never meet: the type is part of each.
  private static String key(Signal signal, Expression.Language language, Map<String, Object> values)
      throws Expression.Failed {
    String key =
        signal.key() == null
            ? String.valueOf(values.get("subject"))
            : language.compile(signal.key()).text(values);
    return signal.type() + " " + key;
  }
}
