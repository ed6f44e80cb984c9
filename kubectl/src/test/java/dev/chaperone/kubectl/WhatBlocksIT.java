package dev.chaperone.kubectl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.decide.Reason;
import dev.chaperone.kubectl.Situation.Drain;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import dev.chaperone.lab.monitoring.KubeStateMetrics;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// What people see at each place where they look when a drain does not go on: everywhere the same
/// words, and the API server does what they say. `docs/reference/what-blocks.md` has them side by
/// side; with `-Ddocs.write=true` this test writes it anew.
///
/// All situations are there at once, each real on a real control plane. How long it takes until a
/// place shows a drain that waits is printed, and not tested.
@ExtendWith(LabExtension.class)
class WhatBlocksIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Path PAGE = HOME.resolve("docs/reference/what-blocks.md");
  private static final Path MONITORING = HOME.resolve("knative/monitoring");
  private static final Duration LONG = Duration.ofMinutes(3);
  private static final Duration LOOK_AGAIN = Duration.ofMillis(200);
  private static final Duration POKE = Duration.ofSeconds(5);
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Map<Situation, Seen> SEEN = new EnumMap<>(Situation.class);
  private static final Map<Situation, Kubectl> DRAINS = new EnumMap<>(Situation.class);

  private static Lab lab;
  private static FunctionsOnDemand functions;
  private static ApiServerSource sources;
  private static KubeStateMetrics metrics;

  /// The token of somebody who may see the status page.
  private static String viewer;

  @BeforeAll
  static void everything_happens(Lab given) throws IOException {
    lab = given;
    Chaperone.installTypesAndRights(lab, HOME);
    lab.apply(HOME.resolve("knative/policies"));
    Path conditions = HOME.resolve("knative/overlays/node-conditions");
    lab.apply(conditions.resolve("rbac.yaml"));
    lab.apply(conditions.resolve("policy.yaml"));
    lab.apply(HOME.resolve("knative/overlays/status-page/rbac.yaml"));
    startVisitor();
    functions =
        FunctionsOnDemand.start(
            FunctionsCommand.fastest(FunctionsCommand.built(HOME)),
            Map.of(
                "KUBECONFIG",
                lab.kubeconfig("chaperone", "functions").toString(),
                "CHAPERONE_NODE_CONDITIONS",
                "true",
                "CHAPERONE_STATUS_PAGE",
                "true"),
            LONG.multipliedBy(10),
            lab.folder().resolve("functions-what-blocks.log"));
    sources =
        ApiServerSource.start(lab, functions.address(), HOME.resolve("triggers/base/sources.yaml"));
    startMetrics();

    for (Situation situation : Situation.values()) {
      begin(situation);
    }
    for (Situation situation : Situation.values()) {
      awaitGuards(situation);
      happen(situation);
    }
    for (Situation situation : Situation.values()) {
      if (situation != Situation.FOREIGN_BUDGET) {
        awaitAllowed(situation);
      }
    }
    System.out.println("WhatBlocksIT: every situation is there");
    drainAndMeasure(Situation.HOLD);
    for (Situation situation : Situation.values()) {
      if (situation == Situation.GUARD) {
        lab.kubectl("cordon", situation.drained()).orFail();
      } else if (situation != Situation.HOLD) {
        DRAINS.put(situation, drain(situation));
      }
    }
    for (Situation situation : Situation.values()) {
      awaitSeen(situation);
    }
    gather();
  }

  @AfterAll
  static void end() {
    DRAINS.values().forEach(Kubectl::close);
    metrics.close();
    sources.close();
    functions.close();
    Arrays.stream(Situation.values())
        .forEach(
            it -> {
              lab.client().namespaces().withName(it.namespace()).delete();
              lab.client().nodes().withLabel("pool", it.namespace()).delete();
            });
  }

  @ParameterizedTest
  @EnumSource
  void every_place_has_the_words_of_the_companion(Situation situation) {
    Seen seen = seen(situation);
    String words = seen.allowed().getMessage();
    String companion = "Companion " + situation.namespace() + "/agent ";

    assertThat(seen.describedCompanion()).contains(words, seen.allowed().getReason());
    assertThat(seen.series())
        .contains(
            "chaperone_companion_condition{condition=\"DisruptionAllowed\",reason=\"%s\"} 0"
                .formatted(seen.allowed().getReason()));
    for (BlockingReason reason : seen.reasons()) {
      assertThat(seen.series())
          .anyMatch(
              it ->
                  it.startsWith("chaperone_companion_blocking_since_seconds{")
                      && (reason.name().isEmpty()
                          || it.contains("reason_name=\"%s\"".formatted(reason.name())))
                      && it.contains("type=\"%s\"".formatted(reason.type())));
    }
    if (situation.isToldOnTheNode()) {
      assertThat(seen.onNode())
          .get()
          .satisfies(
              it -> {
                assertThat(it.getStatus()).isEqualTo("True");
                assertThat(it.getReason()).isEqualTo(seen.allowed().getReason());
                assertThat(it.getMessage()).isEqualTo(companion + "blocks the drain: " + words);
              });
      assertThat(seen.event("DrainBlocked"))
          .contains(
              companion + "blocks the drain of node %s: %s".formatted(situation.drained(), words));
      assertThat(seen.describedNode())
          .contains(seen.onNode().get().getMessage(), seen.event("DrainBlocked").get());
      assertThat(seen.saidByTheCompanion()).isEqualTo(words);
      assertThat(seen.series())
          .contains(
              "kube_node_status_condition{condition=\"chaperone.dev/DrainBlocked\",status=\"true\"} 1");
    } else {
      assertThat(seen.onNode()).isEmpty();
      assertThat(seen.event("DrainBlocked")).isEmpty();
      assertThat(seen.describedNode()).doesNotContain("DrainBlocked");
    }
  }

  @ParameterizedTest
  @EnumSource
  void the_status_page_has_the_words_of_the_companion(Situation situation) {
    Seen seen = seen(situation);
    Condition allowed = seen.allowed();
    StatusPageText.Section shown = seen.onPage();

    assertThat(shown.state())
        .isEqualTo(
            (allowed.getStatus().equals("False") ? "Blocked " : "Not enforced ")
                + allowed.getReason());
    assertThat(shown.conditions())
        .contains(
            "DisruptionAllowed %s %s: %s"
                .formatted(allowed.getStatus(), allowed.getReason(), allowed.getMessage()));
    assertThat(shown.reasons())
        .extracting(StatusPageText.Why::message)
        .containsExactlyElementsOf(seen.reasons().stream().map(BlockingReason::message).toList());
    for (int i = 0; i < shown.reasons().size(); i++) {
      StatusPageText.Why why = shown.reasons().get(i);
      BlockingReason reason = seen.reasons().get(i);
      String words =
          Reason.of(reason.type())
              .orElseThrow()
              .describe(reason.message(), reason.since(), reason.until());
      assertThat(words).contains("since " + reason.since());
      assertThat(why.since()).isEqualTo(seconds(reason.since()));
      if (reason.until() == null) {
        assertThat(why.until()).isIn("it is deleted", "not known");
        assertThat(words.contains("until")).isEqualTo(why.until().equals("it is deleted"));
      } else {
        assertThat(words).contains("until " + reason.until());
        assertThat(why.until()).endsWith(seconds(reason.until()));
      }
    }
    // Once, wherever that is.
    assertThat(shown.message())
        .isEqualTo(
            seen.reasons().stream().anyMatch(it -> it.type().equals(allowed.getReason()))
                ? ""
                : allowed.getMessage());
    String companion = situation.namespace() + "/agent: ";
    if (situation.isToldOnTheNode()) {
      assertThat(shown.waiting()).isEqualTo("Drain waits: " + situation.drained() + ".");
      assertThat(seen.nodeOnPage()).contains("drain waits " + companion + allowed.getReason());
    } else {
      assertThat(shown.waiting()).isEmpty();
      assertThat(seen.nodeOnPage()).noneMatch(it -> it.contains("drain waits"));
    }
  }

  @ParameterizedTest
  @EnumSource
  void what_is_said_of_the_drain_is_what_the_api_server_does(Situation situation) {
    Seen seen = seen(situation);
    int answer =
        switch (situation.drain) {
          case WAITS -> 429;
          case ENDS -> 500;
          case PASSES -> 201;
        };

    assertThat(seen.evictions()).isNotEmpty();
    assertThat(seen.evictions().values()).containsOnly(answer);
    assertThat(seen.whyJson().at("/blocked").asBoolean())
        .isEqualTo(situation.drain != Drain.PASSES);
    Kubectl drain = running(situation);
    if (situation.drain == Drain.WAITS) {
      assertThat(drain.isRunning()).as(drain.err()).isTrue();
    } else {
      assertThat(drain.await(LONG).exit()).isEqualTo(situation.drain == Drain.PASSES ? 0 : 1);
    }
  }

  @Test
  void a_guard_that_does_not_start_is_told_to_whoever_asks_about_its_node_and_to_no_other() {
    Seen seen = seen(Situation.GUARD);

    assertThat(seen.whyJson().at("/gaps/0/because/message").asText())
        .isEqualTo(seen.allowed().getMessage());
    assertThat(why(Situation.GUARD.node(1)))
        .contains("  ExpressionTrue: few: Too few nodes [")
        .doesNotContain("NotEnforced");
  }

  @Test
  void a_budget_of_somebody_else_is_named_and_chaperone_is_not_blamed() {
    Seen seen = seen(Situation.FOREIGN_BUDGET);

    assertThat(seen.whyJson().at("/blockers")).hasSize(1);
    assertThat(seen.whyJson().at("/blockers/0/blocker/owner").asText())
        .isEqualTo("Helm release shop");
  }

  @Test
  void the_page_has_what_was_seen() throws IOException {
    Map<Situation, String> drains = new EnumMap<>(Situation.class);
    DRAINS.forEach((situation, drain) -> drains.put(situation, drain.err() + drain.out()));
    String page = new WhatBlocksPage(SEEN, drains).text();
    if (Boolean.getBoolean("docs.write")) {
      Files.writeString(PAGE, page);
    }
    assertThat(PAGE).as("-Ddocs.write=true writes it anew").hasContent(page);
  }

  private static String seconds(String time) {
    return Instant.parse(time).truncatedTo(ChronoUnit.SECONDS).toString();
  }

  private static Seen seen(Situation situation) {
    return Optional.ofNullable(SEEN.get(situation)).orElseThrow();
  }

  private static Kubectl running(Situation situation) {
    return Optional.ofNullable(DRAINS.get(situation)).orElseThrow();
  }

  // What happens

  private static void startMetrics() {
    lab.apply(
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: monitoring}
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: kube-state-metrics, namespace: monitoring}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: kube-state-metrics}
        rules:
        - {apiGroups: [""], resources: [nodes], verbs: [list, watch]}
        - {apiGroups: [policy], resources: [poddisruptionbudgets], verbs: [list, watch]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: kube-state-metrics}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: kube-state-metrics}
        subjects: [{kind: ServiceAccount, name: kube-state-metrics, namespace: monitoring}]
        """);
    lab.apply(MONITORING.resolve("kube-state-metrics-rights.yaml"));
    metrics =
        KubeStateMetrics.start(
            lab,
            MONITORING.resolve("kube-state-metrics.yaml"),
            "monitoring",
            "kube-state-metrics",
            "nodes",
            "poddisruptionbudgets");
  }

  private static void startVisitor() {
    lab.addServiceAccount(
        "default",
        "viewer",
        "{apiGroups: [chaperone.dev], resources: [companions], verbs: [list]}",
        "{apiGroups: [''], resources: [events], verbs: [list]}");
    viewer = lab.token("default", "viewer", "chaperone.dev");
  }

  private static void begin(Situation situation) {
    Scenes.companion(
        lab, situation.namespace(), situation.nodes, situation.disruption(Instant.now()));
  }

  private static void happen(Situation situation) {
    String namespace = situation.namespace();
    switch (situation) {
      case HOLD -> hold(namespace, "rebuild", "rebuilding pool 42", true);
      case TWO_HOLDS -> {
        hold(namespace, "rebuild", "rebuilding pool 42", true);
        hold(namespace, "upgrade", "upgrading the controllers", false);
        awaitReasons(situation, 2);
      }
      case SETTLING -> {
        hold(namespace, "rebuild", "rebuilding pool 42", false);
        poking(situation, "the Hold", () -> "False Hold".equals(allowed(situation)));
        lab.kubectl("delete", "hold", "rebuild", "-n", namespace).orFail();
      }
      // As the node controller does when a kubelet no longer answers.
      case DEAD_NODE ->
          Scenes.report(
              lab,
              Scenes.guard(lab, situation.node(2)),
              """
              {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}""");
      // As a kubelet does.
      case GUARD -> Scenes.report(lab, Scenes.guard(lab, situation.node(2)), Scenes.CANNOT_START);
      case FOREIGN_BUDGET ->
          lab.apply(
              """
              apiVersion: policy/v1
              kind: PodDisruptionBudget
              metadata: {name: web, namespace: %1$s, annotations: {meta.helm.sh/release-name: shop}}
              spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
              ---
              apiVersion: apps/v1
              kind: Deployment
              metadata: {name: web, namespace: %1$s}
              spec:
                selector: {matchLabels: {app: web}}
                template:
                  metadata: {labels: {app: web}}
                  spec:
                    nodeSelector: {pool: %1$s}
                    containers: [{name: main, image: none}]
              """
                  .formatted(namespace));
      case OVERLAPPING_BUDGET ->
          lab.apply(
              """
              apiVersion: policy/v1
              kind: PodDisruptionBudget
              metadata: {name: everything, namespace: %s, labels: {app.kubernetes.io/managed-by: Flux}}
              spec: {minAvailable: 1, selector: {}}
              """
                  .formatted(namespace));
      case NO_TARGET ->
          lab.kubectl("delete", "daemonset", "target", "-n", namespace, "--wait=false").orFail();
      case EXPRESSION, WINDOW -> {}
    }
  }

  private static void hold(String namespace, String name, String reason, boolean ends) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Hold
        metadata: {name: %s, namespace: %s}
        spec: {companionRef: {name: agent}, reason: %s%s}
        """
            .formatted(
                name,
                namespace,
                reason,
                ends ? ", expiresAt: \"" + Instant.now().plus(Duration.ofHours(2)) + "\"" : ""));
  }

  private static Kubectl drain(Situation situation) {
    return lab.startKubectl("drain", situation.drained(), "--ignore-daemonsets", "--timeout=20m");
  }

  // Waiting

  private static void awaitGuards(Situation situation) {
    poking(
        situation,
        "guards of " + situation,
        () ->
            Optional.ofNullable(Facts.status(companion(situation)).guards())
                .filter(it -> it.running() == situation.nodes)
                .isPresent());
    if (situation == Situation.FOREIGN_BUDGET) {
      // It has to let the guard go.
      await("a budget that is open")
          .atMost(LONG)
          .until(
              () ->
                  lab.client()
                          .policy()
                          .v1()
                          .podDisruptionBudget()
                          .inNamespace(situation.namespace())
                          .withName("agent-nodes")
                          .get()
                          .getStatus()
                          .getDisruptionsAllowed()
                      == 1);
    }
  }

  private static void awaitAllowed(Situation situation) {
    poking(
        situation,
        situation + " to be " + situation.allowed,
        () -> situation.allowed.equals(allowed(situation)));
  }

  private static void awaitReasons(Situation situation, int count) {
    poking(
        situation,
        count + " reasons of " + situation,
        () ->
            Stream.ofNullable(Facts.status(companion(situation)).reasons())
                    .mapToLong(List::size)
                    .sum()
                == count);
  }

  /// Until everything that follows a drain is there.
  private static void awaitSeen(Situation situation) {
    if (situation.drain == Drain.WAITS) {
      await("the drain of " + situation + " to wait")
          .atMost(LONG)
          .until(() -> isRefused(running(situation)));
    }
    if (situation.drain == Drain.ENDS) {
      running(situation).await(LONG);
    }
    if (situation == Situation.FOREIGN_BUDGET) {
      await("the guard to go")
          .atMost(LONG)
          .until(() -> running(situation).out().contains(" evicted"));
    }
    awaitAllowed(situation);
    if (situation.isToldOnTheNode()) {
      poking(
          situation,
          "what node " + situation.drained() + " says",
          () -> onNode(situation).isPresent() && eventOnNode(situation).isPresent());
    }
    await("metrics of " + situation)
        .atMost(LONG)
        .pollInterval(LOOK_AGAIN)
        .until(
            () -> {
              List<String> series = metricsOf(situation);
              String reason = situation.allowed.replaceAll(".* ", "");
              return series.stream().anyMatch(it -> it.contains("reason=\"" + reason + "\""))
                  && (!situation.isToldOnTheNode()
                      || series.stream().anyMatch(it -> it.contains("DrainBlocked")));
            });
  }

  private static boolean isRefused(Kubectl drain) {
    return drain.err().contains("would violate the pod's disruption budget");
  }

  /// Waits, and has the Companion looked at again now and then: what a resync does.
  private static void poking(Situation situation, String what, BooleanSupplier isSo) {
    Instant[] next = {Instant.now().plus(POKE)};
    await(what)
        .atMost(LONG)
        .pollInterval(LOOK_AGAIN)
        .until(
            () -> {
              if (Instant.now().isAfter(next[0])) {
                next[0] = Instant.now().plus(POKE);
                lab.client()
                    .resources(Companion.class)
                    .inNamespace(situation.namespace())
                    .withName("agent")
                    .patch(
                        PatchContext.of(PatchType.JSON_MERGE),
                        "{\"metadata\": {\"annotations\": {\"touched\": \"%s\"}}}"
                            .formatted(next[0]));
              }
              return isSo.getAsBoolean();
            });
  }

  /// Drains a node, and prints when each place showed that the drain waits.
  private static void drainAndMeasure(Situation situation) {
    Map<String, BooleanSupplier> places = new LinkedHashMap<>();
    Kubectl drain = drain(situation);
    Instant begin = Instant.now();
    DRAINS.put(situation, drain);
    places.put("kubectl drain is refused", () -> isRefused(drain));
    places.put(
        "Companion, status.blockedNodes",
        () ->
            Optional.ofNullable(Facts.status(companion(situation)).blockedNodes())
                .orElse(List.of())
                .contains(situation.drained()));
    places.put("Node, condition DrainBlocked", () -> onNode(situation).isPresent());
    places.put("Kubernetes Event DrainBlocked", () -> eventOnNode(situation).isPresent());
    places.put(
        "status page",
        () ->
            StatusPageText.load(functions.address(), viewer).stream()
                .anyMatch(
                    it ->
                        it.node(situation.drained()).stream()
                            .anyMatch(cell -> cell.startsWith("drain waits"))));
    places.put(
        "kube-state-metrics, kube_node_status_condition",
        () -> metricsOf(situation).stream().anyMatch(it -> it.contains("DrainBlocked")));
    Map<String, Duration> shown = new LinkedHashMap<>();
    await("each place to show the drain")
        .atMost(LONG)
        .pollDelay(Duration.ZERO)
        .pollInterval(Duration.ofMillis(20))
        .until(
            () -> {
              places.forEach(
                  (place, isSo) -> {
                    if (!shown.containsKey(place) && isSo.getAsBoolean()) {
                      shown.put(place, Duration.between(begin, Instant.now()));
                    }
                  });
              return shown.size() == places.size();
            });
    shown.forEach((place, after) -> time(place + ", after the drain began", after));
    Instant asked = Instant.now();
    why(situation.drained());
    time("kubectl chaperone why takes, without the start of a process", since(asked));
    asked = Instant.now();
    lab.kubectl("describe", "node", situation.drained()).orFail();
    time("kubectl describe node takes", since(asked));
    asked = Instant.now();
    lab.kubectl("describe", "companion", "agent", "-n", situation.namespace()).orFail();
    time("kubectl describe companion takes", since(asked));
  }

  private static Duration since(Instant begin) {
    return Duration.between(begin, Instant.now());
  }

  private static void time(String what, Duration time) {
    System.out.printf("WhatBlocksIT: %5d ms: %s%n", time.toMillis(), what);
  }

  // Looking

  private static Companion companion(Situation situation) {
    return lab.client()
        .resources(Companion.class)
        .inNamespace(situation.namespace())
        .withName("agent")
        .require();
  }

  private static String allowed(Situation situation) {
    return Facts.allowed(Facts.status(companion(situation)))
        .map(it -> it.getStatus() + " " + it.getReason())
        .orElse("");
  }

  private static Optional<NodeCondition> onNode(Situation situation) {
    return DrainBlocked.of(lab.client().nodes().withName(situation.drained()).require());
  }

  private static Optional<Event> eventOnNode(Situation situation) {
    return events(situation.drained()).stream()
        .filter(it -> it.getReason().equals("DrainBlocked"))
        .findFirst();
  }

  private static List<Event> events(String object) {
    return lab.client()
        .v1()
        .events()
        .inAnyNamespace()
        .withField("involvedObject.name", object)
        .list()
        .getItems();
  }

  private static List<String> metricsOf(Situation situation) {
    return new MetricsPage(metrics.scrape()).of(situation);
  }

  private static StatusPageText statusPage() {
    return await("the status page")
        .atMost(LONG)
        .until(() -> StatusPageText.load(functions.address(), viewer), Optional::isPresent)
        .orElseThrow();
  }

  private static String why(String node) {
    return run("why", node);
  }

  private static String run(String... arguments) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();
    Plugin.run(
        new PrintWriter(out),
        new PrintWriter(err),
        Stream.concat(
                Arrays.stream(arguments), Stream.of("--kubeconfig", lab.kubeconfig().toString()))
            .toArray(String[]::new));
    assertThat(err.toString()).isEmpty();
    return out.toString();
  }

  private static void gather() throws IOException {
    Map<String, String> nodes =
        described(
            Stream.concat(
                Stream.of("describe", "--show-events=true", "nodes"),
                Arrays.stream(Situation.values()).map(Situation::drained)),
            "(?m)^Name: +(\\S+)");
    Map<String, String> companions =
        described(
            Stream.of("describe", "--show-events=true", "companions", "-A"),
            "(?m)^Namespace: +(\\S+)");
    MetricsPage page = new MetricsPage(metrics.scrape());
    Map<String, List<String>> alerts = page.alerts(lab, MONITORING);
    StatusPageText statusPage = statusPage();
    for (Situation situation : Situation.values()) {
      Companion companion = companion(situation);
      List<Event> events = new ArrayList<>(events(situation.drained()));
      events(companion.getMetadata().getName()).stream()
          .filter(it -> situation.namespace().equals(it.getMetadata().getNamespace()))
          .forEach(events::add);
      String why = why(situation.drained());
      SEEN.put(
          situation,
          new Seen(
              Facts.allowed(Facts.status(companion)).orElseThrow(),
              Optional.ofNullable(Facts.status(companion).reasons()).orElse(List.of()),
              evictions(situation.drained()),
              onNode(situation),
              events,
              nodes.getOrDefault(situation.drained(), ""),
              companions.getOrDefault(situation.namespace(), ""),
              why.substring(why.indexOf("\n\n") + 2),
              JSON.readTree(run("why", situation.drained(), "-o", "json")),
              statusPage.companion(situation.namespace(), "agent"),
              statusPage.node(situation.drained()),
              page.of(situation),
              alerts.getOrDefault(situation.namespace(), List.of())));
    }
    // Now that everything was seen.
    DRAINS.put(Situation.GUARD, drain(Situation.GUARD));
    running(Situation.GUARD).await(LONG);
  }

  /// What `kubectl describe` prints of several objects, by what the pattern finds in each.
  private static Map<String, String> described(Stream<String> arguments, String key) {
    String all = lab.kubectl(arguments.toArray(String[]::new)).orFail().out();
    return Pattern.compile("(?m)^(?=Name: )")
        .splitAsStream(all)
        .filter(it -> !it.isBlank())
        .collect(
            Collectors.toMap(
                it -> {
                  var matcher = Pattern.compile(key).matcher(it);
                  assertThat(matcher.find()).as(it).isTrue();
                  return matcher.group(1);
                },
                it -> it,
                String::concat));
  }

  /// The API server's answers to dry runs.
  private static Map<String, Integer> evictions(String node) {
    Map<String, Integer> answers = new LinkedHashMap<>();
    for (Pod pod : DrainedPods.of(Scenes.pods(lab, node))) {
      String name = pod.getMetadata().getName();
      String namespace = pod.getMetadata().getNamespace();
      answers.put(name, PodEviction.dryRun(lab.client(), namespace, name));
    }
    return answers;
  }
}
