package dev.chaperone.functions;

import dev.chaperone.api.EventKey;
import dev.chaperone.api.EventKeySpec;
import dev.chaperone.api.EventKeyStatus;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.Rate;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.EventKeyUse;
import dev.chaperone.decide.EventKeyUse.Claim;
import dev.chaperone.decide.EventKeyUse.Finish;
import dev.chaperone.decide.HoldRequest.SignedBy;
import dev.chaperone.decide.SignalEvent.Ask;
import dev.chaperone.decide.Written;
import dev.chaperone.signature.SignedEvent;
import io.cloudevents.CloudEvent;
import java.time.Clock;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Consumer;
import org.jboss.logging.Logger;

/// Who sends an event, by its own signature: the [EventKey] that it names, read live. What anybody
/// can see of an event is answered in full; whether a key exists, and what it is, is not.
final class Signatures {
  private static final Logger LOG = Logger.getLogger(Signatures.class);
  private static final int MAX_CONFLICTS = 5;
  private static final int A_SECOND = 20;
  private static final int MOST_REMEMBERED = 1000;

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final String cluster;
  private final Clock clock = Clock.systemUTC();

  /// Only the signatures of known keys are made by those who have them. What is left is asked about
  /// so often a second, and no more.
  private final Rate unknown = new Rate(A_SECOND, clock);

