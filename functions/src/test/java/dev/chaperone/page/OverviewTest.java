package dev.chaperone.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.page.Overview.Cell;
import dev.chaperone.page.Overview.NodeRow;
import dev.chaperone.page.Overview.Row;
import dev.chaperone.page.Overview.State;
import dev.chaperone.page.Overview.Told;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// What the page shows of what was read, and that as HTML.
class OverviewTest {
  private static final Instant NOW = Instant.parse("2026-11-24T05:00:00Z");
  private static final Told NOTHING = new Told(List.of(), "");

  /// As browsers read it.
  private static final String ODD = "</td><script>alert(1)</script>\"'&{o.where}<!--";

  private static final String ODD_ESCAPED =
      "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;{o.where}&lt;!--";

  @Test
  void a_hold_has_its_words_its_beginning_and_its_end() {
    String html = html(held("agent"));

    assertThat(html)
        .contains("<h3>storage/agent <span class=\"state\">Blocked</span>")
        .contains("Target storage/target. 3 of 3 nodes have a running guard.")
        .contains("Drain waits: node-1.")
        .contains("Hold rebuild-42: rebuilding pool 42")
        .contains("<span class=\"distance\">120m ago</span> <time>2026-11-24T03:00:00Z</time>")
        .contains("<span class=\"distance\">in 60m</span> <time>2026-11-24T06:00:00Z</time>");
  }

  @Test
  void a_reason_without_an_end_says_when_it_ends() {
    assertThat(html(blocked("Hold", ""))).contains("it is deleted");
    assertThat(html(blocked("OutsideWindow", ""))).contains("not known");
    assertThat(html(blocked("ExpressionTrue", ", until: \"2026-11-24T06:00:00Z\"")))
        .contains("at most")
        .contains("in 60m");
  }

  @Test
  void a_reason_that_no_longer_blocks_says_so_and_the_condition_is_still_there() {
    Row row =
        only(
            companion(
                "agent",
                """
                reasons:
                - {type: Hold, name: old, message: "Hold old: x", since: "2026-11-20T03:00:00Z", overdue: true}
                conditions:
                - {type: DisruptionAllowed, status: "True", reason: MaxHoldDurationExceeded, message: allowed despite it}
                """));

    assertThat(row.state()).isEqualTo(State.ALLOWED);
    assertThat(row.message()).isEqualTo("allowed despite it");
    assertThat(row.reasons()).singleElement().satisfies(it -> assertThat(it.overdue()).isTrue());
  }

  @Test
  void what_a_companion_ignores_is_said_not_to_block() {
    String ignoring =
        """
        reasons: [{type: Hold, name: h, message: "Hold h: x", since: "2026-11-20T03:00:00Z"}]
        conditions: [{type: DisruptionAllowed, status: "%s", reason: %s, message: m}]
        """;

    assertThat(html(companion("agent", ignoring.formatted("True", "AlwaysAllow"))))
        .contains("What would block")
        .contains("<p class=\"message\">m</p>");
    assertThat(html(companion("agent", ignoring.formatted("False", "Hold"))))
        .contains("What blocks");
  }

  @Test
  void break_glass_says_why_and_when_it_ends_and_comes_before_what_needs_nobody() {
    Companion broken = answered("b-broken", "True", "BreakGlass");
    broken.setSpec(
        Serialization.unmarshal(
            """
            targetRef: {name: target}
            disruption:
              policy: Auto
              protect: [Nodes]
              maxUnavailable: 1
              failurePolicy: Hold
              breakGlass: {until: "2026-11-24T06:00:00Z", reason: disk fails}
            """,
            CompanionSpec.class));
    Companion usual = answered("a-usual", "True", "NothingHolds");
    usual.setSpec(broken.getSpec());

    assertThat(rows(usual, broken))
        .extracting(Row::name)
        .containsExactly("storage/b-broken", "storage/a-usual");
    assertThat(html(broken))
        .contains("<p class=\"message\">m <span class=\"distance\">(in 60m)</span></p>");
    assertThat(only(usual).ends()).isNull();
  }

