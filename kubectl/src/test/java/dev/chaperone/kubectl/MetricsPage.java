package dev.chaperone.kubectl;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.monitoring.PromQl;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// What a page of kube-state-metrics says, and which of the shipped alerts follow from it.
record MetricsPage(String text) {
  /// What a metrics page says of the situation: without the labels that name its objects, and times
  /// as words.
  List<String> of(Situation situation) {
    return text.lines()
        .map(
            line -> {
              if (line.startsWith("chaperone_companion_condition{")
                  && line.contains("condition=\"DisruptionAllowed\"")) {
                return line;
              }
              if (line.startsWith("chaperone_companion_blocking_since_seconds{")) {
                return line.replaceAll(" [^ ]+$", " TIME");
              }
              return line.startsWith("kube_node_status_condition{")
                      && line.contains("DrainBlocked")
                      && line.endsWith(" 1")
                  ? line
                  : "";
            })
        .filter(
            it ->
                it.contains("namespace=\"%s\"".formatted(situation.namespace()))
                    || it.contains("node=\"%s\"".formatted(situation.drained())))
        .map(it -> withoutNames(it))
        .sorted()
        .toList();
  }

  private static String withoutNames(String series) {
    int open = series.indexOf('{');
    int close = series.lastIndexOf('}');
    return series.substring(0, open + 1)
        + Pattern.compile("[a-z_]+=\"[^\"]*\"")
            .matcher(series.substring(open, close))
            .results()
            .map(it -> it.group())
            .filter(
                it ->
                    !it.matches("(namespace|name|node|customresource_[a-z]+)=.*")
                        && !it.equals("overdue=\"\""))
            .sorted()
            .collect(Collectors.joining(","))
        + series.substring(close);
  }

  /// The shipped alerts that fire on this page, by namespace: at once, after the `for` of the rule,
  /// or later if everything stays as it is.
  Map<String, List<String>> alerts(Lab lab, Path monitoring) throws IOException {
    List<JsonNode> rules = new ArrayList<>();
    for (String file : List.of("prometheus-rule.yaml", "companions-rule.yaml")) {
      JsonNode manifest =
          Serialization.unmarshal(Files.readString(monitoring.resolve(file)), JsonNode.class);
      manifest.at("/spec/groups/0/rules").forEach(rules::add);
    }
    List<String> expressions = rules.stream().map(it -> it.path("expr").asText()).toList();
    Instant now = Instant.now();
    var atOnce = PromQl.evaluate(lab, text, now, expressions);
    var later = PromQl.evaluate(lab, text, now.plus(Duration.ofHours(25)), expressions);
    Map<String, List<String>> alerts = new LinkedHashMap<>();
    for (int i = 0; i < rules.size(); i++) {
      String alert = rules.get(i).path("alert").asText();
      String after = rules.get(i).path("for").asText("");
      List<String> firing = atOnce.get(i).stream().map(it -> it.labels().get("namespace")).toList();
      for (PromQl.Sample sample : later.get(i)) {
        String namespace = sample.labels().get("namespace");
        String when =
            !firing.contains(namespace)
                ? "after a day"
                : after.isEmpty() ? "at once" : "after " + after.replace("m", " minutes");
        alerts
            .computeIfAbsent(namespace, _ -> new ArrayList<>())
            .add("`%s` %s".formatted(alert, when));
      }
    }
    return alerts;
  }
}
