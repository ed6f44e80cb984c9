package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import io.opentelemetry.proto.trace.v1.Span;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The functions as they are shipped: a program of its own with production's settings, that the
/// first event starts, and that ends when none comes.
@ExtendWith(LabExtension.class)
class ProductionIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Duration IDLE = Duration.ofSeconds(10);
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final String HOP = "4bf92f3577b34da6a3ce929d0e0e4736";
  private static final String ORIGIN = "0af7651916cd43dd8448eb211c80319c";
  private static final String PARENT = "00f067aa0ba902b7";

  private final Lab lab;
  private TraceCollector collector;
  private OnDemand program;
  private Installation chaperone;
  private Path log;

  ProductionIT(Lab lab) {
    this.lab = lab;
  }

  @BeforeEach
  void start() {
    collector = new TraceCollector();
    program =
        OnDemand.start(
            lab,
            FunctionsCommand.of(FunctionsCommand.built(HOME), List.of()),
            Map.of("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint().toString()),
            IDLE);
    chaperone = program.chaperone();
    log = program.log();
  }

  @AfterEach
  void end() {
    program.close();
    collector.close();
  }

  @Test
  void an_event_continues_the_trace_that_it_came_with() {
    try (Scene scene = new Scene(chaperone, "traced", 0).withCompanion("{}")) {
      scene.awaitCounted();
      send(
          chaperone
              .event("dev.knative.apiserver.ref.update")
              .header("ce-kind", "Companion")
              .header("ce-namespace", scene.name)
              .header("ce-name", "agent")
              .header("ce-traceparent", traceparent(ORIGIN)));

      Span event = span("event dev.knative.apiserver.ref.update");
      assertThat(hex(event.getTraceId().toByteArray())).isEqualTo(ORIGIN);
      assertThat(hex(event.getParentSpanId().toByteArray())).isEqualTo(PARENT);
      Span reconcile = span("reconcile");
      assertThat(reconcile.getParentSpanId()).isEqualTo(event.getSpanId());
      // On threads of their own.
      for (String call : List.of("get daemonsets", "create poddisruptionbudgets")) {
        assertThat(span(call).getParentSpanId()).isEqualTo(reconcile.getSpanId());
      }
      assertThat(collector.spans())
          .allSatisfy(it -> assertThat(it.getTraceId()).isEqualTo(event.getTraceId()));
    }
  }

  @Test
  void the_last_hop_is_the_parent_and_the_origin_a_link() {
    send(
        chaperone
            .event("dev.knative.sources.ping")
            .header("traceparent", traceparent(HOP))
            .header("ce-traceparent", traceparent(ORIGIN)));

    Span event = span("event dev.knative.sources.ping");
    assertThat(hex(event.getTraceId().toByteArray())).isEqualTo(HOP);
    assertThat(event.getLinksList())
        .extracting(it -> hex(it.getTraceId().toByteArray()))
        .containsExactly(ORIGIN);
  }

  @Test
  void a_structured_event_continues_its_trace_too() {
    send(
        HttpRequest.newBuilder(chaperone.functions())
            .header("content-type", "application/cloudevents+json")
            .POST(
                BodyPublishers.ofString(
                    """
                    {"specversion": "1.0", "id": "1", "source": "/by-hand",
                     "type": "dev.knative.sources.ping", "traceparent": "%s"}
                    """
                        .formatted(traceparent(ORIGIN)))));

    assertThat(hex(span("event dev.knative.sources.ping").getTraceId().toByteArray()))
        .isEqualTo(ORIGIN);
  }

  @Test
  void an_event_that_fails_is_a_span_that_says_why() {
    HttpResponse<String> answer = send(chaperone.event("com.example.unwanted"));
    assertThat(answer.statusCode()).isEqualTo(400);

    assertThat(span("event com.example.unwanted").getStatus().getMessage())
        .contains("no Companion has a signal of type com.example.unwanted");
  }

  @Test
  void every_line_of_the_log_is_json_and_names_the_trace() throws IOException {
    // Two, which are looked at on threads of their own.
    try (Scene scene = new Scene(chaperone, "logged", 0).withCompanion("{}");
        Scene other = new Scene(chaperone, "logged-too", 0).withCompanion("{}")) {
      scene.awaitCounted();
      other.awaitCounted();
      send(
          chaperone
              .event("dev.knative.sources.ping")
              .header("ce-traceparent", traceparent(ORIGIN)));
    }

    List<JsonNode> lines = Files.readAllLines(log).stream().map(ProductionIT::parse).toList();
    assertThat(lines).isNotEmpty();
    assertThat(lines)
        .allSatisfy(line -> assertThat(line.has("level") && line.has("message")).isTrue());
    assertThat(lines)
        .filteredOn(line -> line.path("message").asText().startsWith("logged/agent: disruption"))
        .isNotEmpty()
        .allSatisfy(
            line -> assertThat(line.path("mdc").path("traceId").asText()).isEqualTo(ORIGIN));
  }

  /// Sends it until it is answered for good: on a busy machine a start may take longer than a
  /// sender waits.
  private HttpResponse<String> send(HttpRequest.Builder event) {
    return await()
        .atMost(Scene.LONG)
        .ignoreExceptions()
        .until(() -> chaperone.post(event), it -> it.statusCode() < 500);
  }

  private static JsonNode parse(String line) {
    try {
      return JSON.readTree(line);
    } catch (IOException e) {
      throw new AssertionError("not JSON: " + line, e);
    }
  }

  /// Waits for a span of this name: at the latest, it is sent when the functions end.
  private Span span(String name) {
    return await(name)
        .atMost(Scene.LONG)
        .until(
            () ->
                collector.spans().stream()
                    .filter(it -> it.getName().equals(name))
                    .collect(Collectors.toList()),
            it -> !it.isEmpty())
        .getFirst();
  }

  private static String traceparent(String trace) {
    return "00-%s-%s-01".formatted(trace, PARENT);
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }
}
