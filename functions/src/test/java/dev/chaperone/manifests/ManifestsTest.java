package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.chaperone.decide.Made;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// That Triggers, sources, Services and functions agree.
class ManifestsTest {
  private static final String ALL = "dev.chaperone.manifests.Wiring#all";

  static final List<String> REPLIES =
      List.of(
          "dev.chaperone.disruption.held",
          "dev.chaperone.disruption.allowed",
          "dev.chaperone.disruption.notenforced",
          "dev.chaperone.maintenance.planned",
          "dev.chaperone.maintenance.started",
          "dev.chaperone.maintenance.ended");

  private static final String BUDGET = "PodDisruptionBudget";
  private static final String OF_SOMEBODY_ELSE = "shop";

  private static final String DEAD_LETTER = "dev.chaperone.dead-letter";

  /// Functions that no Trigger calls, and who does.
  private static final Map<String, String> CALLED_OTHERWISE =
      Map.of(
          DEAD_LETTER,
          "nobody: the Service dead-letters exports it, which takes every type",
          "boson.fn",
          "kn func invoke",
          "*",
          "Triggers of teams, for their own types: triggers/examples/signal",
          "dev.knative.apiserver.resource.add",
          "sources of teams, in mode Resource",
          "dev.knative.apiserver.resource.update",
          "sources of teams, in mode Resource",
          "dev.knative.apiserver.resource.delete",
          "sources of teams, in mode Resource");

  /// For an installation that is not Chaperone's.
  private static final Set<String> FOR_KUBE_STATE_METRICS =
      Set.of("kube-state-metrics.yaml", "kube-state-metrics-rights.yaml");

  /// No API server waits longer, and no channel (fanout_event_handler.go, defaultTimeout).
  private static final Duration CHANNEL_GIVES_UP = Duration.ofMinutes(15);

  @ParameterizedTest
  @MethodSource(ALL)
  void every_event_of_every_source_passes_exactly_one_trigger(Wiring wiring) {
    for (Map<String, String> event : events(wiring.manifests())) {
      assertThat(wiring.triggers().stream().filter(it -> it.lets(event)))
          .as("Triggers that let %s through", event)
          .hasSize(isUpdateToIgnore(event, wiring) ? 0 : 1);
    }
  }