  @Test
  void the_condition_is_said_where_no_reason_says_it() {
    assertThat(only(held("agent")).message()).isEmpty();
    assertThat(
            only(companion(
                    "agent",
                    """
                        conditions:
                        - {type: DisruptionAllowed, status: "False", reason: MaxUnavailableReached, message: used up by node-2}
                        """))
                .message())
        .isEqualTo("used up by node-2");
  }

  @Test
  void what_needs_a_person_comes_first() {
    Companion allowed = allowed("allowed", "True");
    Companion notReady = allowed("not-ready", "False");
    Companion open = answered("open", "Unknown");
    Companion blocked = answered("blocked", "False");
    Companion unseen = companion("unseen", "{}");

    assertThat(rows(allowed, notReady, unseen, blocked, held("waiting"), open))
        .extracting(Row::name)
        .containsExactly(
            "storage/open",
            "storage/waiting",
            "storage/blocked",
            "storage/unseen",
            "storage/not-ready",
            "storage/allowed");
  }

  @Test
  void the_headline_counts_companions_that_block_and_drains_that_wait() {
    assertThat(overview(allowed("a", "True"), held("b"), held("c")).headline())
        .isEqualTo("2 of 3 Companions block, 1 drain waits");
    assertThat(overview(held("b")).headline()).isEqualTo("1 of 1 Companion blocks, 1 drain waits");
  }

  @Test
  void a_node_says_what_it_is_to_each_companion() {
    List<NodeRow> nodes =
        overview(
                held("agent"),
                companion(
                    "logs",
                    """
                    unguardedNodes: [{name: node-2, message: it has no guard}]
                    drainedNodes: {nodes: [node-1], lastTime: "2026-11-24T04:00:00Z"}
                    taintedNodes: [node-3]
                    maintenance:
                    - {node: node-3, phase: Planned, message: taint a/due, since: "2026-11-24T04:00:00Z", announced: true}
                    """))
            .nodes();

    assertThat(nodes).extracting(NodeRow::name).containsExactly("node-1", "node-2", "node-3");
    assertThat(nodes.getFirst().cells())
        .extracting(Cell::kind, Cell::companion)
        .containsExactly(tuple("waits", "storage/agent"), tuple("drained", "storage/logs"));
    assertThat(nodes.get(1).cells()).extracting(Cell::message).containsExactly("it has no guard");
    assertThat(nodes.get(2).cells())
        .extracting(Cell::words, Cell::message, it -> it.since() == null ? "" : it.since().text())
        .containsExactly(
            tuple("maintenance is planned", "taint a/due", "2026-11-24T04:00:00Z"),
            tuple("tainted", "", ""));
  }

  @Test
  void a_spec_that_nobody_looked_at_yet_is_told_from_one_that_was() {
    assertThat(only(held("agent")).stale()).isFalse();
    Companion changed = held("agent");
    changed.getMetadata().setGeneration(2L);
    assertThat(only(changed).stale()).isTrue();
    assertThat(html(changed)).contains("Its spec has changed since");
  }

  @Test
  void turns_are_there_the_newest_first() {
    Told told =
        new Told(
            List.of(
                event("2026-11-24T03:00:00Z", "Normal", "DisruptionAllowed", "older"),
                event("2026-11-24T04:00:00Z", "Warning", "EventLost", "newer")),
            "");

    assertThat(Overview.of(null, List.of(), told, NOW).turns())
        .extracting(Overview.Turn::message, Overview.Turn::warning, Overview.Turn::companion)
        .containsExactly(
            tuple("newer", true, "storage/agent"), tuple("older", false, "storage/agent"));
  }

  @Test
  void turns_that_cannot_be_read_say_why() {
    String why = "Cannot read Kubernetes Events: forbidden";

    assertThat(Html.of(Overview.of(null, List.of(held("a")), new Told(List.of(), why), NOW)))
        .contains(why)
        .doesNotContain("Nothing has changed lately");
    assertThat(html(held("a"))).contains("Nothing has changed lately");
  }

