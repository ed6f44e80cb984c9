package dev.chaperone.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.StatusBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.IOException;
import java.net.ConnectException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the API server's refusals become for whoever runs a command.
class ProblemTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "401 | | no | Cannot list Holds: the API server does not accept the credentials of this context. Log in again, or choose another with --context",
        "403 | | not you | Cannot list Holds: not you. Ask an administrator for this right",
        "404 | | 404 page not found | Cannot list Holds: the API server knows no such kind. Is Chaperone installed in this cluster?",
        "404 | web | namespaces web not found | Cannot list Holds: namespaces web not found",
        "422 | web | reason must say why | Cannot list Holds: reason must say why"
      })
  void it_says_what_cannot_be_done_why_and_what_to_do(
      int code, @Nullable String name, String words, String message) {
    Status status =
        new StatusBuilder()
            .withCode(code)
            .withMessage(words)
            .withNewDetails()
            .withName(name)
            .endDetails()
            .build();

    assertThat(Problem.of("list Holds", new KubernetesClientException(status))).hasMessage(message);
  }

  @Test
  void an_api_server_that_does_not_answer_is_named_with_the_cause_at_the_root() {
    assertThat(
            Problem.of(
                "list Holds",
                new KubernetesClientException(
                    "x", new IOException("y", new ConnectException("refused")))))
        .hasMessage(
            "Cannot list Holds: the API server does not answer (refused). Check the cluster, or choose"
                + " another with --context");
  }
}
