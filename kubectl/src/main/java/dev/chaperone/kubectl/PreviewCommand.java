package dev.chaperone.kubectl;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `kubectl chaperone preview NODE...`.
@Command(
    name = "preview",
    description = {
      "Says which pods would go, and what would wait for what, if these nodes were drained now, one"
          + " after the other in this order.",
      "",
      "Dry runs of evictions, and what earlier evictions of the same preview take from each budget."
          + " Changes nothing. What becomes Ready elsewhere meanwhile, or is released, is not foreseen."
    },
    footer = {
      "",
      "Rights: list pods in all namespaces, create pods/eviction, list poddisruptionbudgets, list"
          + " or get companions. To name who else maintains the nodes: get leases in medik8s-leases, list daemonsets."
    })
@SuppressWarnings("NullAway.Init") // picocli
final class PreviewCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Connection connection;
  @Mixin private Output output;

  @Parameters(paramLabel = "NODE", arity = "1..*", description = "The nodes, in order.")
  private List<String> nodes;

  @Override
  public Integer call() {
    try (KubernetesClient client = connection.open()) {
      DryRuns dryRuns = new DryRuns(client);
      Map<String, Map<Pod, Answer>> drains = new LinkedHashMap<>();
      nodes.forEach(node -> drains.computeIfAbsent(node, dryRuns::drain));
      Facts facts =
          dryRuns.facts(drains.values().stream().flatMap(it -> it.keySet().stream()).toList());
      Preview preview = Preview.of(drains, facts, dryRuns.maintainers(drains.keySet()));
      output.print(spec.commandLine().getOut(), preview, preview.lines());
      return Plugin.DONE;
    }
  }
}
