package dev.chaperone.decide;

import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HexFormat;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What an event asks for: to hold a Companion, or to stop doing so.
///
/// @param source of the event
/// @param key distinguishes the holds of one source
/// @param signedBy absent: the event has no signature
public record HoldRequest(
    CompanionRef companion, String source, String key, @Nullable SignedBy signedBy) {
  private static final String SIGNED_WITH = "chaperone.dev/event-key";
  private static final String SIGNED_AT = "chaperone.dev/event-time";

  private static final int DIGITS = 24;

  /// So much of a source or a key is kept for people; the name tells them apart.
  private static final int NOTED = 256;

  /// Of an event without a signature.
  public HoldRequest(CompanionRef companion, String source, String key) {
    this(companion, source, key, null);
  }

  /// A signature of an event.
  ///
  /// @param key namespace and name of the [dev.chaperone.api.EventKey]
  /// @param id of the event
  /// @param time of the event
  public record SignedBy(String key, String id, Instant time) {
    private Map<String, String> annotations() {
      return Map.of(SIGNED_WITH, key, SIGNED_AT, time.toString());
    }
  }

  /// The one name of the Hold for this source, key and Companion.
  public String holdName() {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256")
              .digest((source + "\n" + companion + "\n" + key).getBytes(StandardCharsets.UTF_8));
      return "event-" + HexFormat.of().formatHex(digest).substring(0, DIGITS);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /// The Hold to write; empty when one holds already for that long.
  ///
  /// @param nodeName the one node that is to be held; absent: every node
  /// @param asked when the event was sent; a time to come counts as now
  /// @param ttl absent: until it is released
  /// @throws Ended when it would have expired by now
  public Optional<Hold> hold(
      Optional<Hold> existing,
      String reason,
      @Nullable String nodeName,
      Instant asked,
      Optional<Duration> ttl,
      Instant now)
      throws Ended {
    Optional<Instant> end =
        ttl.map(it -> (asked.isAfter(now) ? now : asked).plus(it).truncatedTo(ChronoUnit.SECONDS));
    if (end.isPresent() && !end.get().isAfter(now)) {
      throw new Ended(end.get());
    }
    HoldSpec spec =
        new HoldSpec(
            new HoldSpec.CompanionRef(companion.name()),
            reason,
            end.map(Instant::toString).orElse(null),
            nodeName,
            null);
    Optional<NodeChoice> nodes = NodeChoice.of(spec);
    Map<String, String> signature = signedBy == null ? Map.of() : signedBy.annotations();
    if (existing
        .filter(it -> it.getSpec().companionRef().name().equals(companion.name()))
        .filter(it -> NodeChoice.of(it.getSpec()).equals(nodes))
        .isPresent()) {
      Optional<Instant> before = Holds.expiry(existing.get());
      boolean longer = before.isPresent() && (end.isEmpty() || end.get().isAfter(before.get()));
      if (!longer && !Holds.isExpired(existing.get(), now)) {
        if (annotations(existing.get()).entrySet().containsAll(signature.entrySet())) {
          return Optional.empty();
        }
        spec = existing.get().getSpec();
      }
    }
    Hold hold = new Hold();
    hold.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(companion.namespace())
            .withName(holdName())
            .addToLabels(Made.MANAGED)
            .addToLabels(Made.COMPANION_LABEL, companion.name())
            .addToAnnotations(Made.SOURCE, noted(source))
            .addToAnnotations("chaperone.dev/key", noted(key))
            .addToAnnotations(signature)
            .build());
    hold.setSpec(spec);
    if (signedBy != null) {
      // Only on the version that was seen, see isOlderThan.
      existing.ifPresent(
          it -> hold.getMetadata().setResourceVersion(it.getMetadata().getResourceVersion()));
    }
    return Optional.of(hold);
  }

  /// Whether a signed event that is newer than this one wrote the Hold. Each signed event leaves
  /// its time there, and only on the version that it saw: so none undoes what a newer one did.
  public boolean isOlderThan(Hold hold) {
    String written = annotations(hold).get(SIGNED_AT);
    return signedBy != null
        && written != null
        && Times.parse(written).filter(it -> !it.isAfter(signedBy.time())).isEmpty();
  }

  /// Whether this very event wrote the Hold last.
  public boolean wrote(Hold hold) {
    return signedBy != null
        && annotations(hold).entrySet().containsAll(signedBy.annotations().entrySet());
  }

  private static Map<String, String> annotations(Hold hold) {
    return Objects.requireNonNullElse(hold.getMetadata().getAnnotations(), Map.of());
  }

  /// What is asked for ended before it was asked.
  public static final class Ended extends Exception {
    Ended(Instant end) {
      super("the hold would have ended at " + end + ": its ttl had passed before the event came");
    }
  }

  private static String noted(String text) {
    return text.length() <= NOTED ? text : text.substring(0, NOTED);
  }
}
