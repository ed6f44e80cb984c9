package dev.chaperone.kubectl;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// `docs/reference/what-blocks.md`, from what was seen.
///
/// @param seen of each situation
/// @param drains what `kubectl drain` printed in each
record WhatBlocksPage(Map<Situation, Seen> seen, Map<Situation, String> drains) {
  String text() {
    StringBuilder page =
        new StringBuilder(
            """
            # What blocks, and where it is said

            What people see in each place when a drain does not go on, in ten situations that a test made on a real control plane; it
            also compared the words, asked the API server for each eviction, and wrote this page. In each, DaemonSet `target` runs in
            namespace `storage`, Companion `agent` guards its nodes, and somebody drains one of them. The condition on the Node needs
            [an overlay](../how-to/monitor.md#on-the-node), `kubectl chaperone` [the plugin](../how-to/use-the-kubectl-plugin.md), the
            [status page](../how-to/status-page.md) an overlay, too, and the alerts [kube-state-metrics](../how-to/alerts.md). TIME stands
            for times, `…` for what is another each time.

            | situation | `kubectl drain` | on the Node | `DisruptionAllowed` | `kubectl chaperone why` | status page | alerts |
            |---|---|---|---|---|---|---|
            """);
    for (Situation situation : Situation.values()) {
      Seen seen = of(situation);
      page.append(
          "| [%s](#%s) | %s | %s | `%s` | %s | `%s` | %s |\n"
              .formatted(
                  situation.title,
                  anchor(situation.title),
                  situation.drain.words,
                  seen.onNode().map(it -> "`" + it.getReason() + "`").orElse("nothing"),
                  situation.allowed,
                  inShort(seen.whyJson()),
                  seen.onPage().state(),
                  seen.alerts().stream()
                      .map(it -> it.replaceAll(" .*", ""))
                      .collect(Collectors.joining(", "))));
    }
    for (Situation situation : Situation.values()) {
      page.append('\n').append(section(situation));
    }
    return page.toString();
  }

  private static String anchor(String title) {
    return title.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9 -]", "").replace(' ', '-');
  }

  private static String inShort(JsonNode why) {
    List<String> all = new ArrayList<>();
    for (JsonNode block : why.at("/blockers")) {
      JsonNode blocker = block.path("blocker");
      String reasons =
          Stream.iterate(0, it -> it < blocker.path("reasons").size(), it -> it + 1)
              .map(it -> blocker.path("reasons").path(it))
              .filter(it -> it.has("reason"))
              .map(it -> "`" + it.path("reason").asText() + "`")
              .distinct()
              .collect(Collectors.joining(", "));
      all.add(reasons.isEmpty() ? blocker.path("owner").asText() : reasons);
    }
    for (JsonNode gap : why.at("/gaps")) {
      all.add("nothing blocks; `" + gap.at("/because/reason").asText() + "`");
    }
    return String.join(", ", all);
  }

  private String section(Situation situation) {
    Seen seen = of(situation);
    StringBuilder section = new StringBuilder("## " + situation.title + "\n\n");
    section.append("| place | what it says |\n|---|---|\n");
    row(section, "`kubectl drain`", situation.drain.words + ": " + drained(situation));
    row(
        section,
        "Node, condition `chaperone.dev/DrainBlocked`",
        seen.onNode()
            .map(it -> "`%s %s`: %s".formatted(it.getStatus(), it.getReason(), it.getMessage()))
            .orElse("there is none"));
    row(
        section,
        "Node, Kubernetes Event `DrainBlocked`",
        seen.event("DrainBlocked").orElse("there is none"));
    row(
        section,
        "Companion, condition `DisruptionAllowed`",
        "`%s`: %s".formatted(situation.allowed, seen.allowed().getMessage()));
    row(section, "status page, the Companion", companion(seen.onPage()));
    row(
        section,
        "status page, the node",
        seen.nodeOnPage().isEmpty() ? "as usual" : String.join("<br>", seen.nodeOnPage()));
    row(
        section,
        "metrics",
        seen.series().stream().map(it -> "`" + it + "`").collect(Collectors.joining("<br>")));
    row(section, "alerts", seen.alerts().isEmpty() ? "none" : String.join("<br>", seen.alerts()));
    section.append(
        """

        `kubectl chaperone why`, without its table of pods:

        ```text
        %s
        ```
        """
            .formatted(seen.why().strip()));
    return plain(situation, section.toString());
  }

  private static String companion(StatusPageText.Section page) {
    return Stream.concat(
            Stream.of("`" + page.state() + "`", page.waiting(), page.message()),
            page.reasons().stream().map(StatusPageText.Why::toString))
        .filter(it -> !it.isEmpty())
        .collect(Collectors.joining("<br>"));
  }

  private static void row(StringBuilder section, String place, String words) {
    section.append("| %s | %s |\n".formatted(place, words));
  }

  /// What `kubectl drain` printed of pods, each line once.
  private String drained(Situation situation) {
    return drains
        .getOrDefault(situation, "")
        .lines()
        .filter(it -> it.contains("error when evicting") || it.endsWith(" evicted"))
        .map(it -> plain(situation, it))
        .distinct()
        .sorted()
        .map(it -> "`" + it + "`")
        .collect(Collectors.joining("<br>"));
  }

  /// Without what is another every time.
  private static String plain(Situation situation, String text) {
    return text.replaceAll("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?Z", "TIME")
        .replaceAll("(numberReady is )\\d", "$1…")
        .replaceAll("\\b(agent-guards|web)-[a-z0-9]+-[a-z0-9]{5}\\b", "$1-…")
        .replaceAll("\\b" + situation.namespace() + "-(\\d)", "node-$1")
        .replace(situation.namespace(), "storage");
  }

  private Seen of(Situation situation) {
    return Optional.ofNullable(seen.get(situation)).orElseThrow();
  }
}