  /// Keys as they were read last. They confirm nothing: a key may be gone, or another.
  private final Map<String, EventKeySpec> known =
      new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, EventKeySpec> eldest) {
          return size() > MOST_REMEMBERED;
        }
      };

  Signatures(ClusterReader reader, ClusterWriter writer, String cluster) {
    this.reader = reader;
    this.writer = writer;
    this.cluster = cluster;
  }

  /// What the one may do who signed the event.
  ///
  /// @throws Malformed when it could be no signed event, whatever the key
  /// @throws Denied with 401 when it is too old, meant for another cluster, or no key confirms it
  /// @throws Unavailable when the API server does not answer, or is asked too often
  Sender.Rights of(
      String jws,
      CloudEvent event,
      io.quarkus.funqy.knative.events.CloudEvent<byte[]> received,
      Deadline deadline) {
    String what = Sender.name(event);
    Instant time =
        Payload.time(received)
            .orElseThrow(() -> new Malformed("a signed event must have the attribute time"));
    SignedEvent signed = read(jws, event, time, received);
    if (!EventKeyUse.isInTime(time, clock.instant())) {
      throw Denied.unknown(
          "%s is of %s: a signed event is accepted for %d minutes"
              .formatted(what, time, EventKeyUse.WINDOW.toMinutes()));
    }
    if (!signed.audience().equals(cluster)) {
      throw Denied.unknown(what + " is signed for another cluster (aud)");
    }
    EventKey key = confirmed(signed, what, deadline);
    SignedBy by = new SignedBy(keyId(signed), event.getId(), time);
    return (ask, its, work) -> exercise(key, ask.signed(by), by, what, its, work);
  }

  private static SignedEvent read(
      String jws,
      CloudEvent event,
      Instant time,
      io.quarkus.funqy.knative.events.CloudEvent<byte[]> received) {
    Map<String, String> attributes = new LinkedHashMap<>();
    attributes.put("specversion", event.getSpecVersion().toString());
    attributes.put("id", event.getId());
    attributes.put("source", event.getSource().toString());
    attributes.put("type", event.getType());
    if (event.getSubject() != null) {
      attributes.put("subject", event.getSubject());
    }
    try {
      return new SignedEvent(jws, attributes, time, Payload.bytes(received));
    } catch (SignedEvent.Unreadable e) {
      throw new Malformed("not a signed event (extension attribute jws): " + e.getMessage());
    }
  }

  private EventKey confirmed(SignedEvent signed, String what, Deadline deadline) {
    String id = keyId(signed);
    Optional<EventKeySpec> remembered;
    synchronized (known) {
      remembered = Optional.ofNullable(known.get(id));
    }
    boolean likely = remembered.filter(signed::isSignedWith).isPresent();
    if (!likely && !unknown.take()) {
      throw new Unavailable("Too many signatures at once that no known key confirms");
    }
    Optional<EventKey> key = reader.eventKey(signed.keyNamespace(), signed.keyName(), deadline);
    boolean confirmed =
        key.map(EventKey::getSpec)
            .filter(it -> (likely && remembered.get().equals(it)) || signed.isSignedWith(it))
            .isPresent();
    synchronized (known) {
      key.ifPresentOrElse(it -> known.put(id, it.getSpec()), () -> known.remove(id));
    }
    if (!confirmed) {
      LOG.infof(
          "%s: EventKey %s %s",
          what, id, key.isPresent() ? "did not make this signature" : "does not exist here");
      throw Denied.unknown(what + " has a signature that no EventKey confirms");
    }
    return key.get();
  }

  private static String keyId(SignedEvent signed) {
    return signed.keyNamespace() + "/" + signed.keyName();
  }

  private void exercise(
      EventKey confirming,
      Ask ask,
      SignedBy by,
      String what,
      Deadline deadline,
      Consumer<Ask> work) {
    EventKey key = confirming;
    for (int attempt = 0; ; attempt++) {
      Instant now = clock.instant();
      EventKeyUse use = new EventKeyUse(key, ask, by);
      use.whyForbidden(now)
          .ifPresent(
              why -> {
                throw Denied.forbidden(
                    "%s: EventKey %s does not permit this: %s".formatted(what, by.key(), why));
              });
      switch (use.claim(now)) {
        case Claim.Done _ -> {
          LOG.infof("%s: done before", what);
          return;
        }
        case Claim.Late(EventKeyStatus.Accepted newer) -> {
          forget(ask, newer.release(), work);
          throw Denied.forbidden(
              "%s comes after a newer one, %s of %s".formatted(what, newer.id(), newer.time()));
        }
        case Claim.TooMuch _ ->
            throw new Unavailable(
                "EventKey %s asked for too many Holds within minutes".formatted(by.key()));
        case Claim.ToDo(Optional<EventKeyStatus> status) -> {
          Optional<EventKey> claimed =
              status.isEmpty() ? Optional.of(key) : write(key, status.get(), deadline);
          if (claimed.isPresent()) {
            work.accept(ask);
            finish(claimed.get(), ask, by, what, deadline, work);
            return;
          }
        }
      }
      key = again(key, by, attempt, deadline);
    }
  }

  /// Says that the work is done, unless a newer event came meanwhile.
  private void finish(
      EventKey claimed, Ask ask, SignedBy by, String what, Deadline deadline, Consumer<Ask> work) {
    EventKey key = claimed;
    for (int attempt = 0; ; attempt++) {
      switch (new EventKeyUse(key, ask, by).finish(clock.instant())) {
        case Finish.Done(EventKeyStatus status) -> {
          if (write(key, status, deadline).isPresent()) {
            return;
          }
        }
        case Finish.Overtaken(boolean release) -> {
          forget(ask, release, work);
          throw Denied.forbidden(what + " was overtaken by a newer one");
        }
      }
      key = again(key, by, attempt, deadline);
    }
  }

  /// A Hold that this event wrote after a newer one had released it goes again.
  private static void forget(Ask ask, boolean released, Consumer<Ask> work) {
    if (released && ask instanceof Ask.ToHold) {
      work.accept(new Ask.ToForget(ask.request()));
    }
  }

  /// The key as it is now.
  private EventKey again(EventKey seen, SignedBy by, int attempt, Deadline deadline) {
    if (attempt == MAX_CONFLICTS) {
      throw new Unavailable(
          "Gave up on EventKey %s after %d write conflicts".formatted(by.key(), attempt));
    }
    return reader
        .eventKey(seen.getMetadata().getNamespace(), seen.getMetadata().getName(), deadline)
        .filter(it -> isSameKey(it, seen))
        .orElseThrow(() -> new Unavailable("EventKey " + by.key() + " changed meanwhile"));
  }

  private static boolean isSameKey(EventKey one, EventKey other) {
    return Objects.equals(one.getMetadata().getUid(), other.getMetadata().getUid())
        && Objects.equals(one.getSpec(), other.getSpec());
  }

  /// The key with this status; empty if somebody wrote it in between.
  private Optional<EventKey> write(EventKey key, EventKeyStatus status, Deadline deadline) {
    key.setStatus(status);
    try {
      Written written = writer.write(List.of(new Change.ReportKey(key)), deadline);
      if (!written.refused().isEmpty()) {
        throw new Unavailable("Not written: " + written.refused().getFirst().message());
      }
      return written.stored().stream().map(EventKey.class::cast).findFirst();
    } catch (LostRace e) {
      return Optional.empty();
    }
  }
}
