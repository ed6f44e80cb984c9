package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.UUID;

/// An event that was not processed, and what there is to say about it. Every word of it is somebody
/// else's: reported, never believed.
///
/// @param receiver who was to answer it; empty if that is not known
/// @param status of the last answer; empty if there was none
/// @param answer the body of the response
public record DeadLetter(
    String type, String id, String source, String receiver, OptionalInt status, String answer) {
  /// What Knative sends again before it gives up, besides 5xx.
  private static final Set<Integer> SENT_AGAIN = Set.of(404, 408, 409, 429);

  /// What the types of events about changed objects begin with.
  public static final String CHANGES = "dev.knative.apiserver.";

  /// Has the time of the last event that was lost.
  private static final String LEASE = "chaperone-events-lost";

  private static final String LOST = "EventLost";
  private static final int WORD = 120;
  private static final int SENTENCE = 300;

  /// EventRefused when sending it again cannot help, EventLost when that was tried in vain.
  public String reason() {
    return status.isPresent()
            && status.getAsInt() / 100 == 4
            && !SENT_AGAIN.contains(status.getAsInt())
        ? "EventRefused"
        : LOST;
  }

  /// Notes for alerts that an event was lost; nothing for one that was refused, whose sender has to
  /// do something about it.
  ///
  /// @param namespace where Chaperone runs
  public Optional<Change> note(String namespace, Instant now) {
    if (!reason().equals(LOST)) {
      return Optional.empty();
    }
    return Optional.of(
        new Change.Renew(
            new LeaseBuilder()
                .withNewMetadata()
                .withNamespace(namespace)
                .withName(LEASE)
                .endMetadata()
                .withNewSpec()
                .withRenewTime(now.atZone(ZoneOffset.UTC))
                .endSpec()
                .build()));
  }

  /// What people read: which event, why, and what to do.
  public String message() {
    return "Event %s %s of %s was not processed: %s%s%s. %s"
        .formatted(
            printable(type, WORD),
            printable(id, WORD),
            printable(source, WORD),
            status.isPresent() ? "answered " + status.getAsInt() : "no answer",
            receiver.isEmpty() ? "" : " by " + printable(receiver, WORD),
            answer.isEmpty() ? "" : ": " + printable(answer, SENTENCE),
            type.startsWith("dev.knative.")
                ? "The next resync repairs it"
                : "It held and released nothing: send it again when that is repaired");
  }

  /// Tells of it on a Companion: once an hour for each reason and each type of event that somebody
  /// wants, so that nobody who only posts events floods a namespace with Events.
  public Change tell(Companion companion, Instant now) {
    // There are six, and made-up ones would concern the Companion all the same.
    String kind = type.startsWith(CHANGES) ? CHANGES : type;
    String once = reason() + "\n" + kind + "\n" + now.truncatedTo(ChronoUnit.HOURS);
    String name =
        companion.getMetadata().getName()
            + "."
            + UUID.nameUUIDFromBytes(once.getBytes(StandardCharsets.UTF_8));
    return new Change.TellOnce(companion, name, reason(), message());
  }

  private static String printable(String text, int length) {
    String one = text.replaceAll("[\\p{C}\\s]+", " ").strip();
    return one.length() <= length ? one : one.substring(0, length) + "…";
  }
}
