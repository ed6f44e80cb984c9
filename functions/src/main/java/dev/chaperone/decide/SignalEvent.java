package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Signal;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A CloudEvent of a type that Companions have signals of.
public final class SignalEvent {
  private static final Set<String> VARIABLES = Set.of("type", "source", "subject", "data");

  /// So much of what an event says is given as the reason to hold.
  private static final int MAX_REASON = 256;

  private final String source;
  private final String subject;
  private final Map<String, Object> values = new LinkedHashMap<>();
  private final Expression.Language language = Expression.language(VARIABLES);

  /// @param subject empty: it has none
  /// @param data as expressions read it; empty: it carries none, and an expression that reads it
  ///     fails
  public SignalEvent(String type, String source, String subject, Optional<Object> data) {
    this.source = source;
    this.subject = subject;
    values.put("type", type);
    values.put("source", source);
    values.put("subject", subject);
    data.ifPresent(it -> values.put("data", it));
  }

  /// What an event asks of a Companion.
  public sealed interface Ask {
    HoldRequest request();

    /// The same, asked by an event with this signature.
    default Ask signed(HoldRequest.SignedBy by) {
      HoldRequest request =
          new HoldRequest(request().companion(), request().source(), request().key(), by);
      return switch (this) {
        case ToHold hold -> new ToHold(request, hold.reason(), hold.nodeName(), hold.ttl());
        case ToRelease _ -> new ToRelease(request);
        case ToForget _ -> new ToForget(request);
      };
    }

    /// To be held.
    ///
    /// @param nodeName the one node that is to be held; absent: every node
    /// @param ttl empty: until it is released
    record ToHold(
        HoldRequest request, String reason, @Nullable String nodeName, Optional<Duration> ttl)
        implements Ask {}

    /// No longer to be held.
    record ToRelease(HoldRequest request) implements Ask {}

    /// To forget its own hold, which came after a newer release.
    record ToForget(HoldRequest request) implements Ask {}
  }

  /// What the event asks of the Companion by this signal of its; empty: nothing.
  ///
  /// @throws Expression.Failed when an expression of the signal cannot be evaluated for the event
  public Optional<Ask> asks(Signal signal, CompanionRef companion) throws Expression.Failed {
    if (isTrue(signal.holdWhen())) {
      String key = key(signal);
      return Optional.of(
          new Ask.ToHold(
              new HoldRequest(companion, source, key),
              signal.reason() == null || signal.reason().isBlank()
                  ? cut("signal " + signal.type() + " " + key)
                  : signal.reason(),
              nodeName(signal),
              Durations.parse(signal.ttl())));
    }
    return signal.releaseWhen() != null && isTrue(signal.releaseWhen())
        ? Optional.of(new Ask.ToRelease(new HoldRequest(companion, source, key(signal))))
        : Optional.empty();
  }

  private boolean isTrue(String expression) throws Expression.Failed {
    return language.compile(expression).isTrue(values);
  }

  /// Keys of two signals never meet: the type is part of each.
  private String key(Signal signal) throws Expression.Failed {
    String key = signal.key() == null ? subject : language.compile(signal.key()).text(values);
    return signal.type() + " " + key;
  }

  /// An expression that gives nothing names none, and then every node is held.
  private @Nullable String nodeName(Signal signal) throws Expression.Failed {
    String name = signal.nodeName() == null ? "" : language.compile(signal.nodeName()).text(values);
    return name.isEmpty() ? null : name;
  }

  private static String cut(String text) {
    return text.length() <= MAX_REASON ? text : text.substring(0, MAX_REASON);
  }
}
