package dev.chaperone.decide;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ManagedFieldsEntry;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Whether an object that Chaperone made is no longer as it should be.
final class Drift {
  private static final ObjectMapper JSON = JsonMapper.builder().build();

  private static final JsonPointer LABELS = JsonPointer.compile("/metadata/labels");
  private static final JsonPointer ANNOTATIONS = JsonPointer.compile("/metadata/annotations");
  private static final JsonPointer SPEC = JsonPointer.compile("/spec");

  private static final String FIELD = "f:";

  private Drift() {}

  /// Whether the spec, a label or an annotation differs from what is wanted, or somebody else has
  /// added to the spec. What the API server fills in does not count; a list counts as a whole.
  static boolean hasDrifted(HasMetadata actual, HasMetadata wanted) {
    JsonNode is = JSON.valueToTree(actual);
    JsonNode should = JSON.valueToTree(wanted);
    return Stream.of(LABELS, ANNOTATIONS, SPEC)
            .anyMatch(part -> !covers(is.at(part), should.at(part)))
        || hasAdditions(actual, should.at(SPEC));
  }

  /// A short name for what the object says.
  static String hash(Object object) {
    return Integer.toHexString(JSON.valueToTree(object).toString().hashCode());
  }

  private static boolean hasAdditions(HasMetadata actual, JsonNode spec) {
    return actual.getMetadata().getManagedFields().stream()
        .filter(entry -> !Objects.equals(entry.getManager(), Made.FIELD_MANAGER))
        .filter(entry -> !"status".equals(entry.getSubresource()))
        .anyMatch(entry -> hasAdditions(specFields(entry), spec));
  }

  private static @Nullable Object specFields(ManagedFieldsEntry entry) {
    return entry.getFieldsV1() == null
        ? null
        : entry.getFieldsV1().getAdditionalProperties().get(FIELD + "spec");
  }

  /// Fields of items of lists are not looked at: those count as a whole.
  private static boolean hasAdditions(@Nullable Object fields, JsonNode wanted) {
    return fields instanceof Map<?, ?> map
        && map.entrySet().stream()
            .filter(field -> field.getKey().toString().startsWith(FIELD))
            .anyMatch(
                field -> {
                  JsonNode there = wanted.path(field.getKey().toString().substring(FIELD.length()));
                  return there.isMissingNode()
                      || there.isNull()
                      || (there.isObject() && hasAdditions(field.getValue(), there));
                });
  }

  private static boolean covers(JsonNode actual, JsonNode wanted) {
    if (wanted.isNull() || wanted.isMissingNode()) {
      return true;
    }
    if (wanted.isObject()) {
      return wanted.properties().stream()
          .allMatch(field -> covers(actual.path(field.getKey()), field.getValue()));
    }
    if (wanted.isArray()) {
      return actual.size() == wanted.size()
          && IntStream.range(0, wanted.size())
              .allMatch(i -> covers(actual.path(i), wanted.path(i)));
    }
    if (wanted.isNumber() && actual.isNumber()) {
      // The same number may have been read as an int and be wanted as a long.
      return wanted.decimalValue().compareTo(actual.decimalValue()) == 0;
    }
    return wanted.equals(actual);
  }
}
