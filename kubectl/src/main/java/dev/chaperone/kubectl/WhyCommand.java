package dev.chaperone.kubectl;

import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `kubectl chaperone why NODE`.
@Command(
    name = "why",
    description = {
      "Says what blocks a drain of a node, and whose it is.",
      "",
      "Asks the API server for a dry run of each eviction that kubectl drain would ask for. Pods of"
          + " DaemonSets and mirror pods are left out, as kubectl drain --ignore-daemonsets leaves them"
          + " out. Changes nothing."
    },
    footer = {
      "",
      "Exit codes: 0 nothing blocks; 1 an error; 2 something blocks.",
      "Rights: list pods in all namespaces, create pods/eviction, list poddisruptionbudgets, list"
          + " or get companions. To name who else maintains the node: get leases in medik8s-leases, list daemonsets."
    })
@SuppressWarnings("NullAway.Init") // picocli
final class WhyCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Connection connection;
  @Mixin private Output output;

  @Parameters(paramLabel = "NODE", description = "The node that is, or is to be, drained.")
  private String node;

  @Override
  public Integer call() {
    try (KubernetesClient client = connection.open()) {
      DryRuns dryRuns = new DryRuns(client);
      Map<Pod, Answer> answers = dryRuns.drain(node);
      Facts facts =
          dryRuns.facts(
              answers.entrySet().stream()
                  .filter(
                      it ->
                          it.getValue() instanceof Answer.Refused
                              || DrainedPods.isGuard(it.getKey()))
                  .map(Map.Entry::getKey)
                  .toList());
      DrainReport report = DrainReport.of(node, answers, facts, dryRuns.maintainers(List.of(node)));
      output.print(spec.commandLine().getOut(), report, report.lines());
      return report.blocked() ? Plugin.BLOCKED : Plugin.DONE;
    }
  }
}
