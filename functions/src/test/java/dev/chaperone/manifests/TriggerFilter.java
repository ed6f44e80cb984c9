package dev.chaperone.manifests;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/// What a Trigger lets through, as Knative's filter decides it, in the dialects that are used here.
record TriggerFilter(JsonNode trigger) {
  /// Whether this event passes.
  boolean lets(Map<String, String> event) {
    return passes(
        (attribute, wanted) -> event.containsKey(attribute) && wanted.test(event.get(attribute)));
  }

  /// Whether an event of this type passes, whatever its other attributes have to be for that.
  boolean letsSome(String type) {
    return passes((attribute, wanted) -> !attribute.equals("type") || wanted.test(type));
  }

  private boolean passes(BiPredicate<String, Predicate<String>> event) {
    JsonNode filters = trigger.path("spec").path("filters");
    if (filters.isEmpty() || trigger.path("spec").has("filter")) {
      throw new AssertionError(
          Manifests.describe(trigger) + " must have spec.filters, and no spec.filter beside them");
    }
    return elements(filters).allMatch(filter -> passes(filter, event));
  }

  private boolean passes(JsonNode filter, BiPredicate<String, Predicate<String>> event) {
    if (filter.size() != 1) {
      throw new AssertionError("One dialect for each filter, not " + filter);
    }
    Map.Entry<String, JsonNode> dialect = filter.properties().iterator().next();
    JsonNode operand = dialect.getValue();
    return switch (dialect.getKey()) {
      case "exact" -> attributes(operand, event, String::equals);
      case "prefix" -> attributes(operand, event, String::startsWith);
      case "suffix" -> attributes(operand, event, String::endsWith);
      case "any" -> elements(operand).anyMatch(each -> passes(each, event));
      case "all" -> elements(operand).allMatch(each -> passes(each, event));
      default -> throw new AssertionError("This test does not know the dialect of " + filter);
    };
  }

  private static boolean attributes(
      JsonNode wanted,
      BiPredicate<String, Predicate<String>> event,
      BiPredicate<String, String> comparison) {
    return wanted.properties().stream()
        .allMatch(
            it -> event.test(it.getKey(), value -> comparison.test(value, it.getValue().asText())));
  }

  private static Stream<JsonNode> elements(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }

  @Override
  public String toString() {
    return Manifests.describe(trigger);
  }
}
