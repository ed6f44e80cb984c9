package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ManagedFieldsEntry;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Who wrote which field of an object, as its managedFields say.
final class FieldOwners {
  private static final Pattern SEPARATOR = Pattern.compile("/");

  private FieldOwners() {}

  /// Whether somebody else than Chaperone owns the field.
  static boolean hasOther(HasMetadata object, String jsonPointer) {
    return others(object, jsonPointer).findAny().isPresent();
  }

  /// Others who own the field by server-side apply: declared by them, so they will write it again.
  static List<String> otherAppliers(HasMetadata object, String jsonPointer) {
    return others(object, jsonPointer)
        .filter(entry -> "Apply".equals(entry.getOperation()))
        .map(ManagedFieldsEntry::getManager)
        .distinct()
        .sorted()
        .toList();
  }

  /// Others who own any field of the spec.
  static List<String> others(HasMetadata object) {
    return others(object, "/spec").map(ManagedFieldsEntry::getManager).distinct().sorted().toList();
  }

  private static Stream<ManagedFieldsEntry> others(HasMetadata object, String jsonPointer) {
    return object.getMetadata().getManagedFields().stream()
        .filter(entry -> !Objects.equals(entry.getManager(), Made.FIELD_MANAGER))
        .filter(entry -> entry.getFieldsV1() != null)
        .filter(entry -> owns(entry.getFieldsV1().getAdditionalProperties(), jsonPointer));
  }

  private static boolean owns(@Nullable Object fields, String jsonPointer) {
    Object at = fields;
    for (String key : SEPARATOR.splitAsStream(jsonPointer.substring(1)).toList()) {
      at = at instanceof Map<?, ?> map ? map.get("f:" + key) : null;
    }
    return at != null;
  }
}
