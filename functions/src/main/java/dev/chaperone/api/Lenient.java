package dev.chaperone.api;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import org.jspecify.annotations.Nullable;

/// How parts of our objects are read: by themselves, so that one that cannot be read keeps no list
/// from being read, and with fields of newer versions left out.
final class Lenient {
  private static final ObjectMapper JSON =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  private Lenient() {}

  /// The part, or nothing where it cannot be read.
  static <T> @Nullable T readOrNull(JsonNode part, Class<T> type) {
    try {
      return read(part, type);
    } catch (JsonProcessingException e) {
      return null;
    }
  }

  /// @throws JsonProcessingException when it cannot be what it should be
  static <T> T read(JsonNode part, Class<T> type) throws JsonProcessingException {
    return JSON.treeToValue(part, type);
  }
}
