package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// What all objects that Chaperone makes have in common: they are named after their Companion,
/// carry its label, and are deleted with it.
public final class Made {
  /// On everything made for a Companion: the Companion's name.
  public static final String COMPANION_LABEL = "chaperone.dev/companion";

  /// On guards: the Companion's uid, so that no other pods are taken for them.
  static final String COMPANION_UID_LABEL = "chaperone.dev/companion-uid";

  /// On pods of a Deployment, by Kubernetes: which template they are made from.
  static final String REVISION_LABEL = "pod-template-hash";

  /// On a closed budget: a hash of the reasons that it was closed for. Whoever decided on other
  /// reasons sees that another decision came between.
  public static final String CLOSED_FOR = "chaperone.dev/closed-for";

  /// On the guard of a node that Holds block by itself: a hash of these Holds. Such guards have a
  /// budget of their own.
  public static final String HELD_FOR = "chaperone.dev/held-for";

  /// On the guard of a node whose target pod is not ready, where such nodes are drained first:
  /// [#PENDING], then [#APART].
  public static final String UNHEALTHY = "chaperone.dev/unhealthy";

  /// It is to get a budget of its own.
  public static final String PENDING = "Pending";

  /// It has a budget of its own.
  public static final String APART = "Apart";

  /// On Holds that an event made: its source.
  static final String SOURCE = "chaperone.dev/source";

  /// On everything that Chaperone makes.
  public static final Map<String, String> MANAGED =
      Map.of("app.kubernetes.io/managed-by", "chaperone");

  /// The one field manager of every write of Chaperone.
  public static final String FIELD_MANAGER = "chaperone";

  /// Who every Kubernetes Event of Chaperone says it is from.
  public static final String REPORTER = "chaperone.dev/functions";

  static final String GUARDS_SUFFIX = "-guards";
  static final String NODES_SUFFIX = "-nodes";
  static final String PODS_SUFFIX = "-pods";
  static final String HELD_SUFFIX = "-held";
  static final String UNHEALTHY_SUFFIX = "-unhealthy";

  /// How the names of the budgets of any Companion end; the Trigger for budgets knows them, too.
  public static final List<String> BUDGET_SUFFIXES =
      List.of(NODES_SUFFIX, PODS_SUFFIX, HELD_SUFFIX, UNHEALTHY_SUFFIX);

  private Made() {}

  /// Name of the guard Deployment of a Companion.
  public static String guards(String companion) {
    return companion + GUARDS_SUFFIX;
  }

  /// Names of the budgets that fence what is decided about any Companion.
  public static List<String> budgets(String companion) {
    return List.of(companion + NODES_SUFFIX, companion + PODS_SUFFIX);
  }

  /// Names of the budgets that fence what is decided about this one besides: only its spec says
  /// whether there are any. One that cannot be read may ask for them.
  public static List<String> moreBudgets(Companion companion) {
    return companion.whyUnreadable().isPresent()
            || companion.getSpec().disruption().letsUnhealthyNodesGo()
        ? List.of(companion.getMetadata().getName() + UNHEALTHY_SUFFIX)
        : List.of();
  }

  /// What [#CLOSED_FOR] of the budget is; absent: it has none.
  static @Nullable String closedFor(PodDisruptionBudget budget) {
    Map<String, String> annotations = budget.getMetadata().getAnnotations();
    return annotations == null ? null : annotations.get(CLOSED_FOR);
  }

  /// Whether the budget is the one over the guards of nodes that are held by themselves.
  public static boolean isOfHeldNodes(PodDisruptionBudget budget) {
    return budget.getMetadata().getName().endsWith(HELD_SUFFIX);
  }

  /// Labels by which the guards of a Companion are listed. Anybody can give them to other pods, so
  /// whether a pod is a guard is for [#isGuard] to say.
  public static Map<String, String> guardLabels(String companion) {
    return Map.of("app.kubernetes.io/component", "guard", COMPANION_LABEL, companion);
  }

  /// On every guard; on other pods as well, as anybody likes.
  public static final Map<String, String> GUARD = Map.of("app.kubernetes.io/component", "guard");

  /// The Companion that a pod says it is for.
  static Optional<CompanionRef> companion(Pod pod) {
    return Optional.ofNullable(pod.getMetadata().getLabels())
        .map(labels -> labels.get(COMPANION_LABEL))
        .map(name -> new CompanionRef(pod.getMetadata().getNamespace(), name));
  }

  /// Labels by which the guards' Deployment and budget select. With the Companion's uid among them,
  /// what is merely labelled alike is not counted.
  static Map<String, String> guardSelector(Companion companion) {
    Map<String, String> labels = new TreeMap<>(guardLabels(companion.getMetadata().getName()));
    labels.put(COMPANION_UID_LABEL, companion.getMetadata().getUid());
    return labels;
  }

  /// Whether the pod is a guard of the Companion: by its controller, which Kubernetes sets, a
  /// ReplicaSet of the guards' Deployment.
  public static boolean isGuard(Pod pod, CompanionRef companion) {
    Map<String, String> labels = pod.getMetadata().getLabels();
    if (labels == null || !companion.namespace().equals(pod.getMetadata().getNamespace())) {
      return false;
    }
    String replicaSet = guards(companion.name()) + "-" + labels.get(REVISION_LABEL);
    return pod.getMetadata().getOwnerReferences().stream()
        .filter(owner -> Boolean.TRUE.equals(owner.getController()))
        .anyMatch(
            owner -> "ReplicaSet".equals(owner.getKind()) && replicaSet.equals(owner.getName()));
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
