package dev.chaperone.lab.knative;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FunctionsOnDemandIT {
  private static final String JAVA =
      Path.of(System.getProperty("java.home"), "bin", "java").toString();

  @TempDir private Path folder;

  @Test
  void runs_only_while_there_are_requests() throws Exception {
    try (FunctionsOnDemand functions =
        start(JAVA, "-cp", System.getProperty("java.class.path"), Echo.class.getName())) {
      assertThat(functions.isRunning()).isFalse();

      for (int round = 1; round <= 2; round++) {
        HttpResponse<String> answer = post(functions, "round " + round);

        assertThat(answer.statusCode()).isEqualTo(202);
        assertThat(answer.headers().firstValue("ce-id")).contains("42");
        assertThat(answer.body()).isEqualTo("round " + round);
        assertThat(functions.starts()).isEqualTo(round);
        await().until(() -> !functions.isRunning());
      }
      assertThat(functions.requests()).isEqualTo(2);
      assertThat(functions.runningTime()).isPositive();
    }
  }

  @Test
  void a_program_that_was_killed_is_started_again_and_both_runs_are_told() throws Exception {
    try (FunctionsOnDemand functions =
        start(JAVA, "-cp", System.getProperty("java.class.path"), Echo.class.getName())) {
      assertThat(post(functions, "before").body()).isEqualTo("before");

      functions.kill();
      assertThat(functions.isRunning()).isFalse();
      assertThat(functions.runs()).hasSize(1);
      assertThat(functions.runs().getFirst().ended()).isNotNull();

      assertThat(post(functions, "after").body()).isEqualTo("after");
      assertThat(functions.runs()).hasSize(2);
      assertThat(functions.runs().getLast().ended()).isNull();
    }
  }

  @Test
  void a_program_that_does_not_start_is_answered_for_and_its_log_named() throws Exception {
    try (FunctionsOnDemand functions = start(JAVA, "no.such.Program")) {
      HttpResponse<String> answer = post(functions, "");

      assertThat(answer.statusCode()).isEqualTo(503);
      assertThat(answer.body()).contains("functions.log");
      assertThat(folder.resolve("functions.log")).content().contains("no.such.Program");
    }
  }

  private FunctionsOnDemand start(String... command) {
    return FunctionsOnDemand.start(
        List.of(command), Map.of(), Duration.ofMillis(500), folder.resolve("functions.log"));
  }

  private static HttpResponse<String> post(FunctionsOnDemand functions, String body)
      throws IOException, InterruptedException {
    try (HttpClient client = HttpClient.newHttpClient()) {
      return client.send(
          HttpRequest.newBuilder(functions.address())
              .header("ce-id", "42")
              .POST(BodyPublishers.ofString(body))
              .build(),
          BodyHandlers.ofString());
    }
  }
}
