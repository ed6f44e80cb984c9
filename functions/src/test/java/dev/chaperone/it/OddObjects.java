package dev.chaperone.it;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Companions, Holds and statuses that nobody would write who means well: each field by itself odd,
/// in any mixture. The API server may refuse some of the specs.
record OddObjects(Random random) {
  private static final int LONG_EXPRESSION = 2000;

  /// YAML of a Companion's spec, with what the schema asks for.
  String companionSpec() {
    List<String> disruption = new ArrayList<>();
    maybe(disruption, "policy", () -> one("Auto", "AlwaysHold", "AlwaysAllow"));
    maybe(disruption, "protect", () -> one("[Pods]", "[Nodes]", "[Nodes, Pods]"));
    maybe(
        disruption,
        "maxUnavailable",
        () -> one("1", "100000", "\"1%\"", "\"100%\"", "\"99%\"", "2"));
    maybe(disruption, "failurePolicy", () -> one("Hold", "Allow"));
    maybe(disruption, "settlePeriod", this::duration);
    maybe(disruption, "maxHoldDuration", this::duration);
    maybe(
        disruption,
        "breakGlass",
        () ->
            "{until: %s, reason: %s}"
                .formatted(
                    quoted(one("2020-02-29T12:00:00Z", "2099-12-31T23:59:59.999999999-18:00")),
                    quoted("x" + text())));
    maybe(disruption, "observe", () -> list(8, this::observe));
    maybe(
        disruption,
        "holdWhen",
        () ->
            list(
                16,
                number ->
                    "{name: r%d, expression: %s, message: %s}"
                        .formatted(number, quoted(expression()), quoted(text()))));
    maybe(
        disruption,
        "maintenanceWindows",
        () ->
            list(
                8,
                _ ->
                    "{schedule: %s, duration: %s, timeZone: %s}"
                        .formatted(
                            quoted(
                                one(
                                    "0 0 30 2 *",
                                    "99 99 99 99 99",
                                    "* * * * *",
                                    "*/0 1 1 1 1",
                                    "0 0 29 2 1",
                                    "@ @ @ @ @",
                                    "1-1000000 * * * *")),
                            duration(),
                            one("UTC", "Mars/Base", "Europe/Budapest", "EST5EDT", "X"))));
    List<String> spec = new ArrayList<>();
    spec.add(
        "targetRef: {name: %s%s}"
            .formatted(name(), random.nextInt(4) == 0 ? ", namespace: elsewhere" : ""));
    maybe(spec, "followerRef", () -> "{name: %s}".formatted(name()));
    spec.add("disruption: {%s}".formatted(String.join(", ", disruption)));
    maybe(
        spec,
        "signals",
        () ->
            list(
                16,
                _ ->
                    "{type: %s, holdWhen: %s, key: %s, ttl: %s}"
                        .formatted(
                            quoted(one("com.example.a", "a", "x".repeat(256), "ü")),
                            quoted(expression()),
                            quoted(expression()),
                            duration())));
    return "{%s}".formatted(String.join(", ", spec));
  }

  /// YAML of a Hold's spec.
  String holdSpec(String companion) {
    return "{companionRef: {name: %s}, reason: %s%s}"
        .formatted(
            random.nextInt(3) == 0 ? "nobody" : companion,
            quoted(text()),
            random.nextInt(3) == 0
                ? ", expiresAt: "
                    + quoted(one("2001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999+14:00"))
                : "");
  }

  /// JSON of a Companion's status: fields that are there, with anything in them.
  String status() {
    List<String> fields =
        List.of(
            "blockedNodes",
            "conditions",
            "drainedNodes",
            "guards",
            "observedGeneration",
            "placementWrites",
            "quietSince",
            "reasons",
            "taintedNodes",
            "unguardedNodes",
            "newer");
    return fields.stream()
        .filter(_ -> random.nextBoolean())
        .map(field -> "\"%s\": %s".formatted(field, json(3)))
        .collect(Collectors.joining(", ", "{", "}"));
  }

  /// As a status has them, or anything else.
  private String json(int depth) {
    if (depth == 0 || random.nextInt(3) == 0) {
      return one(
          "0",
          "-1",
          "true",
          "1.5",
          "3000000000",
          "9223372036854775807",
          "\"\"",
          "\"yesterday\"",
          "\"2020-01-01T00:00:00Z\"",
          "\"9999-12-31T23:59:59Z\"",
          "\"\\u0000\\u202e\"",
          "\"" + "x".repeat(5000) + "\"");
    }
    if (random.nextBoolean()) {
      return IntStream.range(0, random.nextInt(4))
          .mapToObj(_ -> json(depth - 1))
          .collect(Collectors.joining(", ", "[", "]"));
    }
    return List.of(
            "type",
            "status",
            "reason",
            "message",
            "lastTransitionTime",
            "since",
            "until",
            "name",
            "nodes",
            "count",
            "lastTime",
            "bound",
            "desired",
            "observedGeneration",
            "overdue")
        .stream()
        .filter(_ -> random.nextInt(3) == 0)
        .map(field -> "\"%s\": %s".formatted(field, json(depth - 1)))
        .collect(Collectors.joining(", ", "{", "}"));
  }

  private String observe(int number) {
    return "{as: o%d, %s, name: %s, scope: %s%s}"
        .formatted(
            number,
            one(
                "apiVersion: v1, resource: secrets",
                "apiVersion: v1, resource: status",
                "apiVersion: apps/v1, resource: daemonsets",
                "apiVersion: chaperone.dev/v1alpha1, resource: companions",
                "apiVersion: example.com/v9, resource: nothings",
                "apiVersion: example.com/v9, resource: pods"),
            one("x", "a.b", "a:b", "x".repeat(253)),
            one("Namespaced", "Cluster"),
            random.nextInt(3) == 0 ? ", namespace: kube-system" : "");
  }

  private String expression() {
    return one(
        "true",
        "1",
        "1 / 0 == 1",
        "no such thing",
        "o0.a.b.c > 3",
        "target.spec.nothing.at.all == 'x'",
        "'a'.matches('(a+)+$')",
        "[1, 2, 3].all(x, [1, 2, 3].all(y, [1, 2, 3].all(z, x + y + z > 0)))",
        "duration('1000000000h') > now - now",
        "dyn(now) + 1 == 2",
        "'" + "x".repeat(LONG_EXPRESSION) + "' == ''",
        "size('" + "ab".repeat(100) + "'.replace('a', 'aaaaaaaaaa')) > 1",
        "(".repeat(200) + "true" + ")".repeat(200),
        "\\\"");
  }

  private String duration() {
    return one("1s", "999999h", "60s", "1m1s", "24h");
  }

  private String name() {
    return one("none", "a.b", "oddities", "x".repeat(63), "nothing-guards");
  }

  private String text() {
    return one("a", "\\u0007 bell", "<b>bold</b>", "%s %n", "ü".repeat(256), "{{x}}");
  }

  private void maybe(List<String> fields, String field, Supplier<String> value) {
    if (random.nextInt(3) == 0) {
      fields.add(field + ": " + value.get());
    }
  }

  private String list(int most, java.util.function.IntFunction<String> item) {
    return IntStream.range(0, 1 + random.nextInt(most))
        .mapToObj(item)
        .collect(Collectors.joining(", ", "[", "]"));
  }

  private static String quoted(String text) {
    return "\"" + text + "\"";
  }

  private String one(String... choices) {
    return choices[random.nextInt(choices.length)];
  }
}
