package dev.chaperone.page;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.api.CompanionStatus.DrainedNodes;
import dev.chaperone.api.CompanionStatus.GuardCount;
import dev.chaperone.decide.Ages;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Conditions;
import dev.chaperone.decide.Maintenance;
import dev.chaperone.decide.Reason;
import dev.chaperone.decide.Times;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Event;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What the page shows, in the words of the statuses. Made of what was read, without asking
/// anybody, and never longer than its limits, however much there is.
///
/// @param where `all namespaces`, or `namespace` and its name
/// @param readAt when the page was made
/// @param companions those that matter most first
/// @param moreCompanions how many are left out
/// @param nodes those that are not as usual, by name
/// @param moreNodes how many are left out
/// @param turns what turned lately, newest first
/// @param noTurns why there are none; empty if that needs no word
public record Overview(
    String where,
    Moment readAt,
    int blocking,
    int waitingDrains,
    int all,
    List<Row> companions,
    int moreCompanions,
    List<NodeRow> nodes,
    int moreNodes,
    List<Turn> turns,
    String noTurns) {
  static final int MAX_COMPANIONS = 100;
  static final int MAX_NODES = 200;
  static final int MAX_TURNS = 30;
  static final int MAX_REASONS = 25;

  /// Of one Companion, in its row.
  static final int MAX_NAMES = 10;

  /// Of one node, in its row.
  static final int MAX_CELLS = 20;

  private static final String ALLOWED = "DisruptionAllowed";

  /// How a Companion's disruptions stand, the worst first.
  public enum State {
    NOT_ENFORCED("Not enforced"),
    BLOCKED("Blocked"),
    NOT_REPORTED("Not reported"),
    ALLOWED("Allowed");

    private final String words;

    State(String words) {
      this.words = words;
    }

    /// For people.
    public String words() {
      return words;
    }

    /// Whether nothing blocks, whatever reasons there are.
    public boolean isAllowed() {
      return this == ALLOWED;
    }

    private static State of(@Nullable Condition allowed) {
      return switch (allowed == null ? "" : Objects.requireNonNullElse(allowed.getStatus(), "")) {
        case "True" -> ALLOWED;
        case "False" -> BLOCKED;
        case "Unknown" -> NOT_ENFORCED;
        default -> NOT_REPORTED;
      };
    }
  }

  /// A time, and how far that is from when the page was made.
  ///
  /// @param text RFC 3339, to the second; as it was written, if it is no such time
  /// @param distance such as `5m ago` or `in 2h`; empty for a time that cannot be read
  public record Moment(String text, String distance) {
    static Moment of(String text, Instant now) {
      return Times.parse(text)
          .map(time -> new Moment(seconds(time), distance(time, now)))
          .orElseGet(() -> new Moment(Conditions.cut(text), ""));
    }

    private static String seconds(Instant time) {
      return time.truncatedTo(ChronoUnit.SECONDS).toString();
    }

    private static String distance(Instant time, Instant now) {
      return now.isBefore(time)
          ? "in " + Ages.human(Duration.between(now, time))
          : Ages.human(Duration.between(time, now)) + " ago";
    }
  }

  /// One Companion.
  ///
  /// @param anchor what links within the page lead to
  /// @param ready whether what it asks for is in place
  /// @param reason of the condition DisruptionAllowed
  /// @param message of that condition, where no reason below says it; empty otherwise
  /// @param stale whether its spec has changed since it was looked at
  /// @param ends when the time in that message comes, where break glass has such an end
  /// @param guards such as `3 of 3 nodes have a running guard`; empty if that is not known
  /// @param waiting nodes whose drain waits
  public record Row(
      String anchor,
      String name,
      String target,
      State state,
      boolean ready,
      String reason,
      String message,
      @Nullable Moment ends,
      boolean stale,
      String guards,
      String waiting,
      List<Why> reasons,
      int moreReasons,
      List<Said> conditions) {}

  /// One reason to block.
  ///
  /// @param until when it ends; absent: nobody knows
  /// @param end what is said in the place of a time, or before it
  /// @param overdue whether it no longer blocks
  public record Why(
      String type,
      String message,
      Moment since,
      String end,
      @Nullable Moment until,
      boolean overdue) {}

  /// One condition of a Companion's status, word for word.
  public record Said(String type, String status, String reason, String message, Moment since) {}

  /// A node that is not as usual for at least one Companion.
  ///
  /// @param moreCells how many are left out
  public record NodeRow(String name, List<Cell> cells, int moreCells) {}

  /// What a node is to one Companion.
  ///
  /// @param kind `waits`, `unguarded`, `drained`, `maintained` or `tainted`
  /// @param since when that was first seen; absent: the status does not say
  public record Cell(
      String kind,
      String words,
      String companion,
      String anchor,
      String message,
      @Nullable Moment since) {}

  /// A Kubernetes Event on a Companion.
  public record Turn(Moment at, String companion, boolean warning, String reason, String message) {}

  /// Kubernetes Events on Companions, or why there are none.
  ///
  /// @param why empty if they could be read
  record Told(List<Event> events, String why) {}

  static Overview of(
      @Nullable String namespace, List<Companion> companions, Told told, Instant now) {
    List<Companion> sorted =
        companions.stream()
            .sorted(
                Comparator.comparing((Companion it) -> state(it))
                    .thenComparing(it -> orEmpty(status(it).blockedNodes()).isEmpty())
                    .thenComparing(it -> isReady(status(it)))
                    .thenComparing(it -> !ignores(it))
                    .thenComparing(CompanionRef::of))
            .toList();
    List<Companion> shown = sorted.stream().limit(MAX_COMPANIONS).toList();
    List<NodeRow> nodes = nodes(shown, now);
    return new Overview(
        namespace == null ? "all namespaces" : "namespace " + Conditions.cut(namespace),
        Moment.of(now.toString(), now),
        (int) sorted.stream().filter(it -> state(it).compareTo(State.BLOCKED) <= 0).count(),
        (int)
            sorted.stream()
                .flatMap(it -> orEmpty(status(it).blockedNodes()).stream())
                .distinct()
                .count(),
        sorted.size(),
        shown.stream().map(it -> row(it, now)).toList(),
        sorted.size() - shown.size(),
        nodes.stream().limit(MAX_NODES).toList(),
        Math.max(0, nodes.size() - MAX_NODES),
        turns(told.events(), now),
        told.why());
  }

  /// In one line: what a title and a list of tabs have room for.
  public String headline() {
    return "%d of %d %s, %d %s"
        .formatted(
            blocking,
            all,
            all == 1 ? "Companion blocks" : "Companions block",
            waitingDrains,
            waitingDrains == 1 ? "drain waits" : "drains wait");
  }

  private static Row row(Companion companion, Instant now) {
    CompanionStatus status = status(companion);
    Condition allowed = find(status, ALLOWED);
    List<BlockingReason> reasons = orEmpty(status.reasons());
    String reason = allowed == null ? "" : text(allowed.getReason());
    boolean isSaidBelow = reasons.stream().anyMatch(it -> it.type().equals(reason));
    return new Row(
        anchor(companion),
        CompanionRef.of(companion).toString(),
        target(companion),
        state(companion),
        isReady(status),
        reason,
        allowed == null || isSaidBelow ? "" : text(allowed.getMessage()),
        reason.equals(Reason.BreakGlass.name()) ? breakGlassEnds(companion, now) : null,
        allowed != null
            && !Objects.equals(
                status.observedGeneration(), companion.getMetadata().getGeneration()),
        guards(status.guards()),
        names(orEmpty(status.blockedNodes())),
        reasons.stream().limit(MAX_REASONS).map(it -> why(it, now)).toList(),
        Math.max(0, reasons.size() - MAX_REASONS),
        orEmpty(status.conditions()).stream().limit(MAX_REASONS).map(it -> said(it, now)).toList());
  }

  private static Why why(BlockingReason reason, Instant now) {
    String until = reason.until();
    Optional<Reason> type = Reason.of(reason.type());
    return new Why(
        Conditions.cut(reason.type()),
        Conditions.cut(reason.message()),
        Moment.of(reason.since(), now),
        until == null
            ? type.map(Reason::endsWhen).filter(it -> !it.isEmpty()).orElse("not known")
            : type.filter(Reason::mayEndSooner).map(_ -> "at most").orElse(""),
        until == null ? null : Moment.of(until, now),
        isOverdue(reason));
  }

  private static Said said(Condition condition, Instant now) {
    return new Said(
        text(condition.getType()),
        text(condition.getStatus()),
        text(condition.getReason()),
        text(condition.getMessage()),
        Moment.of(text(condition.getLastTransitionTime()), now));
  }

  private static List<NodeRow> nodes(List<Companion> companions, Instant now) {
    Map<String, List<Cell>> cells = new TreeMap<>();
    for (Companion companion : companions) {
      CompanionStatus status = status(companion);
      Condition allowed = find(status, ALLOWED);
      String reason = allowed == null ? "" : text(allowed.getReason());
      orEmpty(status.blockedNodes())
          .forEach(it -> add(cells, it, companion, "waits", "drain waits", reason, null));
      orEmpty(status.unguardedNodes())
          .forEach(
              it ->
                  add(
                      cells,
                      it.name(),
                      companion,
                      "unguarded",
                      "no running guard",
                      it.message(),
                      null));
      Optional.ofNullable(status.drainedNodes())
          .map(DrainedNodes::nodes)
          .orElse(List.of())
          .forEach(it -> add(cells, it, companion, "drained", "drained", "", null));
      orEmpty(status.maintenance())
          .forEach(
              it ->
                  add(
                      cells,
                      it.node(),
                      companion,
                      "maintained",
                      Maintenance.words(it.phase()),
                      it.message(),
                      Moment.of(it.since(), now)));
      orEmpty(status.taintedNodes())
          .forEach(it -> add(cells, it, companion, "tainted", "tainted", "", null));
    }
    return cells.entrySet().stream()
        .map(
            it ->
                new NodeRow(
                    Conditions.cut(it.getKey()),
                    it.getValue().stream().limit(MAX_CELLS).toList(),
                    Math.max(0, it.getValue().size() - MAX_CELLS)))
        .toList();
  }

  private static void add(
      Map<String, List<Cell>> cells,
      String node,
      Companion companion,
      String kind,
      String words,
      String message,
      @Nullable Moment since) {
    cells
        .computeIfAbsent(node, _ -> new ArrayList<>())
        .add(
            new Cell(
                kind,
                words,
                CompanionRef.of(companion).toString(),
                anchor(companion),
                Conditions.cut(message),
                since));
  }

  private static List<Turn> turns(List<Event> events, Instant now) {
    return events.stream()
        .sorted(Comparator.comparing(Overview::time).reversed())
        .limit(MAX_TURNS)
        .map(
            it ->
                new Turn(
                    Moment.of(time(it), now),
                    text(it.getInvolvedObject().getNamespace())
                        + "/"
                        + text(it.getInvolvedObject().getName()),
                    "Warning".equals(it.getType()),
                    text(it.getReason()),
                    text(it.getMessage())))
        .toList();
  }

  /// As `kubectl get events` has it; Kubernetes writes all of them with the same zone and
  /// precision.
  private static String time(Event event) {
    return Stream.of(event.getLastTimestamp(), event.getMetadata().getCreationTimestamp())
        .filter(Objects::nonNull)
        .findFirst()
        .orElse("");
  }

  private static String guards(@Nullable GuardCount count) {
    return count == null
        ? ""
        : "%d of %d %s a running guard"
            .formatted(
                count.running(), count.desired(), count.desired() == 1 ? "node has" : "nodes have");
  }

  private static String target(Companion companion) {
    CompanionSpec spec = companion.getSpec();
    if (spec == null) {
      return "";
    }
    String namespace = spec.targetRef().namespace();
    return Conditions.cut(
        (namespace == null ? companion.getMetadata().getNamespace() : namespace)
            + "/"
            + spec.targetRef().name());
  }

  private static String names(List<String> nodes) {
    String some = String.join(", ", nodes.stream().limit(MAX_NAMES).map(Conditions::cut).toList());
    return nodes.size() > MAX_NAMES
        ? some + " and %d more".formatted(nodes.size() - MAX_NAMES)
        : some;
  }

  private static String anchor(Companion companion) {
    return "companion-" + CompanionRef.of(companion).toString().replace('/', '_');
  }

  private static State state(Companion companion) {
    return State.of(find(status(companion), ALLOWED));
  }

  /// Whether it ignores what blocks: somebody broke glass.
  private static boolean ignores(Companion companion) {
    return Optional.ofNullable(find(status(companion), ALLOWED))
        .flatMap(it -> Reason.of(text(it.getReason())))
        .filter(it -> it == Reason.AlwaysAllow || it == Reason.BreakGlass)
        .isPresent();
  }

  private static @Nullable Moment breakGlassEnds(Companion companion, Instant now) {
    return Optional.ofNullable(companion.getSpec())
        .map(it -> it.disruption().breakGlass())
        .map(it -> Moment.of(it.until(), now))
        .orElse(null);
  }

  private static boolean isReady(CompanionStatus status) {
    return Optional.ofNullable(find(status, "Ready"))
        .filter(it -> "True".equals(it.getStatus()))
        .isPresent();
  }

  private static boolean isOverdue(BlockingReason reason) {
    return Boolean.TRUE.equals(reason.overdue());
  }

  private static @Nullable Condition find(CompanionStatus status, String type) {
    return Conditions.find(orEmpty(status.conditions()), type).orElse(null);
  }

  private static CompanionStatus status(Companion companion) {
    return Optional.ofNullable(companion.getStatus()).orElse(CompanionStatus.NONE);
  }

  private static <T> List<T> orEmpty(@Nullable List<T> list) {
    return list == null ? List.of() : list;
  }

  private static String text(@Nullable String text) {
    return text == null ? "" : Conditions.cut(text);
  }
}
