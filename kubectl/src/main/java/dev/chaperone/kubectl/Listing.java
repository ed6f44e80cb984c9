package dev.chaperone.kubectl;

import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.io.PrintWriter;
import java.time.Instant;
import java.util.List;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// What commands have in common that list one kind.
@SuppressWarnings("NullAway.Init") // picocli
final class Listing {
  @Spec(Spec.Target.MIXEE)
  private CommandSpec command;

  @Mixin private Connection connection;
  @Mixin private Scope scope;
  @Mixin private Output output;

  @Option(
      names = {"-A", "--all-namespaces"},
      description = "Of all namespaces.")
  private boolean all;

  /// The lines of a table.
  interface Lines<T> {
    List<String> of(List<T> objects, boolean wide, Instant now);
  }

  /// Lists them, for programs just as the API server has them.
  <T extends CustomResource<?, ?>> int print(Class<T> type, Lines<T> lines) {
    PrintWriter out = command.commandLine().getOut();
    PrintWriter err = command.commandLine().getErr();
    String kinds = HasMetadata.getKind(type) + "s";
    try (KubernetesClient client = connection.open()) {
      String namespace = scope.namespace(client);
      // Known without asking the API server for its kinds.
      var resources =
          client.genericKubernetesResources(ResourceDefinitionContext.fromResourceType(type));
      GenericKubernetesResourceList list =
          all ? resources.inAnyNamespace().list() : resources.inNamespace(namespace).list();
      List<T> typed =
          list.getItems().stream()
              .map(it -> client.getKubernetesSerialization().convertValue(it, type))
              .toList();
      if (typed.isEmpty() && !output.isForPrograms()) {
        err.println(
            all
                ? "No %s found.".formatted(kinds)
                : "No %s found in namespace %s; -A shows those of all namespaces."
                    .formatted(kinds, namespace));
      } else {
        output.print(
            out,
            list,
            output.isForPrograms() ? List.of() : lines.of(typed, output.isWide(), Instant.now()));
      }
      return Plugin.DONE;
    } catch (KubernetesClientException e) {
      throw Problem.of("list " + kinds, e);
    }
  }
}
