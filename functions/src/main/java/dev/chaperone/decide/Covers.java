package dev.chaperone.decide;

import com.fasterxml.jackson.core.JsonPointer;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.fabric8.kubernetes.api.model.HasMetadata;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Whether the spec, the labels and the annotations of an object already are what is wanted. What
/// the API server and others added beside it does not count; a list counts as a whole.
final class Covers {
  private static final ObjectMapper JSON = JsonMapper.builder().build();

  private static final JsonPointer LABELS = JsonPointer.compile("/metadata/labels");
  private static final JsonPointer ANNOTATIONS = JsonPointer.compile("/metadata/annotations");
  private static final JsonPointer SPEC = JsonPointer.compile("/spec");

  private Covers() {}

  static boolean covers(HasMetadata actual, HasMetadata wanted) {
    JsonNode is = JSON.valueToTree(actual);
    JsonNode should = JSON.valueToTree(wanted);
    return Stream.of(LABELS, ANNOTATIONS, SPEC)
        .allMatch(part -> covers(is.at(part), should.at(part)));
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
