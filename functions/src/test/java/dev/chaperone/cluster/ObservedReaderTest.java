package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.decide.Observation;
import dev.chaperone.decide.Scope;
import java.io.OutputStream;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What an aggregated API server may do to who observes an object of it.
class ObservedReaderTest {
  private final FailingApi api = new FailingApi(Duration.ofSeconds(1));

  @BeforeEach
  void start() {
    api.on(
        "/api/v1/namespaces/ns/things/whole",
        exchange -> FailingApi.answer(exchange, 200, "{\"a\": 1}"));
    api.on(
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
    api.on(
        "/api/v1/namespaces/ns/things/endless",
        exchange -> {
          exchange.sendResponseHeaders(200, 0);
          while (true) {
            exchange.getResponseBody().write(new byte[8192]);
          }
        });
  }

  @AfterEach
  void stop() {
    api.close();
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
    return new ObservedReader(api.client(), Scope.CLUSTER)
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
