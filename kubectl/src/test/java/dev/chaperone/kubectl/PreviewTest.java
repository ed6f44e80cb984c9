package dev.chaperone.kubectl;

import static dev.chaperone.kubectl.Objects.budget;
import static dev.chaperone.kubectl.Objects.companion;
import static dev.chaperone.kubectl.Objects.facts;
import static dev.chaperone.kubectl.Objects.ofCompanion;
import static dev.chaperone.kubectl.Objects.pod;
import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.kubectl.Answer.Accepted;
import dev.chaperone.kubectl.Answer.Refused;
import dev.chaperone.kubectl.Preview.PodPreview;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// What waits for what, when nodes are drained one after the other.
class PreviewTest {
  private static final Companion OPEN =
      companion(
          """
          {drainedNodes: {nodes: [n9], lastTime: "2026-01-01T00:00:00Z"}, conditions: [
            {type: DisruptionAllowed, status: "True", reason: NothingHolds, message: No active holds}]}""");

  @Test
  void a_companion_lets_as_many_nodes_go_as_its_budget_allows_and_the_next_wait_for_them() {
    Preview preview =
        Preview.of(
            drains("guard-1", "guard-2", "guard-3"),
            facts(OPEN, ofCompanion("guard", 2)),
            List.of());

    assertThat(waits(preview))
        .containsExactly(
            "",
            "",
            "PodDisruptionBudget storage/agent-nodes (Companion storage/agent): nodes n1, n2, until"
                + " one of them is uncordoned or deleted");
    assertThat(preview.lines())
        .contains(
            "Companion storage/agent: maxUnavailable 1, drained now: n9. No active holds",
            "A drain of node n2 goes through at once (pods to evict: 1).",
            "A drain of node n3 waits (pods that cannot go yet: 1 of 1).");
  }

  @Test
  void other_pods_wait_until_the_evicted_one_is_ready_elsewhere() {
    assertThat(
            waits(
                Preview.of(
                    drains("web-1", "web-2"), facts(budget("web", "web", 1, 3, 3, 2)), List.of())))
        .containsExactly(
            "",
            "PodDisruptionBudget storage/web (not Chaperone's): what is evicted from node n1, until it"
                + " is ready elsewhere");
  }

  @Test
  void a_pod_that_is_not_ready_takes_nothing_from_a_budget() {
    Map<String, Map<Pod, Answer>> drains = drains("web-1", "web-2");
    drains.get("n1").keySet().forEach(it -> it.getStatus().setConditions(List.of()));

    assertThat(waits(Preview.of(drains, facts(budget("web", "web", 1, 3, 2, 2)), List.of())))
        .containsExactly("", "");
  }

  @Test
  void what_is_refused_now_waits_for_what_refuses_it() {
    Map<String, Map<Pod, Answer>> drains = drains("web-1");
    drains.get("n1").replaceAll((_, _) -> new Refused("no", false));

    assertThat(waits(Preview.of(drains, facts(budget("web", "web", 0, 1, 1, 1)), List.of())))
        .containsExactly(
            "PodDisruptionBudget storage/web (not Chaperone's): Ready pods: 1 of 1; needed: 1"
                + " (minAvailable 1)");
  }

  /// One pod on each of the nodes n1, n2, …, whose eviction is accepted.
  private static Map<String, Map<Pod, Answer>> drains(String... pods) {
    Map<String, Map<Pod, Answer>> drains = new LinkedHashMap<>();
    for (String name : pods) {
      Map<Pod, Answer> answers = new LinkedHashMap<>();
      answers.put(pod(name, name.replaceAll("-.*", "")), new Accepted());
      drains.put("n" + (drains.size() + 1), answers);
    }
    return drains;
  }

  private static List<String> waits(Preview preview) {
    return preview.nodes().stream()
        .flatMap(it -> it.pods().stream())
        .map(PodPreview::waitsFor)
        .toList();
  }
}