  @Test
  void without_a_companion_the_page_says_so() {
    assertThat(Html.of(Overview.of("storage", List.of(), NOTHING, NOW)))
        .contains("There is no Companion.")
        .contains("in namespace storage");
  }

  @Test
  void whatever_a_user_can_write_is_text() {
    Companion odd =
        companion(
            "agent",
            """
            blockedNodes: [ODD]
            unguardedNodes: [{name: ODD, message: ODD}]
            drainedNodes: {nodes: [ODD], lastTime: ODD}
            taintedNodes: [ODD]
            maintenance: [{node: ODD, phase: Started, message: ODD, since: ODD, announced: true}]
            reasons: [{type: ODD, name: ODD, message: ODD, since: ODD, until: ODD}]
            conditions:
            - {type: DisruptionAllowed, status: "False", reason: ODD, message: ODD, lastTransitionTime: ODD}
            - {type: ODD, status: ODD, reason: ODD, message: ODD, lastTransitionTime: ODD}
            """
                .replace("ODD", Serialization.asJson(ODD)));
    odd.getMetadata().setName(ODD);
    odd.getMetadata().setNamespace(ODD);
    Event event = event(ODD, ODD, ODD, ODD);
    event.getInvolvedObject().setName(ODD);
    event.getInvolvedObject().setNamespace(ODD);

    String html = Html.of(Overview.of(ODD, List.of(odd), new Told(List.of(event), ODD), NOW));

    // Of every field, and nothing of it has a meaning to a browser or to a template.
    assertThat(html.split(Pattern.quote(ODD_ESCAPED), -1)).hasSizeGreaterThan(25);
    assertThat(html)
        .doesNotContain("<script")
        .doesNotContain("alert(1)</")
        .doesNotContain("<!--")
        .doesNotContain(ODD);
  }

  @Test
  void the_page_needs_nothing_from_elsewhere_and_runs_nothing() {
    String html = html(held("agent"));

    assertThat(html)
        .doesNotContain("<script")
        .doesNotContain("http:")
        .doesNotContain("https:")
        .doesNotContain("src=")
        .doesNotContain("style=")
        .doesNotContain("<form")
        .doesNotContain("@import")
        .doesNotContain("url(");
    assertThat(html).contains("prefers-color-scheme: dark").contains("width=device-width");
    assertThat(Html.POLICY)
        .startsWith("default-src 'none'; ")
        .contains("style-src 'sha256-")
        .doesNotContain("unsafe");
  }

  @Test
  void a_page_has_an_end_however_much_there_is() {
    String names =
        IntStream.range(0, 1000).mapToObj(it -> "node-" + it).collect(Collectors.joining(", "));
    String long10000 = "x".repeat(10_000);
    List<Companion> companions = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      companions.add(
          companion(
              "c" + i,
              """
              blockedNodes: [%1$s]
              reasons: [%2$s]
              """
                  .formatted(
                      i < 5 ? names : "node-1",
                      i > 5
                          ? ""
                          : IntStream.range(0, 100)
                              .mapToObj(
                                  it ->
                                      "{type: Hold, name: h%d, message: %s, since: \"2026-11-24T03:00:00Z\"}"
                                          .formatted(it, long10000))
                              .collect(Collectors.joining(", ")))));
    }
    List<Event> events =
        IntStream.range(0, 500)
            .mapToObj(it -> event("2026-11-24T03:00:00Z", "Normal", "A", long10000))
            .toList();

    Overview overview = Overview.of(null, companions, new Told(events, ""), NOW);

