package dev.chaperone.lab.knative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.programs.ServerProcess;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import java.io.ByteArrayInputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Real sources, through a real Broker, to a subscriber.
@ExtendWith(LabExtension.class)
class EventingIT {
  private static final Duration PATIENCE = Duration.ofSeconds(90);

  /// With a field for seconds, which Knative allows: a test of minutes would wait for two of them.
  private static final String OFTEN = "*/5 * * * * *";

  private static final String MANIFESTS =
      """
      apiVersion: v1
      kind: Namespace
      metadata: {name: $}
      ---
      apiVersion: eventing.knative.dev/v1
      kind: Broker
      metadata:
        name: broker
        namespace: $
        annotations: {eventing.knative.dev/broker.class: MTChannelBasedBroker}
      spec:
        config: {apiVersion: v1, kind: ConfigMap, name: config-br-default-channel, namespace: knative-eventing}
      ---
      apiVersion: eventing.knative.dev/v1
      kind: Trigger
      metadata:
        name: maps
        namespace: $
        labels: {eventing.knative.dev/broker: broker}
      spec:
        broker: broker
        filters:
        - any:
          - exact: {type: dev.knative.apiserver.ref.add}
          - exact: {type: dev.knative.sources.ping}
          - exact: {type: by-hand}
        subscriber: {uri: "http://sink.$.svc.cluster.local/events"}
        delivery:
          retry: 5
          backoffPolicy: exponential
          backoffDelay: PT0.2S
          timeout: PT10S
          deadLetterSink: {uri: "http://sink.$.svc.cluster.local/dead"}
      ---
      apiVersion: v1
      kind: ServiceAccount
      metadata: {name: watcher, namespace: $}
      ---
      apiVersion: rbac.authorization.k8s.io/v1
      kind: RoleBinding
      metadata: {name: watcher, namespace: $}
      roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
      subjects: [{kind: ServiceAccount, name: watcher, namespace: $}]
      ---
      apiVersion: sources.knative.dev/v1
      kind: ApiServerSource
      metadata: {name: maps, namespace: $}
      spec:
        serviceAccountName: watcher
        mode: Reference
        resources: [{apiVersion: v1, kind: ConfigMap, selector: {matchLabels: {news: loud}}}]
        sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: broker}}
      ---
      apiVersion: sources.knative.dev/v1
      kind: PingSource
      metadata: {name: pulse, namespace: $}
      spec:
        schedule: "0 0 1 1 *"
        sink: {ref: {apiVersion: eventing.knative.dev/v1, kind: Broker, name: broker}}
      """;

  private final Lab lab;
  private final Eventing eventing;
  private final String namespace = "t" + UUID.randomUUID().toString().substring(0, 8);
  private final Subscriber subscriber = new Subscriber();

  EventingIT(Lab lab, Eventing eventing) {
    this.lab = lab;
    this.eventing = eventing;
  }

  @BeforeEach
  void apply() {
    apply(lab, eventing, subscriber);
  }

  private void apply(Lab lab, Eventing eventing, Subscriber subscriber) {
    eventing.router().route("sink." + namespace, subscriber.address());
    lab.client()
        .load(
            new ByteArrayInputStream(
                MANIFESTS.replace("$", namespace).getBytes(StandardCharsets.UTF_8)))
        .items()
        .forEach(item -> lab.client().resource(item).create());
    eventing.awaitReady();
  }

  @AfterEach
  void delete() {
    lab.client().namespaces().withName(namespace).delete();
    subscriber.close();
  }

  @Test
  void a_change_reaches_a_subscriber_if_the_filter_lets_it_through() {
    change("loud", "first");
    await().atMost(PATIENCE).until(() -> subscriber.has(named("first")));
    Subscriber.Event event = subscriber.first(named("first"));
    assertThat(event.path()).isEqualTo("/events");
    assertThat(event.attribute("type")).isEqualTo("dev.knative.apiserver.ref.add");
    assertThat(event.attribute("kind")).isEqualTo("ConfigMap");
    assertThat(event.attribute("namespace")).isEqualTo(namespace);

    lab.client().configMaps().inNamespace(namespace).withName("first").delete();
    change("quiet", "second");
    change("loud", "third");
    await().atMost(PATIENCE).until(() -> subscriber.has(named("third")));
    assertThat(subscriber.count(named("first"))).as("its deletion is filtered out").isOne();
    assertThat(subscriber.has(named("second"))).as("it does not have the label").isFalse();
  }

  @Test
  void what_is_ready_is_at_rest() {
    AtomicReference<List<String>> before = new AtomicReference<>(List.of());
    await()
        .atMost(PATIENCE)
        .pollInterval(Duration.ofSeconds(3))
        .until(
            () -> {
              List<String> now = eventTypes();
              return !now.isEmpty() && now.equals(before.getAndSet(now));
            });
  }

  /// Those that Knative's controllers made for the source.
  private List<String> eventTypes() {
    return lab
        .client()
        .genericKubernetesResources("eventing.knative.dev/v1beta2", "EventType")
        .inNamespace(namespace)
        .list()
        .getItems()
        .stream()
        .map(it -> it.getMetadata().getUid())
        .sorted()
        .toList();
  }

