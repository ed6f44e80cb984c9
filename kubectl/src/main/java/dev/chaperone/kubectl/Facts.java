package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.api.CompanionStatus.DrainedNodes;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.NodeChoice;
import dev.chaperone.decide.Reason;
import dev.chaperone.decide.Selectors;
import dev.chaperone.kubectl.Answer.Refused;
import dev.chaperone.kubectl.Blocker.Because;
import dev.chaperone.kubectl.Blocker.Kind;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ManagedFieldsEntry;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.OwnerReference;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetStatus;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What explains a refused eviction: the budgets that there are, and the Companions.
///
/// @param budgets by namespace; a namespace whose budgets could not be read is not there
/// @param companions as far as they could be read
/// @param nodes by name, those of which the labels matter and could be read
record Facts(
    Map<String, List<PodDisruptionBudget>> budgets,
    Map<CompanionRef, Companion> companions,
    Map<String, Node> nodes) {
  private static final Pattern POLICY =
      Pattern.compile(
          "(ValidatingAdmissionPolicy '[^']+'|admission webhook \"[^\"]+\")(?: with binding '[^']+')?"
              + " denied (?:the )?request:? ?(.*)",
          Pattern.DOTALL);
  private static final String ALLOWED = "DisruptionAllowed";

  /// The budgets that select a pod.
  List<PodDisruptionBudget> budgetsOf(Pod pod) {
    return budgets.getOrDefault(pod.getMetadata().getNamespace(), List.of()).stream()
        .filter(it -> Selectors.matches(it.getSpec().getSelector(), DrainedPods.labels(pod)))
        .sorted(Comparator.comparing(Facts::name))
        .toList();
  }

  /// Who refuses to let a pod go, and why.
  Blocker explain(Pod pod, Refused refused) {
    if (refused.policy()) {
      return policy(refused.message());
    }
    List<PodDisruptionBudget> selecting = budgetsOf(pod);
    return switch (selecting.size()) {
      case 0 -> new Blocker(Kind.ApiServer, "API server", null, List.of(words(refused.message())));
      case 1 -> budget(selecting.getFirst(), pod.getSpec().getNodeName());
      default -> overlapping(selecting, refused.message());
    };
  }

  /// The Companion that a budget was made for.
  static Optional<CompanionRef> companionOf(PodDisruptionBudget budget) {
    return controller(budget.getMetadata())
        .filter(it -> "Companion".equals(it.getKind()))
        .filter(it -> it.getApiVersion().startsWith("chaperone.dev/"))
        .map(it -> new CompanionRef(budget.getMetadata().getNamespace(), it.getName()));
  }

  static String name(PodDisruptionBudget budget) {
    return budget.getMetadata().getNamespace() + "/" + budget.getMetadata().getName();
  }

  /// How many more evictions it accepts now.
  static int allowed(PodDisruptionBudget budget) {
    return Optional.ofNullable(budget.getStatus())
        .map(PodDisruptionBudgetStatus::getDisruptionsAllowed)
        .orElse(0);
  }

  private Blocker budget(PodDisruptionBudget budget, @Nullable String node) {
    String object = "PodDisruptionBudget " + name(budget);
    Optional<CompanionRef> companion = companionOf(budget);
    return companion.isPresent()
        ? new Blocker(
            Kind.Companion,
            object,
            "Companion " + companion.get(),
            because(companion.get(), Made.isOfHeldNodes(budget) ? node : null))
        : new Blocker(Kind.OtherBudget, object, owner(budget), List.of(numbers(budget)));
  }

  /// @param alone the node that is held by itself; absent: what blocks all of them is asked for
  private List<Because> because(CompanionRef ref, @Nullable String alone) {
    Companion companion = companions.get(ref);
    if (companion == null) {
      return List.of(
          new Because(
              null,
              "Companion %s cannot be read".formatted(ref),
              null,
              null,
              "Ask an administrator for the right to get companions in namespace %s"
                  .formatted(ref.namespace())));
    }
    CompanionStatus status = status(companion);
    List<Because> active =
        Stream.ofNullable(status.reasons())
            .flatMap(List::stream)
            .filter(it -> !Boolean.TRUE.equals(it.overdue()))
            .filter(it -> alone == null ? isOfEveryNode(it) : isOf(it, alone))
            .map(Facts::because)
            .toList();
    return (alone != null && !active.isEmpty()) || count(active, status)
        ? active
        : List.of(fromCondition(status));
  }

  /// Whether it matters which labels a node has.
  static boolean selectsNodes(Companion companion) {
    return Stream.ofNullable(status(companion).reasons())
        .flatMap(List::stream)
        .anyMatch(it -> it.nodeSelector() != null);
  }

  private static boolean isOfEveryNode(BlockingReason reason) {
    return reason.node() == null && reason.nodeSelector() == null;
  }

  /// Whether it blocks this node by itself; where nobody knows the node's labels, it may.
  private boolean isOf(BlockingReason reason, String node) {
    if (reason.nodeSelector() == null) {
      return node.equals(reason.node());
    }
    Node actual = nodes.get(node);
    return actual == null
        || new NodeChoice.Labeled(new TreeMap<>(reason.nodeSelector())).matches(actual);
  }

  /// Whether these are why disruptions are blocked: with `policy: AlwaysAllow` they are not.
  private static boolean count(List<Because> active, CompanionStatus status) {
    return !active.isEmpty()
        && allowed(status)
            .map(Condition::getReason)
            .filter(it -> !it.equals(Reason.NotEnforced.name()))
            .filter(it -> active.stream().noneMatch(because -> it.equals(because.reason())))
            .isEmpty();
  }

  /// What should block a drain of the node and does not, by the Companion that says so.
  ///
  /// @param evictable pods of the node that the API server would evict
  Map<String, Because> gaps(String node, List<Pod> evictable) {
    Set<CompanionRef> passed =
        evictable.stream()
            .flatMap(pod -> budgetsOf(pod).stream())
            .flatMap(budget -> companionOf(budget).stream())
            .collect(Collectors.toSet());
    Map<String, Because> gaps = new TreeMap<>();
    companions.forEach(
        (ref, companion) -> {
          CompanionStatus status = status(companion);
          boolean isUnguarded =
              Stream.ofNullable(status.unguardedNodes())
                  .flatMap(List::stream)
                  .anyMatch(it -> it.name().equals(node));
          allowed(status)
              .filter(it -> Reason.NotEnforced.name().equals(it.getReason()))
              .filter(_ -> isUnguarded || passed.contains(ref))
              .ifPresent(it -> gaps.put("Companion " + ref, fromCondition(status)));
        });
    return gaps;
  }

  private static Because because(BlockingReason reason) {
    return new Because(
        reason.type(), reason.message(), reason.since(), reason.until(), advice(reason.type()));
  }

  /// Nothing holds, and the budget lets nothing go all the same.
  private static Because fromCondition(CompanionStatus status) {
    Optional<Condition> allowed = allowed(status);
    if (allowed.isEmpty()) {
      return new Because(
          null, "Chaperone has not reported on it yet", null, null, "Try again in a moment");
    }
    Condition condition = allowed.get();
    boolean otherNodesGo =
        "True".equals(condition.getStatus())
            && !Reason.OnlyUnhealthyNodes.name().equals(condition.getReason());
    return otherNodesGo
        ? new Because(
            null,
            "The budget allows no eviction at this moment, although the Companion says: "
                + condition.getMessage(),
            null,
            null,
            "Try again in a moment: a pod that it selects has just gone or is not ready")
        : new Because(
            condition.getReason(),
            condition.getMessage(),
            null,
            null,
            advice(condition.getReason()));
  }

  /// What Chaperone last reported; nothing yet is an empty one.
  static CompanionStatus status(Companion companion) {
    return Optional.ofNullable(companion.getStatus()).orElse(CompanionStatus.NONE);
  }

  /// The nodes that are drained now.
  static List<String> drainedNodes(Companion companion) {
    return Optional.ofNullable(status(companion).drainedNodes())
        .map(DrainedNodes::nodes)
        .orElse(List.of());
  }

  /// What the Companion says of disruptions.
  static Optional<Condition> allowed(CompanionStatus status) {
    return Stream.ofNullable(status.conditions())
        .flatMap(List::stream)
        .filter(it -> ALLOWED.equals(it.getType()))
        .findFirst();
  }

  /// The reference of reasons; nothing for one that this version does not know.
  private static @Nullable String advice(String reason) {
    return Reason.of(reason).map(Reason::documentation).orElse(null);
  }

  private static Because numbers(PodDisruptionBudget budget) {
    PodDisruptionBudgetStatus status =
        Optional.ofNullable(budget.getStatus()).orElseGet(PodDisruptionBudgetStatus::new);
    int healthy = orZero(status.getCurrentHealthy());
    int wanted = orZero(status.getDesiredHealthy());
    int expected = orZero(status.getExpectedPods());
    String rule =
        budget.getSpec().getMinAvailable() != null
            ? "minAvailable " + budget.getSpec().getMinAvailable().getValue()
            : budget.getSpec().getMaxUnavailable() != null
                ? "maxUnavailable " + budget.getSpec().getMaxUnavailable().getValue()
                : "no rule";
    String advice;
    if (wanted >= expected) {
      advice =
          "It allows none even when all its pods are ready. Ask its owner for more replicas, or for a"
              + " rule that allows one to go";
    } else if (healthy < wanted + 1) {
      advice = "Wait until more of its pods are ready, or find out why they are not";
    } else {
      advice = "Try again in a moment: its pods are being counted";
    }
    return new Because(
        null,
        "Ready pods: %d of %d; needed: %d (%s)".formatted(healthy, expected, wanted, rule),
        null,
        null,
        advice);
  }

  private Blocker overlapping(List<PodDisruptionBudget> selecting, String message) {
    List<Because> reasons =
        Stream.concat(
                Stream.of(
                    new Because(
                        null,
                        message,
                        null,
                        null,
                        "Delete one of them, or narrow its selector: the API server evicts no pod that"
                            + " has two")),
                selecting.stream()
                    .flatMap(it -> companionOf(it).stream())
                    .distinct()
                    .flatMap(it -> because(it, null).stream()))
            .toList();
    return new Blocker(
        Kind.OverlappingBudgets,
        "PodDisruptionBudgets "
            + selecting.stream().map(Facts::name).collect(Collectors.joining(" and ")),
        selecting.stream()
            .map(
                it ->
                    it.getMetadata().getName()
                        + ": "
                        + companionOf(it).map(ref -> "Companion " + ref).orElseGet(() -> owner(it)))
            .collect(Collectors.joining(", ")),
        reasons);
  }

  private static Blocker policy(String message) {
    Matcher matcher = POLICY.matcher(message);
    boolean known = matcher.find();
    return new Blocker(
        Kind.AdmissionPolicy,
        known ? matcher.group(1) : "Admission",
        null,
        List.of(
            new Because(
                null,
                known ? matcher.group(2) : message,
                null,
                null,
                "A drain ends on this refusal instead of waiting: start it again once it is gone")));
  }

  private static Because words(String message) {
    return new Because(null, message, null, null, null);
  }

  /// Whom to ask: the controller, the Helm release, the tool that says that it manages it, or who
  /// wrote it last.
  static String owner(PodDisruptionBudget budget) {
    ObjectMeta metadata = budget.getMetadata();
    Map<String, String> annotations = orEmpty(metadata.getAnnotations());
    Map<String, String> labels = orEmpty(metadata.getLabels());
    String release = annotations.get("meta.helm.sh/release-name");
    String managedBy = labels.get("app.kubernetes.io/managed-by");
    Optional<OwnerReference> controller = controller(metadata);
    if (controller.isPresent()) {
      return controller.get().getKind() + " " + controller.get().getName();
    }
    if (release != null) {
      return "Helm release " + release;
    }
    if (managedBy != null) {
      return "managed by " + managedBy;
    }
    return metadata.getManagedFields().stream()
        .filter(it -> it.getSubresource() == null || it.getSubresource().isEmpty())
        .max(Comparator.comparing(it -> String.valueOf(it.getTime())))
        .map(ManagedFieldsEntry::getManager)
        .map(it -> "not Chaperone's, last written by " + it)
        .orElse("not Chaperone's");
  }

  private static Optional<OwnerReference> controller(ObjectMeta metadata) {
    return metadata.getOwnerReferences().stream()
        .filter(it -> Boolean.TRUE.equals(it.getController()))
        .findFirst();
  }

  private static Map<String, String> orEmpty(@Nullable Map<String, String> map) {
    return map == null ? Map.of() : map;
  }

  private static int orZero(@Nullable Integer number) {
    return number == null ? 0 : number;
  }
}
