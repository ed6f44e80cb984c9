package dev.chaperone.functions;

import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.http.TestHTTPResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What recorded events are answered with where no API server can be reached: what is wrong with an
/// event is said without asking one, and everything else is to be sent again.
@QuarkusTest
@TestProfile(AnswersTest.WithoutCluster.class)
class AnswersTest {
  private static final Path EVENTS = Path.of("src/test/resources/events/answers.http");
  private static final int UNAVAILABLE = 503;

  /// What Knative sends again, besides 5xx (kncloudevents/retries.go).
  private static final Set<Integer> SENT_AGAIN = Set.of(404, 408, 409, 429);

  @TestHTTPResource URI functions;

  private final HttpClient client = HttpClient.newHttpClient();

  /// Nobody listens on the port of the API server.
  public static final class WithoutCluster implements QuarkusTestProfile {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of(
          "quarkus.kubernetes-client.api-server-url", "http://127.0.0.1:1",
          "quarkus.http.test-port", "0",
          "chaperone.trusted-sources", "/trusted");
    }
  }

  /// An event as it is sent, and the answer.
  ///
  /// @param headers a line each
  record Recorded(String title, String headers, String body, int status, String answer) {
    static Recorded of(String text) {
      String title = text.lines().findFirst().orElseThrow();
      String rest = text.substring(title.length() + 1);
      int end = rest.lastIndexOf("=> ");
      String[] request = rest.substring(0, end).split("\n\n", 2);
      String[] answer = rest.substring(end + 3).strip().split(" ", 2);
      return new Recorded(
          title,
          request[0],
          request.length == 1 ? "" : request[1].strip(),
          Integer.parseInt(answer[0]),
          answer[1]);
    }

    HttpRequest to(URI functions) {
      HttpRequest.Builder request =
          HttpRequest.newBuilder(functions).POST(BodyPublishers.ofString(body));
      headers.lines().map(it -> it.split(": ?", 2)).forEach(it -> request.header(it[0], it[1]));
      return request.build();
    }

    @Override
    public String toString() {
      return title;
    }
  }

  static Stream<Recorded> recorded() throws IOException {
    return Stream.of(Files.readString(EVENTS).split("(?m)^### "))
        .filter(it -> !it.isBlank())
        .map(Recorded::of);
  }

  @ParameterizedTest
  @MethodSource("recorded")
  void an_event_is_answered_as_recorded(Recorded event) throws Exception {
    HttpResponse<String> answer = client.send(event.to(functions), BodyHandlers.ofString());

    assertThat(answer.statusCode() + " " + answer.body().strip())
        .isEqualTo(event.status() + " " + event.answer());
    assertThat(answer.headers().firstValue("retry-after").isPresent())
        .isEqualTo(event.status() == UNAVAILABLE);
    assertThat(event.status()).isNotIn(SENT_AGAIN);
  }

  @Test
  void an_event_of_more_than_256_kib_is_refused() throws Exception {
    assertThat(structured("{\"data\": \"" + "x".repeat(11_000_000)))
        .startsWith("413 not a CloudEvent of at most 256 KiB");
  }

  @Test
  void an_event_of_json_that_is_thousands_of_levels_deep_is_refused() throws Exception {
    assertThat(structured("[".repeat(5000))).startsWith("400 not a CloudEvent: Document nesting");
  }

  private String structured(String body) throws Exception {
    HttpResponse<String> answer =
        client.send(
            HttpRequest.newBuilder(functions)
                .header("content-type", "application/cloudevents+json")
                .POST(BodyPublishers.ofString(body))
                .build(),
            BodyHandlers.ofString());
    return answer.statusCode() + " " + answer.body();
  }
}