  @Test
  void what_a_subscriber_refuses_is_tried_again_and_then_a_dead_letter() {
    subscriber.answer(503);
    postByHand("poison");
    await()
        .atMost(PATIENCE)
        .until(() -> subscriber.has(event -> event.path().equals("/dead") && id(event, "poison")));
    assertThat(subscriber.count(event -> event.path().equals("/events") && id(event, "poison")))
        .as("once, and five retries")
        .isEqualTo(6);
  }

  @Test
  void a_ping_source_beats_by_a_schedule_that_is_changed_while_it_runs_and_after_a_crash() {
    assertThat(subscriber.has(type("dev.knative.sources.ping"))).isFalse();
    lab.kubectl(
            "patch",
            "pingsource",
            "pulse",
            "-n",
            namespace,
            "--type=merge",
            "-p",
            "{\"spec\":{\"schedule\":\"%s\"}}".formatted(OFTEN))
        .orFail();
    await().atMost(PATIENCE).until(() -> subscriber.has(type("dev.knative.sources.ping")));

    eventing.ping().kill();
    Instant killed = Instant.now();
    eventing.ping().start();
    // One that was sent before can still be on its way through the Broker.
    await()
        .atMost(PATIENCE)
        .until(() -> subscriber.has(type("dev.knative.sources.ping").and(sentAfter(killed))));
  }

  @Test
  void two_labs_with_knative_know_nothing_of_each_other() {
    try (Lab otherLab = Lab.start();
        Subscriber otherSubscriber = new Subscriber()) {
      apply(otherLab, Eventing.start(otherLab), otherSubscriber);
      change(otherLab, "loud", "there");
      change("loud", "here");
      await().atMost(PATIENCE).until(() -> otherSubscriber.has(named("there")));
      await().atMost(PATIENCE).until(() -> subscriber.has(named("here")));
      assertThat(otherSubscriber.has(named("here"))).isFalse();
      assertThat(subscriber.has(named("there"))).isFalse();
    }
  }

  enum Part {
    INGRESS,
    DISPATCHER,
    FILTER,
    ADAPTER,
    CONTROLLER,
    BROKER_CONTROLLER,
    CHANNEL_CONTROLLER
  }

  @ParameterizedTest
  @EnumSource
  void a_part_that_was_killed_works_again_when_it_is_started(Part part) {
    ServerProcess process =
        switch (part) {
          case INGRESS -> eventing.ingress();
          case DISPATCHER -> eventing.dispatcher();
          case FILTER -> eventing.filter();
          case ADAPTER -> eventing.adapter(namespace, "maps");
          case CONTROLLER -> eventing.controller();
          case BROKER_CONTROLLER -> eventing.brokerController();
          case CHANNEL_CONTROLLER -> eventing.channelController();
        };
    process.kill();
    assertThat(process.isRunning()).isFalse();
    process.start();

    change("loud", "after");
    await().atMost(PATIENCE).until(() -> subscriber.has(named("after")));
  }

  @Test
  void an_adapter_follows_its_source() {
    ServerProcess before = eventing.adapter(namespace, "maps");
    lab.kubectl(
            "patch",
            "apiserversource",
            "maps",
            "-n",
            namespace,
            "--type=merge",
            "-p",
            "{\"spec\":{\"resources\":[{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\"}]}}")
        .orFail();
    await().atMost(PATIENCE).until(() -> eventing.adapter(namespace, "maps") != before);
    eventing.awaitReady();
    assertThat(before.isRunning()).isFalse();
    lab.kubectl("create", "serviceaccount", "watched", "-n", namespace).orFail();
    await().atMost(PATIENCE).until(() -> subscriber.has(named("watched")));

    ServerProcess after = eventing.adapter(namespace, "maps");
    lab.kubectl("delete", "apiserversource", "maps", "-n", namespace).orFail();
    await().atMost(PATIENCE).until(() -> !after.isRunning());
  }

  private void change(String news, String name) {
    change(lab, news, name);
  }

  private void change(Lab lab, String news, String name) {
    lab.client()
        .resource(
            new ConfigMapBuilder()
                .withNewMetadata()
                .withNamespace(namespace)
                .withName(name)
                .addToLabels("news", news)
                .endMetadata()
                .build())
        .create();
  }

  private void postByHand(String id) {
    HttpRequest request =
        HttpRequest.newBuilder(eventing.broker(namespace, "broker"))
            .header("ce-specversion", "1.0")
            .header("ce-id", id)
            .header("ce-source", "/test")
            .header("ce-type", "by-hand")
            .POST(BodyPublishers.noBody())
            .build();
    try (HttpClient client = HttpClient.newHttpClient()) {
      assertThat(client.send(request, BodyHandlers.ofString()).statusCode()).isEqualTo(202);
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  private static Predicate<Subscriber.Event> named(String name) {
    return event -> name.equals(event.attribute("name"));
  }

  private static Predicate<Subscriber.Event> type(String type) {
    return event -> type.equals(event.attribute("type"));
  }

  private static Predicate<Subscriber.Event> sentAfter(Instant instant) {
    return event -> Instant.parse(event.attribute("time")).isAfter(instant);
  }

  private static boolean id(Subscriber.Event event, String id) {
    return id.equals(event.attribute("id"));
  }
}
