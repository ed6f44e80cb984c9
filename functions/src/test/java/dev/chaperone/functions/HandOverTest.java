package dev.chaperone.functions;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpServer;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.CompanionRef;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HandOverTest {
  private static final CompanionRef COMPANION = new CompanionRef("storage", "agent");
  private static final Deadline LATER = Deadline.in(Duration.ofMinutes(1));

  @ParameterizedTest
  @CsvSource({"200, true", "202, true", "400, false", "401, false", "503, false"})
  void a_look_is_handed_over_only_if_the_sink_says_that_it_took_the_event(int status, boolean taken)
      throws IOException {
    List<Headers> events = new CopyOnWriteArrayList<>();
    HttpServer sink =
        HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    sink.createContext(
        "/",
        exchange -> {
          events.add(exchange.getRequestHeaders());
          exchange.sendResponseHeaders(status, -1);
          exchange.close();
        });
    sink.start();
    try {
      assertThat(to(sink.getAddress().getPort()).look(COMPANION, LATER)).isEqualTo(taken);
    } finally {
      sink.stop(0);
    }

    // As an ApiServerSource tells of an update, for the Trigger and the function that there are.
    assertThat(events)
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.getFirst("ce-specversion")).isEqualTo("1.0");
              assertThat(it.getFirst("ce-id")).isNotBlank();
              assertThat(it.getFirst("ce-type")).isEqualTo("dev.knative.apiserver.ref.update");
              assertThat(it.getFirst("ce-apiversion")).isEqualTo("chaperone.dev/v1alpha1");
              assertThat(it.getFirst("ce-kind")).isEqualTo("Companion");
              assertThat(it.getFirst("ce-namespace")).isEqualTo("storage");
              assertThat(it.getFirst("ce-name")).isEqualTo("agent");
              assertThat(it.getFirst("ce-partitionkey")).isEqualTo("storage/agent");
            });
  }

  @Test
  void a_look_stays_here_if_nothing_listens() throws IOException {
    int free;
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      free = socket.getLocalPort();
    }

    assertThat(to(free).look(COMPANION, LATER)).isFalse();
  }

  /// The event may have been taken.
  @Test
  void a_sink_that_does_not_answer_is_unavailable() throws IOException {
    try (ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      HandOver handOver = to(silent.getLocalPort());

      assertThatThrownBy(() -> handOver.look(COMPANION, Deadline.in(Duration.ofMillis(300))))
          .isInstanceOf(Unavailable.class)
          .hasMessageContaining("storage/agent");
    }
  }

  @Test
  void without_a_sink_nothing_is_handed_over() {
    assertThat(new HandOver(Optional.empty()).isPossible()).isFalse();
    assertThat(to(1).isPossible()).isTrue();
  }

  @ParameterizedTest
  @ValueSource(strings = {"broker-ingress/chaperone", "broker:80/chaperone", "ftp://broker/x"})
  void an_address_that_nothing_can_be_posted_to_is_named_at_once(String address) {
    assertThatThrownBy(() -> new HandOver(Optional.of(URI.create(address))))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("CHAPERONE_SINK")
        .hasMessageContaining(address);
  }

  private static HandOver to(int port) {
    return new HandOver(
        Optional.of(URI.create("http://127.0.0.1:" + port + "/chaperone/chaperone")));
  }
}
