package dev.chaperone.kubectl;

import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.io.PrintWriter;
import java.util.List;
import java.util.function.Function;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// What commands have in common that list one kind.
@SuppressWarnings("NullAway.Init") // picocli
final class Listing {
  @Mixin private Connection connection;
  @Mixin private Scope scope;
  @Mixin private Output output;

  @Option(
      names = {"-A", "--all-namespaces"},
      description = "Of all namespaces.")
  private boolean all;

  /// Lists them, for programs just as the API server has them.
  ///
  /// @param lines of a table; wide or not is for [#isWide] to say
  <T extends CustomResource<?, ?>> int print(
      PrintWriter out, PrintWriter err, Class<T> type, Function<List<T>, List<String>> lines) {
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
        output.print(out, list, output.isForPrograms() ? List.of() : lines.apply(typed));
      }
      return Plugin.DONE;
    } catch (KubernetesClientException e) {
      throw Problem.of("list " + kinds, e);
    }
  }

  boolean isWide() {
    return output.isWide();
  }
}
