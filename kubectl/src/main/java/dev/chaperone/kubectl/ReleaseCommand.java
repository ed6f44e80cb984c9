package dev.chaperone.kubectl;

import dev.chaperone.api.Hold;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `kubectl chaperone release HOLD...`.
@Command(
    name = "release",
    description = {
      "Releases Holds: deletes them.",
      "",
      "Drains continue once no other reason blocks and settlePeriod has passed."
    },
    footer = {"", "Rights: delete holds."})
@SuppressWarnings("NullAway.Init") // picocli
final class ReleaseCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Connection connection;
  @Mixin private Scope scope;

  @Parameters(paramLabel = "HOLD", arity = "1..*", description = "The Holds to release.")
  private List<String> holds;

  @Override
  public Integer call() {
    try (KubernetesClient client = connection.open()) {
      String namespace = scope.namespace(client);
      holds.forEach(hold -> release(client, namespace, hold));
      return Plugin.DONE;
    }
  }

  private void release(KubernetesClient client, String namespace, String hold) {
    try {
      if (client.resources(Hold.class).inNamespace(namespace).withName(hold).delete().isEmpty()) {
        throw new Problem(
            "Hold %s/%s does not exist: kubectl chaperone holds -A lists those that do"
                .formatted(namespace, hold));
      }
      spec.commandLine().getOut().printf("hold.chaperone.dev/%s deleted%n", hold);
    } catch (KubernetesClientException e) {
      throw Problem.of("release Hold %s/%s".formatted(namespace, hold), e);
    }
  }
}
