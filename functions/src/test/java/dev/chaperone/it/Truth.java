package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.NodeChoice;
import dev.chaperone.lab.PodEviction;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What a status says, held against what the API server does: every guard is evicted, as a dry run.
/// "Held" while a drain would pass is the worst that a status can say.
final class Truth {
  private static final int TOO_MANY_REQUESTS = 429;
  private static final int TWO_BUDGETS = 500;

  private final KubernetesClient client;
  private final String namespace;

  Truth(KubernetesClient client, String namespace) {
    this.client = client;
    this.namespace = namespace;
  }

  /// Lies of all Companions and Holds of the namespace; empty if there are none.
  ///
  /// The status is read before and after: what has changed meanwhile says nothing.
  List<String> lies() {
    List<String> lies = new ArrayList<>();
    for (Companion companion : companions()) {
      String name = companion.getMetadata().getName();
      lies.addAll(liesOfSomeNodes(companion));
      boolean claims = claimsToBlock(companion) || holds(name).stream().anyMatch(Truth::isEnforced);
      if (!claims) {
        continue;
      }
      List<String> gaps = gaps(companion);
      Optional<Companion> after =
          companions().stream().filter(it -> it.getMetadata().getName().equals(name)).findFirst();
      boolean still =
          after
              .filter(it -> claimsToBlock(it) || holds(name).stream().anyMatch(Truth::isEnforced))
              .isPresent();
      if (!gaps.isEmpty() && still) {
        lies.add(
            "Companion %s says %s, and Holds %s say that they are enforced, but: %s"
                .formatted(
                    name,
                    condition(companion),
                    holds(name).stream()
                        .filter(Truth::isEnforced)
                        .map(it -> it.getMetadata().getName())
                        .toList(),
                    String.join("; ", gaps)));
      }
    }
    return lies;
  }

  /// What a drain would get past: guards that can be evicted now, and nodes that run a target pod
  /// without a running guard, but for those that the status names as drained.
  private List<String> gaps(Companion companion) {
    List<String> gaps = new ArrayList<>();
    List<Pod> guards = guards(companion);
    for (Pod guard : guards) {
      // One without a node guards none.
      if (guard.getSpec().getNodeName() == null
          || guard.getMetadata().getDeletionTimestamp() != null) {
        continue;
      }
      int code = evict(guard);
      if (code != TOO_MANY_REQUESTS && code != TWO_BUDGETS && code != 404) {
        gaps.add(
            "guard %s on %s (%s) can be evicted: %d"
                .formatted(
                    guard.getMetadata().getName(),
                    guard.getSpec().getNodeName(),
                    guard.getStatus().getPhase(),
                    code));
      }
    }
    if (companion.getSpec().disruption().protect().stream()
        .anyMatch(it -> it.name().equals("Nodes"))) {
      Set<String> open = targetNodes(companion);
      open.removeAll(
          guards.stream()
              .filter(it -> "Running".equals(it.getStatus().getPhase()))
              .map(it -> it.getSpec().getNodeName())
              .collect(Collectors.toSet()));
      open.removeAll(drained(companion));
      open.forEach(node -> gaps.add("node " + node + " has no running guard"));
    }
    return gaps;
  }

  private List<Companion> companions() {
    return client.resources(Companion.class).inNamespace(namespace).list().getItems();
  }

  private List<Hold> holds(String companion) {
    return client.resources(Hold.class).inNamespace(namespace).list().getItems().stream()
        .filter(it -> it.getSpec().companionRef().name().equals(companion))
        .filter(it -> NodeChoice.of(it.getSpec()).isEmpty())
        .toList();
  }

