package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpServer;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.decide.Observation;
import dev.chaperone.decide.Scope;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What an aggregated API server may do to who observes an object of it.
class ObservedReaderTest {
  private static final byte[] OBJECT =
      "{\"a\": 1}".getBytes(java.nio.charset.StandardCharsets.UTF_8);

  private HttpServer server;
  private KubernetesClient client;

  @BeforeEach
  void start() throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    server.createContext(
        "/api/v1/namespaces/ns/things/whole",
        exchange -> {
          exchange.sendResponseHeaders(200, OBJECT.length);
          exchange.getResponseBody().write(OBJECT);
          exchange.close();
        });
    server.createContext(
        "/api/v1/namespaces/ns/things/bit-by-bit",
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          OutputStream body = exchange.getResponseBody();
          while (true) {
            body.write(' ');
            body.flush();
            sleep();
          }
        });
    server.createContext(
        "/api/v1/namespaces/ns/things/endless",
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          while (true) {
            exchange.getResponseBody().write(new byte[8192]);
          }
        });
    server.start();
    client =
        new KubernetesClientBuilder()
            .withConfig(
                new ConfigBuilder(io.fabric8.kubernetes.client.Config.empty())
                    .withMasterUrl("http://127.0.0.1:" + server.getAddress().getPort())
                    .withRequestTimeout(1000)
                    .withRequestRetryBackoffLimit(0)
                    .build())
            .build();
  }

  @AfterEach
  void stop() {
    client.close();
    server.stop(0);
  }

  @Test
  void an_object_that_is_sent_whole_is_seen() {
    assertThat(read("whole")).isInstanceOf(Observation.Seen.class);
  }

  @Test
  @Timeout(60)
  void an_answer_that_never_ends_is_not_waited_for() {
    assertThat(read("bit-by-bit")).isInstanceOf(Observation.Unreadable.class);
    assertThat(read("whole")).isInstanceOf(Observation.Seen.class);
  }

  @Test
  @Timeout(60)
  void an_answer_without_end_is_read_no_further_than_is_allowed() {
    assertThat(read("endless"))
        .isInstanceOfSatisfying(
            Observation.Unreadable.class,
            it -> assertThat(it.message()).contains("larger than 256 KiB"));
    assertThat(read("whole")).isInstanceOf(Observation.Seen.class);
  }

  private Observation read(String name) {
    return new ObservedReader(client, Scope.CLUSTER)
        .read(new Observed("it", "v1", "things", CompanionSpec.Scope.Namespaced, null, name), "ns");
  }

  private static void sleep() {
    try {
      Thread.sleep(50);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
