package dev.chaperone.functions;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.decide.Durations;
import io.quarkus.funqy.knative.events.CloudEvent;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.Optional;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The data of an event, checked. Whatever is wrong with it is [Malformed].
final class Payload {
  private static final ObjectMapper JSON = JsonMapper.builder().build();
  private static final Pattern LENGTH =
      Pattern.compile("(?=.)([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?");
  private static final int MAX_TEXT = 256;

  private Payload() {}

  /// The JSON that the event carries; empty if it carries none.
  private static Optional<JsonNode> json(CloudEvent<byte[]> event) {
    try {
      byte[] data = bytes(event);
      return data.length == 0
          ? Optional.empty()
          : Optional.ofNullable(JSON.readTree(data)).filter(it -> !it.isMissingNode());
    } catch (IOException | RuntimeException | StackOverflowError unreadable) {
      return Optional.empty();
    }
  }

  /// The data as it came; none where it carries none.
  static byte[] bytes(CloudEvent<byte[]> event) {
    try {
      byte[] data = event.data();
      return data == null ? new byte[0] : data;
    } catch (RuntimeException untyped) {
      // Funqy throws what it likes for data without a type, or none at all.
      return new byte[0];
    }
  }

  /// The same as expressions read it: maps, lists, text, numbers and truth.
  static Optional<Object> value(CloudEvent<byte[]> event) {
    return json(event).map(it -> JSON.convertValue(it, Object.class));
  }

  static JsonNode object(CloudEvent<byte[]> event) {
    return json(event)
        .filter(JsonNode::isObject)
        .orElseThrow(() -> new Malformed("data must be a JSON object"));
  }

  static String text(JsonNode data, String field, String absent) {
    JsonNode value = data.path(field);
    if (value.isMissingNode() || value.isNull()) {
      return absent;
    }
    if (!value.isTextual()) {
      throw new Malformed("data." + field + " must be a string");
    }
    return value.textValue();
  }

  static String reason(String text) {
    if (text.isBlank() || text.length() > MAX_TEXT) {
      throw new Malformed("reason must say why, in 1 to " + MAX_TEXT + " characters");
    }
    return text;
  }

  /// Absent: none is named.
  static @Nullable String nodeName(String text) {
    return text.isEmpty() ? null : text;
  }

  static Optional<Duration> length(String text) {
    if (text.isEmpty()) {
      return Optional.empty();
    }
    if (!LENGTH.matcher(text).matches()) {
      throw new Malformed("ttl must be like 2h, 90m or 1h30m");
    }
    return Durations.parse(text)
        .filter(Duration::isPositive)
        .or(
            () -> {
              throw new Malformed("ttl must be more than nothing");
            });
  }

  /// When the event was sent, if it says so.
  static Optional<Instant> time(CloudEvent<?> event) {
    try {
      return Optional.ofNullable(event.time()).map(OffsetDateTime::toInstant);
    } catch (RuntimeException unreadable) {
      throw new Malformed("time must be RFC 3339");
    }
  }
}