  /// Of Holds of some nodes that say that they are enforced there, before and after.
  private List<String> liesOfSomeNodes(Companion companion) {
    List<Hold> before = holdsOfSomeNodes(companion);
    List<String> lies = new ArrayList<>();
    for (Pod guard : before.isEmpty() ? List.<Pod>of() : guards(companion)) {
      List<Hold> its =
          before.stream()
              .filter(it -> guard.getSpec().getNodeName() != null)
              .filter(it -> isAbout(it, guard.getSpec().getNodeName()))
              .toList();
      if (!its.isEmpty() && guard.getMetadata().getDeletionTimestamp() == null) {
        int code = evict(guard);
        List<String> still =
            holdsOfSomeNodes(companion).stream().map(it -> it.getMetadata().getUid()).toList();
        if (code != TOO_MANY_REQUESTS
            && code != 404
            && its.stream().anyMatch(it -> still.contains(it.getMetadata().getUid()))) {
          lies.add(
              "Hold %s says that it is enforced, but guard %s on %s (%s) can be evicted: %d"
                  .formatted(
                      its.getFirst().getMetadata().getName(),
                      guard.getMetadata().getName(),
                      guard.getSpec().getNodeName(),
                      guard.getStatus().getPhase(),
                      code));
        }
      }
    }
    return lies;
  }

  private List<Hold> holdsOfSomeNodes(Companion companion) {
    return client.resources(Hold.class).inNamespace(namespace).list().getItems().stream()
        .filter(it -> it.getSpec().companionRef().name().equals(companion.getMetadata().getName()))
        .filter(it -> NodeChoice.of(it.getSpec()).isPresent() && isEnforced(it))
        .toList();
  }

  private boolean isAbout(Hold hold, String node) {
    return switch (NodeChoice.of(hold.getSpec()).orElseThrow()) {
      case NodeChoice.Named named -> named.name().equals(node);
      case NodeChoice.Labeled labeled ->
          Optional.ofNullable(client.nodes().withName(node).get())
              .filter(labeled::matches)
              .isPresent();
    };
  }

  private static boolean isEnforced(Hold hold) {
    return hold.getStatus() != null && is(hold.getStatus().conditions(), "Enforced", "True");
  }

  private static boolean claimsToBlock(Companion companion) {
    return companion.getStatus() != null
        && is(companion.getStatus().conditions(), "DisruptionAllowed", "False");
  }

  private static String condition(Companion companion) {
    return Stream.ofNullable(companion.getStatus())
        .flatMap(it -> Stream.ofNullable(it.conditions()).flatMap(List::stream))
        .filter(it -> it.getType().equals("DisruptionAllowed"))
        .map(it -> it.getStatus() + " " + it.getReason() + " (" + it.getMessage() + ")")
        .findFirst()
        .orElse("nothing");
  }

  private static boolean is(@Nullable List<Condition> conditions, String type, String status) {
    return conditions != null
        && conditions.stream()
            .anyMatch(it -> it.getType().equals(type) && it.getStatus().equals(status));
  }

  private static Set<String> drained(Companion companion) {
    return Optional.ofNullable(companion.getStatus())
        .map(CompanionStatus::drainedNodes)
        .map(it -> (Set<String>) new TreeSet<>(it.nodes()))
        .orElse(Set.of());
  }

  private List<Pod> guards(Companion companion) {
    return pods(
        namespace,
        Map.of(
            "app.kubernetes.io/component",
            "guard",
            "chaperone.dev/companion",
            companion.getMetadata().getName()));
  }

  private Set<String> targetNodes(Companion companion) {
    String targetNamespace =
        Objects.requireNonNullElse(companion.getSpec().targetRef().namespace(), namespace);
    var target =
        client
            .apps()
            .daemonSets()
            .inNamespace(targetNamespace)
            .withName(companion.getSpec().targetRef().name())
            .get();
    return target == null
        ? new TreeSet<>()
        : pods(targetNamespace, target.getSpec().getSelector().getMatchLabels()).stream()
            .filter(it -> it.getMetadata().getDeletionTimestamp() == null)
            .filter(it -> "Running".equals(it.getStatus().getPhase()))
            .map(it -> it.getSpec().getNodeName())
            .filter(Objects::nonNull)
            .filter(node -> client.nodes().withName(node).get() != null)
            .collect(Collectors.toCollection(TreeSet::new));
  }

  private List<Pod> pods(String namespaceOfPods, Map<String, String> labels) {
    return client.pods().inNamespace(namespaceOfPods).withLabels(labels).list().getItems();
  }

  /// What an eviction of the pod would be answered with now.
  int evict(Pod pod) {
    return PodEviction.dryRun(
        client, pod.getMetadata().getNamespace(), pod.getMetadata().getName());
  }

  /// Fails if a status lies.
  void require() {
    assertThat(lies()).isEmpty();
  }
}
