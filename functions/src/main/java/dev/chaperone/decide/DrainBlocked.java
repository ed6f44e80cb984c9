package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The report on a cordoned node whose drain waits: a Kubernetes Event when it begins to, and, if
/// the installation wants that, a condition for as long as it does.
///
/// A node has one such condition. Where several Companions block its drain, it is of the one that
/// wrote it first; its message begins with that Companion, which alone changes and removes it.
public final class DrainBlocked {
  public static final String CONDITION = "chaperone.dev/DrainBlocked";

  private static final String TRUE = "True";
  private static final Pattern AUTHOR = Pattern.compile("Companion ([^/ ]+)/([^ ]+) ");

  private DrainBlocked() {}

  /// The condition on the node.
  public static Optional<NodeCondition> of(Node node) {
    return Conditions.find(node, CONDITION);
  }

  /// Whether the node has the condition, and from this Companion.
  public static boolean isSaidBy(CompanionRef companion, Node node) {
    return of(node).filter(it -> isOf(companion, it)).isPresent();
  }

  private static boolean isOf(CompanionRef companion, NodeCondition condition) {
    return author(condition).filter(companion::equals).isPresent();
  }

  private static String author(CompanionRef companion) {
    return "Companion " + companion + " ";
  }

  /// @param before names of the nodes that it was last said of
  /// @param blocked names of the cordoned nodes of which it is so now
  /// @param why for each of these
  static List<Change> changes(
      Snapshot seen,
      Collection<String> before,
      Collection<String> blocked,
      Function<String, Finding> why) {
    List<Change> changes = new ArrayList<>();
    for (String name : blocked) {
      Node node = seen.roster().node(name).orElseThrow();
      if (!before.contains(name)) {
        changes.add(event(seen, node, why.apply(name)));
      }
      if (seen.settings().marksNodes()) {
        mark(seen, node, why.apply(name)).ifPresent(changes::add);
      }
    }
    if (seen.settings().marksNodes()) {
      Set<String> wrong = new HashSet<>(before);
      seen.roster().nodes().values().stream()
          .filter(node -> isSaidBy(seen.ref(), node))
          .forEach(node -> wrong.add(node.getMetadata().getName()));
      wrong.removeAll(blocked);
      wrong.stream().sorted().map(name -> unmark(name, seen.ref())).forEach(changes::add);
    }
    return changes;
  }

  /// Takes away what is still said by Companions that are gone.
  ///
  /// @param isGone of those that say something
  public static List<Change> withoutCompanions(
      Predicate<CompanionRef> isGone, Collection<Node> nodes) {
    return nodes.stream()
        .flatMap(
            node ->
                of(node).flatMap(DrainBlocked::author).filter(isGone).stream()
                    .map(author -> unmark(node.getMetadata().getName(), author)))
        .toList();
  }

  /// Empty: nobody knows whose it is.
  private static Optional<CompanionRef> author(NodeCondition condition) {
    return Optional.of(AUTHOR.matcher(Objects.requireNonNullElse(condition.getMessage(), "")))
        .filter(Matcher::lookingAt)
        .map(it -> new CompanionRef(it.group(1), it.group(2)));
  }

  private static Change event(Snapshot seen, Node node, Finding why) {
    return new Change.Tell(
        // Events on Nodes are in a namespace of their own.
        seen.settings().scope().only() == null ? node : seen.companion(),
        false,
        "DrainBlocked",
        words(seen.ref(), node.getMetadata().getName(), why.message()));
  }

  /// What is said of a node whose drain waits, wherever its name does not stand beside it.
  static String words(CompanionRef companion, String node, String why) {
    return "%sblocks the drain of node %s: %s".formatted(author(companion), node, why);
  }

  private static Optional<Change> mark(Snapshot seen, Node node, Finding why) {
    Optional<NodeCondition> present = of(node).filter(it -> TRUE.equals(it.getStatus()));
    String message = Conditions.cut(author(seen.ref()) + "blocks the drain: " + why.message());
    boolean isSaid =
        present
            .filter(
                it ->
                    !isOf(seen.ref(), it)
                        || (why.reason().name().equals(it.getReason())
                            && message.equals(it.getMessage())))
            .isPresent();
    if (isSaid) {
      return Optional.empty();
    }
    String now = seen.now().truncatedTo(ChronoUnit.SECONDS).toString();
    return Optional.of(
        new Change.Mark(
            named(node.getMetadata().getName()),
            new NodeConditionBuilder()
                .withType(CONDITION)
                .withStatus(TRUE)
                .withReason(why.reason().name())
                .withMessage(message)
                .withLastHeartbeatTime(now)
                .withLastTransitionTime(
                    present.map(NodeCondition::getLastTransitionTime).orElse(now))
                .build()));
  }

  private static Change unmark(String node, CompanionRef companion) {
    return new Change.Unmark(named(node), CONDITION, companion);
  }

  private static Node named(String node) {
    return new NodeBuilder().withNewMetadata().withName(node).endMetadata().build();
  }
}
