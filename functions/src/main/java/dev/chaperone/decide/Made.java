package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// What all objects that Chaperone makes have in common: they are named after their Companion,
/// carry its label, and are deleted with it.
public final class Made {
  /// On everything made for a Companion: the Companion's name.
  public static final String COMPANION_LABEL = "chaperone.dev/companion";

  /// On everything that Chaperone makes.
  public static final Map<String, String> MANAGED =
      Map.of("app.kubernetes.io/managed-by", "chaperone");

  /// The one field manager of every write of Chaperone.
  public static final String FIELD_MANAGER = "chaperone";

  static final String GUARDS_SUFFIX = "-guards";
  static final String NODES_SUFFIX = "-nodes";
  static final String PODS_SUFFIX = "-pods";

  private Made() {}

  /// Name of the guard Deployment of a Companion.
  public static String guards(String companion) {
    return companion + GUARDS_SUFFIX;
  }

  /// Names of the budgets of a Companion.
  public static List<String> budgets(String companion) {
    return List.of(companion + NODES_SUFFIX, companion + PODS_SUFFIX);
  }

  /// What every guard of a Companion is labelled with, and no other pod.
  public static Map<String, String> guardLabels(String companion) {
    return Map.of("app.kubernetes.io/component", "guard", COMPANION_LABEL, companion);
  }

  static ObjectMeta metadata(Companion companion, String suffix) {
    return new ObjectMetaBuilder()
        .withNamespace(companion.getMetadata().getNamespace())
        .withName(companion.getMetadata().getName() + suffix)
        .addToLabels(MANAGED)
        .addToLabels(COMPANION_LABEL, companion.getMetadata().getName())
        .addNewOwnerReference()
        .withApiVersion(companion.getApiVersion())
        .withKind(companion.getKind())
        .withName(companion.getMetadata().getName())
        .withUid(companion.getMetadata().getUid())
        .withController(true)
        .withBlockOwnerDeletion(false)
        .endOwnerReference()
        .build();
  }

  static boolean isOurs(HasMetadata object, Companion companion) {
    return object.getMetadata().getOwnerReferences().stream()
        .anyMatch(owner -> Objects.equals(owner.getUid(), companion.getMetadata().getUid()));
  }
}