  /// Those that come all the time and say nothing.
  private static boolean isUpdateToIgnore(Map<String, String> event, Wiring wiring) {
    if (!event.get("type").endsWith(".update")) {
      return false;
    }
    return switch (event.get("kind")) {
      case "Node" -> !wiring.equals(Wiring.NODE_UPDATES);
      case BUDGET -> event.get("name").equals(OF_SOMEBODY_ELSE);
      default -> false;
    };
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void every_trigger_lets_something_through_and_only_what_a_function_is_there_for(Wiring wiring) {
    List<Map<String, String>> events = new ArrayList<>(events(wiring.manifests()));
    events.addAll(postedByTeams());
    for (TriggerFilter trigger : wiring.triggers()) {
      List<String> types =
          events.stream().filter(trigger::lets).map(it -> it.get("type")).distinct().toList();
      assertThat(types).as("types that %s lets through", trigger).isNotEmpty();
      if (!types.contains("com.example.rebuild")) {
        assertThat(Functions.byType().keySet()).containsAll(types);
      }
    }
  }

  @Test
  void every_function_is_called_by_a_trigger_or_known_to_be_called_otherwise() {
    Set<String> types = new TreeSet<>(Functions.byType().keySet());
    types.removeIf(
        type -> Wiring.DEFAULT.triggers().stream().anyMatch(trigger -> trigger.letsSome(type)));

    assertThat(types).isEqualTo(new TreeSet<>(CALLED_OTHERWISE.keySet()));
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void no_trigger_lets_a_reply_back_in_nor_calls_what_is_for_dead_letters(Wiring wiring) {
    for (TriggerFilter trigger : wiring.triggers()) {
      for (String type : REPLIES) {
        assertThat(trigger.letsSome(type)).as("%s lets %s through", trigger, type).isFalse();
      }
      assertThat(trigger.letsSome(DEAD_LETTER)).as("%s", trigger).isFalse();
      assertThat(trigger.letsSome("com.example.whatever")).as("%s", trigger).isFalse();
    }
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void every_trigger_says_itself_all_that_a_webhook_or_its_broker_would_fill_in(Wiring wiring) {
    for (TriggerFilter filter : wiring.triggers()) {
      JsonNode trigger = filter.trigger();
      JsonNode spec = trigger.path("spec");
      JsonNode delivery = spec.path("delivery");
      String broker = spec.path("broker").asText();

      assertThat(trigger.at("/metadata/labels").path("eventing.knative.dev/broker").asText())
          .isEqualTo(broker);
      assertThat(names(delivery))
          .as("delivery of %s", filter)
          .containsExactlyInAnyOrder(
              "retry", "backoffPolicy", "backoffDelay", "timeout", "deadLetterSink");
      assertThat(spec.at("/subscriber/ref/name").asText()).isEqualTo("functions");
      assertThat(delivery.at("/deadLetterSink/ref/name").asText()).isEqualTo("dead-letters");
    }
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void an_api_server_may_be_away_for_minutes_and_no_event_outlives_its_channel(Wiring wiring) {
    Duration answer = answer();
    for (TriggerFilter filter : wiring.triggers()) {
      JsonNode delivery = filter.trigger().at("/spec/delivery");
      int retry = delivery.path("retry").asInt();
      Duration delay = Duration.parse(delivery.path("backoffDelay").asText());
      assertThat(delivery.path("backoffPolicy").asText()).isEqualTo("exponential");
      Duration waits =
          IntStream.range(0, retry)
              .mapToObj(it -> delay.multipliedBy(1L << it))
              .reduce(Duration.ZERO, Duration::plus);

      assertThat(waits).isGreaterThan(Duration.ofMinutes(3));
      assertThat(Duration.parse(delivery.path("timeout").asText()))
          .isGreaterThan(answer.plusSeconds(5));
      assertThat(waits.plus(answer.multipliedBy(retry + 1)).multipliedBy(2))
          .as("the event and then its dead letter")
          .isLessThan(CHANNEL_GIVES_UP);
    }
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void every_reference_leads_to_an_object_that_is_made_here(Wiring wiring) {
    for (JsonNode object : wiring.manifests().objects()) {
      for (JsonNode reference : references(object)) {
        assertThat(wiring.manifests().has(reference, object))
            .as("%s refers to %s", Manifests.describe(object), reference)
            .isTrue();
      }
    }
  }

  /// What no kustomization names is installed by nobody, and read by no other test.
  @ParameterizedTest
  @ValueSource(strings = {"knative", "triggers"})
  void every_manifest_is_named_in_the_kustomization_of_its_folder(String root) throws IOException {
    List<Path> left = new ArrayList<>();
    try (Stream<Path> files = Files.walk(Manifests.HOME.resolve(root))) {
      for (Path file : files.filter(it -> it.toString().endsWith(".yaml")).toList()) {
        String name = file.getFileName().toString();
        Path kustomization = file.resolveSibling("kustomization.yaml");
        if (!file.equals(kustomization)
            && Files.exists(kustomization)
            && !FOR_KUBE_STATE_METRICS.contains(name)
            && !Files.readString(kustomization)
                .matches("(?s).*[ /\\[]" + Pattern.quote(name) + ".*")) {
          left.add(file);
        }
      }
    }
    assertThat(left).isEmpty();
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void every_object_says_its_namespace(Wiring wiring) {
    Set<String> withoutNamespace =
        Set.of(
            "Namespace",
            "CustomResourceDefinition",
            "ClusterRole",
            "ClusterRoleBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding");
    for (JsonNode object : wiring.manifests().objects()) {
      boolean none = withoutNamespace.contains(object.path("kind").asText());
      boolean ofTeam = Set.of("Role", "RoleBinding").contains(object.path("kind").asText());
      assertThat(Manifests.namespace(object))
          .as(Manifests.describe(object))
          .isIn(
              none
                  ? Set.of("")
                  : ofTeam
                      ? Set.of("chaperone", "rook-ceph", "storage")
                      : Set.of(wiring.namespace()));
    }
  }

  @Test
  void the_identity_of_a_trigger_is_the_one_that_knative_makes() {
    JsonNode binding = Wiring.HOLDS_WITH_OIDC.manifests().only("RoleBinding", "hold-by-event");

    // auth.GetOIDCServiceAccountNameForResource
    assertThat(binding.at("/subjects/0/name").asText())
        .isEqualTo(("storage" + "-oidc-eventing.knative.dev-Trigger").toLowerCase(Locale.ROOT));
    JsonNode trigger = Wiring.HOLDS_WITH_OIDC.manifests().only("Trigger", "storage");
    assertThat(trigger.at("/spec/subscriber/audience").asText())
        .isEqualTo(properties().getProperty("chaperone.audience"));
  }

  private static final String TRIGGERS_ACCOUNT =
      "system:serviceaccount:chaperone:(.*)-oidc-eventing\\.knative\\.dev-trigger";

  @Test
  void with_oidc_the_broker_knows_every_source_and_every_trigger_and_nobody_twice() {
    for (Wiring wiring : List.of(Wiring.OIDC, Wiring.HOLDS_WITH_OIDC)) {
      List<String> senders =
          wiring.manifests().ofKind("EventPolicy").stream()
              .flatMap(it -> elements(it.at("/spec/from")))
              .map(it -> it.has("sub") ? it.path("sub").asText() : named(it.path("ref")))
              // A Trigger by the ServiceAccount that Knative makes for it; by ref, it and its
              // Broker would wait for each other.
              .map(it -> it.replaceFirst(TRIGGERS_ACCOUNT, "Trigger $1"))
              .toList();

      assertThat(senders).doesNotHaveDuplicates();
      assertThat(senders)
          .containsAll(
              wiring.manifests().ofKind("Trigger", "ApiServerSource", "PingSource").stream()
                  .map(it -> it.path("kind").asText() + " " + Manifests.name(it))
                  .toList());
    }
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void nothing_needs_a_feature_of_knative_that_is_off(Wiring wiring) {
    for (JsonNode object : wiring.manifests().objects()) {
      String kind = object.path("kind").asText();
      assertThat(kind.equals("EventPolicy") && !wiring.oidc()).isFalse();
      assertThat(
              object.path("apiVersion").asText().matches(".*knative.dev/v1alpha.*")
                  && !wiring.oidc())
          .as(Manifests.describe(object))
          .isFalse();
      if (kind.equals("ApiServerSource")) {
        assertThat(object.path("spec").has("filters")).isFalse();
        assertThat(object.at("/spec/mode").asText()).isEqualTo("Reference");
      }
      if (kind.equals("Trigger")) {
        assertThat(object.path("spec").has("brokerRef")).isFalse();
      }
    }
  }

  static Stream<JsonNode> services() {
    return Wiring.DEFAULT.manifests().ofKind("Service").stream();
  }

  @ParameterizedTest
  @MethodSource("services")
  void a_service_is_private_sleeps_and_outlasts_the_functions_own_deadline(JsonNode service) {
    JsonNode annotations = service.at("/spec/template/metadata/annotations");
    JsonNode spec = service.at("/spec/template/spec");

    assertThat(service.at("/metadata/labels").path("networking.knative.dev/visibility").asText())
        .isEqualTo("cluster-local");
    assertThat(annotations.path("autoscaling.knative.dev/min-scale").asText()).isEqualTo("0");
    assertThat(annotations.path("autoscaling.knative.dev/max-scale").asText()).isEqualTo("1");
    assertThat(Duration.ofSeconds(spec.path("timeoutSeconds").asInt())).isGreaterThan(answer());
    // The default of 10 s is what a start takes longer when the first look comes too early.
    assertThat(spec.at("/containers/0/readinessProbe/periodSeconds").asInt()).isEqualTo(1);
    assertThat(service.at("/spec/traffic/0/latestRevision").asBoolean()).isTrue();
    assertThat(spec.at("/containers/0/image").asText()).doesNotContain("chaperone-functions");
  }

  @Test
  void what_is_handed_over_reaches_more_processes_by_the_broker_that_there_is() {
    Manifests manifests = Wiring.SPREAD.manifests();
    JsonNode functions = manifests.only("Service", "functions");
    JsonNode broker = manifests.only("Broker", "chaperone");

    assertThat(functions.at("/spec/template/spec/containers/0/env"))
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.path("name").asText()).isEqualTo("CHAPERONE_SINK");
              assertThat(it.path("value").asText())
                  .isEqualTo(
                      "http://broker-ingress.knative-eventing.svc.cluster.local/%s/%s"
                          .formatted(Manifests.namespace(broker), Manifests.name(broker)));
            });
    assertThat(
            functions
                .at("/spec/template/metadata/annotations")
                .path("autoscaling.knative.dev/max-scale")
                .asInt())
        .isGreaterThan(1);
    assertThat(elements(manifests.only("NetworkPolicy", "functions").at("/spec/egress")))
        .anyMatch(it -> it.path("to").toString().contains("\"knative-eventing\""));
  }

  @Test
  void the_service_for_dead_letters_exports_the_function_for_them_and_the_other_exports_none() {
    Manifests manifests = Wiring.DEFAULT.manifests();
    String path = "/spec/template/spec/containers/0/env";

    assertThat(manifests.only("Service", "dead-letters").at(path))
        .singleElement()
        .satisfies(
            env -> {
              assertThat(env.path("name").asText()).isEqualTo("QUARKUS_FUNQY_EXPORT");
              assertThat(env.path("value").asText()).isEqualTo(Functions.byType().get(DEAD_LETTER));
            });
    assertThat(manifests.only("Service", "functions").at(path).isMissingNode()).isTrue();
  }

  @ParameterizedTest
  @MethodSource(ALL)
  void every_admission_policy_is_bound_where_the_whole_cluster_is_served(Wiring wiring) {
    List<String> policies =
        wiring.manifests().ofKind("ValidatingAdmissionPolicy").stream()
            .map(Manifests::name)
            .toList();

    assertThat(policies.isEmpty()).isEqualTo(wiring.equals(Wiring.ONE_NAMESPACE));
    assertThat(
            wiring.manifests().ofKind("ValidatingAdmissionPolicyBinding").stream()
                .map(it -> it.at("/spec/policyName").asText()))
        .containsExactlyInAnyOrderElementsOf(policies);
  }

  @Test
  void the_admission_policy_for_deployments_names_the_image_that_guards_run() {
    JsonNode policy =
        Wiring.DEFAULT
            .manifests()
            .only("ValidatingAdmissionPolicy", "chaperone-functions-deployments");

    assertThat(elements(policy.at("/spec/variables")))
        .filteredOn(it -> it.path("name").asText().equals("image"))
        .singleElement()
        .satisfies(
            it ->
                assertThat(it.path("expression").asText())
                    .isEqualTo("'" + properties().getProperty("chaperone.guard-image") + "'"));
  }

  @Test
  void kn_func_finds_the_service() {
    JsonNode function = Manifests.file("func.yaml");
    JsonNode service = Wiring.DEFAULT.manifests().only("Service", function.path("name").asText());

    assertThat(function.path("invoke").asText()).isEqualTo("cloudevent");
    assertThat(function.path("namespace").asText()).isEqualTo(Manifests.namespace(service));
    assertThat(function.at("/deploy/namespace").asText()).isEqualTo(Manifests.namespace(service));
    assertThat(function.at("/deploy/serviceAccountName"))
        .isEqualTo(service.at("/spec/template/spec/serviceAccountName"));
    assertThat(function.at("/deploy/healthEndpoints/readiness"))
        .isEqualTo(service.at("/spec/template/spec/containers/0/readinessProbe/httpGet/path"));
    assertThat(service.at("/metadata/labels").path("function.knative.dev").asText())
        .isEqualTo("true");
  }

  /// One of each kind that the sources send; of budgets, one for each name that Chaperone gives.
  private static List<Map<String, String>> events(Manifests manifests) {
    List<Map<String, String>> events = new ArrayList<>();
    for (JsonNode source : manifests.ofKind("ApiServerSource")) {
      for (JsonNode resource : elements(source.at("/spec/resources")).toList()) {
        String kind = resource.path("kind").asText();
        for (String verb : List.of("add", "update", "delete")) {
          names(kind)
              .map(
                  name ->
                      Map.of(
                          "type",
                          "dev.knative.apiserver.ref." + verb,
                          "source",
                          "https://10.96.0.1:443",
                          "apiversion",
                          resource.path("apiVersion").asText(),
                          "kind",
                          kind,
                          "namespace",
                          "somewhere",
                          "name",
                          name))
              .forEach(events::add);
        }
      }
    }
    for (JsonNode source : manifests.ofKind("PingSource")) {
      events.add(
          Map.of(
              "type",
              "dev.knative.sources.ping",
              "source",
              "/apis/v1/namespaces/%s/pingsources/%s"
                  .formatted(Manifests.namespace(source), Manifests.name(source))));
    }
    return events;
  }

  private static Stream<String> names(String kind) {
    return kind.equals(BUDGET)
        ? Stream.concat(
            Stream.of(OF_SOMEBODY_ELSE), Made.BUDGET_SUFFIXES.stream().map(it -> "agent" + it))
        : Stream.of("something");
  }

  private static List<Map<String, String>> postedByTeams() {
    return Stream.of("dev.chaperone.hold", "dev.chaperone.release", "com.example.rebuild")
        .map(type -> Map.of("type", type, "source", "/storage"))
        .toList();
  }

  /// Everything in an object that refers to another of these manifests.
  private static List<JsonNode> references(JsonNode object) {
    List<JsonNode> references = new ArrayList<>(object.findValues("ref"));
    JsonNode spec = object.path("spec");
    switch (object.path("kind").asText()) {
      case "Trigger" ->
          references.add(
              reference("eventing.knative.dev/v1", "Broker", spec.path("broker").asText()));
      case "ApiServerSource" ->
          references.add(serviceAccount(spec.path("serviceAccountName").asText()));
      case "Service" ->
          references.add(serviceAccount(spec.at("/template/spec/serviceAccountName").asText()));
      case "RoleBinding", "ClusterRoleBinding" -> {
        references.add(object.path("roleRef"));
        elements(object.path("subjects"))
            // Those Knative makes.
            .filter(it -> !it.path("name").asText().contains("-oidc-"))
            .forEach(references::add);
      }
      case "ValidatingAdmissionPolicyBinding" ->
          references.add(
              reference(
                  "admissionregistration.k8s.io/v1",
                  "ValidatingAdmissionPolicy",
                  spec.path("policyName").asText()));
      default -> {}
    }
    return references;
  }

  private static JsonNode serviceAccount(String name) {
    return reference("v1", "ServiceAccount", name);
  }

  private static JsonNode reference(String apiVersion, String kind, String name) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("apiVersion", apiVersion)
        .put("kind", kind)
        .put("name", name);
  }

  private static String named(JsonNode reference) {
    return reference.path("kind").asText() + " " + reference.path("name").asText();
  }

  private static Stream<JsonNode> elements(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false);
  }

  private static List<String> names(JsonNode object) {
    return object.properties().stream().map(Map.Entry::getKey).toList();
  }

  /// By when the functions have answered: what may come late has half as long more, and the last
  /// call to the API server 4 s.
  private static Duration answer() {
    return eventDeadline().multipliedBy(3).dividedBy(2).plusSeconds(5);
  }

  private static Duration eventDeadline() {
    String seconds = properties().getProperty("chaperone.event-deadline");
    return Duration.parse("PT" + seconds.toUpperCase(Locale.ROOT));
  }

  private static Properties properties() {
    Path file =
        Path.of(System.getProperty("chaperone.home"))
            .resolve("functions/src/main/resources/application.properties");
    try (Reader reader = Files.newBufferedReader(file)) {
      Properties properties = new Properties();
      properties.load(reader);
      return properties;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }
}