    assertThat(overview.companions()).hasSize(Overview.MAX_COMPANIONS);
    assertThat(overview.moreCompanions()).isEqualTo(1000 - Overview.MAX_COMPANIONS);
    assertThat(overview.nodes()).hasSize(Overview.MAX_NODES);
    assertThat(overview.moreNodes()).isEqualTo(1000 - Overview.MAX_NODES);
    assertThat(overview.turns()).hasSize(Overview.MAX_TURNS);
    assertThat(overview.companions().getFirst().reasons()).hasSize(Overview.MAX_REASONS);
    assertThat(overview.nodes().get(1).cells()).hasSizeLessThanOrEqualTo(Overview.MAX_CELLS);
    assertThat(overview.nodes())
        .filteredOn(it -> it.name().equals("node-1"))
        .singleElement()
        .satisfies(
            it ->
                assertThat(it.moreCells()).isEqualTo(Overview.MAX_COMPANIONS - Overview.MAX_CELLS));
    assertThat(Html.of(overview)).hasSizeLessThan(1 << 20).contains("900 more Companions");
  }

  @Test
  void a_companion_without_a_spec_or_a_status_has_a_row() {
    Companion empty = companion("agent", "{}");
    empty.setSpec(null);
    empty.setStatus(null);

    assertThat(only(empty).state()).isEqualTo(State.NOT_REPORTED);
    assertThat(html(empty)).contains("Not reported");
  }

  private static Companion held(String name) {
    return companion(
        name,
        """
        observedGeneration: 1
        guards: {desired: 3, bound: 3, running: 3}
        blockedNodes: [node-1]
        reasons:
        - {type: Hold, name: rebuild-42, message: "Hold rebuild-42: rebuilding pool 42", since: "2026-11-24T03:00:00Z", until: "2026-11-24T06:00:00Z"}
        conditions:
        - {type: Ready, status: "True", reason: Ready, message: as it should be}
        - {type: DisruptionAllowed, status: "False", reason: Hold, message: "Hold rebuild-42: rebuilding pool 42 (since, until)", lastTransitionTime: "2026-11-24T03:00:00Z"}
        """);
  }

  private static Companion blocked(String type, String until) {
    return companion(
        "agent",
        "reasons: [{type: %s, name: x, message: y, since: \"2026-11-24T03:00:00Z\"%s}]"
            .formatted(type, until));
  }

  private static Companion answered(String name, String allowed) {
    return answered(name, allowed, "Some");
  }

  private static Companion answered(String name, String allowed, String reason) {
    return companion(
        name,
        "conditions: [{type: DisruptionAllowed, status: \"%s\", reason: %s, message: m}]"
            .formatted(allowed, reason));
  }

  private static Companion allowed(String name, String ready) {
    return companion(
        name,
        """
        conditions:
        - {type: Ready, status: "%s", reason: Some, message: m}
        - {type: DisruptionAllowed, status: "True", reason: NothingHolds, message: m}
        """
            .formatted(ready));
  }

  private static Companion companion(String name, String status) {
    return Serialization.unmarshal(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: %s, namespace: storage, generation: 1}
        spec:
          targetRef: {name: target}
          disruption: {policy: Auto, protect: [Nodes], maxUnavailable: 1, failurePolicy: Hold}
        status:
        %s
        """
            .formatted(name, status.indent(2)),
        Companion.class);
  }

  private static Event event(String time, String type, String reason, String message) {
    Event event =
        Serialization.unmarshal(
            """
            apiVersion: v1
            kind: Event
            metadata: {name: agent.1, namespace: storage}
            involvedObject: {kind: Companion, name: agent, namespace: storage}
            """,
            Event.class);
    event.setLastTimestamp(time);
    event.setType(type);
    event.setReason(reason);
    event.setMessage(message);
    return event;
  }

  private static Overview overview(Companion... companions) {
    return Overview.of(null, List.of(companions), NOTHING, NOW);
  }

  private static List<Row> rows(Companion... companions) {
    return overview(companions).companions();
  }

  private static Row only(Companion companion) {
    return rows(companion).getFirst();
  }

  private static String html(Companion companion) {
    return Html.of(Overview.of(null, List.of(companion), NOTHING, NOW));
  }
}
