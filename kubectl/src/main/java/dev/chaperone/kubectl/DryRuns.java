package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import dev.chaperone.decide.CompanionRef;
import io.fabric8.kubernetes.api.model.DeleteOptionsBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.StatusDetails;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.policy.v1.Eviction;
import io.fabric8.kubernetes.api.model.policy.v1.EvictionBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Instant;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// Asks the API server what a drain would meet, and reads what explains it. Changes nothing.
record DryRuns(KubernetesClient client) {
  private static final int TOO_MANY_REQUESTS = 429;
  private static final int INTERNAL_ERROR = 500;

  /// As many evictions are asked for at once: a node has up to hundreds of pods.
  private static final int AT_ONCE = 8;

  /// What a drain of a node has to evict, and what the API server answers for each.
  ///
  /// @throws Problem if the node does not exist, or that cannot be asked
  Map<Pod, Answer> drain(String node) {
    boolean known = requireNode(node);
    List<Pod> all;
    try {
      all = client.pods().inAnyNamespace().withField("spec.nodeName", node).list().getItems();
    } catch (KubernetesClientException e) {
      throw Problem.of("list the pods of node " + node, e);
    }
    if (all.isEmpty() && !known) {
      throw new Problem(
          "Node %s has no pods, and you may not get nodes: check its name".formatted(node));
    }
    List<Pod> pods = DrainedPods.of(all);
    Map<Pod, CompletableFuture<Optional<Answer>>> asked = new LinkedHashMap<>();
    try (ExecutorService pool = Executors.newFixedThreadPool(AT_ONCE)) {
      pods.forEach(pod -> asked.put(pod, CompletableFuture.supplyAsync(() -> evict(pod), pool)));
    }
    Map<Pod, Answer> answers = new LinkedHashMap<>();
    asked.forEach((pod, answer) -> result(answer).ifPresent(it -> answers.put(pod, it)));
    return answers;
  }

  private static Optional<Answer> result(CompletableFuture<Optional<Answer>> answer) {
    try {
      return answer.join();
    } catch (CompletionException e) {
      throw e.getCause() instanceof Problem problem ? problem : e;
    }
  }

  /// What explains the answers of these pods.
  Facts facts(Collection<Pod> pods) {
    Map<String, List<PodDisruptionBudget>> budgets = new TreeMap<>();
    pods.stream()
        .map(pod -> pod.getMetadata().getNamespace())
        .distinct()
        .forEach(namespace -> budgets(namespace).ifPresent(it -> budgets.put(namespace, it)));
    List<Companion> companions =
        everyCompanion()
            .orElseGet(
                () ->
                    budgets.values().stream()
                        .flatMap(List::stream)
                        .flatMap(budget -> Facts.companionOf(budget).stream())
                        .distinct()
                        .flatMap(ref -> companion(ref).stream())
                        .toList());
    return new Facts(
        budgets,
        companions.stream().collect(Collectors.toMap(CompanionRef::of, Function.identity())),
        companions.stream().anyMatch(Facts::selectsNodes) ? nodesOf(pods) : Map.of());
  }

  private Map<String, Node> nodesOf(Collection<Pod> pods) {
    return pods.stream()
        .map(pod -> pod.getSpec().getNodeName())
        .distinct()
        .flatMap(name -> node(name).stream())
        .collect(Collectors.toMap(node -> node.getMetadata().getName(), Function.identity()));
  }

  /// Who else maintains these nodes, as far as whoever asks may read it.
  List<Maintainer> maintainers(Collection<String> nodes) {
    Instant now = Instant.now();
    List<DaemonSet> daemonSets = daemonSets();
    return nodes.stream()
        .flatMap(
            node ->
                Stream.concat(
                    lease(node).flatMap(it -> Maintainer.of(node, it, now)).stream(),
                    Maintainer.of(node, daemonSets, now).stream()))
        .toList();
  }

  /// Empty: there is none, or whoever asks may not read it.
  private Optional<Lease> lease(String node) {
    String name = Maintainer.leaseName(node);
    try {
      return Optional.ofNullable(
          client.leases().inNamespace(Maintainer.LEASES).withName(name).get());
    } catch (KubernetesClientException e) {
      return unlessForbidden("get Lease %s/%s".formatted(Maintainer.LEASES, name), e);
    }
  }

  private List<DaemonSet> daemonSets() {
    try {
      return client.apps().daemonSets().inAnyNamespace().list().getItems();
    } catch (KubernetesClientException e) {
      return DryRuns.<List<DaemonSet>>unlessForbidden("list DaemonSets", e).orElse(List.of());
    }
  }

  /// Whether the node is known to exist: whoever may list pods may go on without that.
  private boolean requireNode(String node) {
    return node(node).isPresent();
  }

  /// Empty: whoever asks may not read it.
  ///
  /// @throws Problem if it does not exist
  private Optional<Node> node(String name) {
    try {
      Node node = client.nodes().withName(name).get();
      if (node == null) {
        throw new Problem(
            "Node %s does not exist: kubectl get nodes lists those that do".formatted(name));
      }
      return Optional.of(node);
    } catch (KubernetesClientException e) {
      return unlessForbidden("get node " + name, e);
    }
  }

  /// Empty: the pod has gone meanwhile.
  private Optional<Answer> evict(Pod pod) {
    String name = pod.getMetadata().getName();
    String namespace = pod.getMetadata().getNamespace();
    Eviction eviction =
        new EvictionBuilder()
            .withNewMetadata()
            .withNamespace(namespace)
            .withName(name)
            .endMetadata()
            .withDeleteOptions(new DeleteOptionsBuilder().withDryRun("All").build())
            .build();
    try {
      client.raw(
          "/api/v1/namespaces/%s/pods/%s/eviction".formatted(namespace, name), "POST", eviction);
      return Optional.of(new Answer.Accepted());
    } catch (KubernetesClientException e) {
      return answer(e)
          .or(
              () -> {
                if (e.getCode() == Problem.NOT_FOUND) {
                  return Optional.empty();
                }
                throw Problem.of("ask for an eviction of pod " + DrainedPods.name(pod), e);
              });
    }
  }

  private static Optional<Answer> answer(KubernetesClientException e) {
    String words = Problem.words(e);
    boolean budget =
        (e.getCode() == TOO_MANY_REQUESTS && !causes(e.getStatus()).isEmpty())
            || (e.getCode() == INTERNAL_ERROR && words.contains("PodDisruptionBudget"));
    if (budget) {
      return Optional.of(new Answer.Refused(withCauses(words, e.getStatus()), false));
    }
    return words.contains("ValidatingAdmissionPolicy '") || words.contains("admission webhook ")
        ? Optional.of(new Answer.Refused(words, true))
        : Optional.empty();
  }

  private static List<String> causes(Status status) {
    return Optional.ofNullable(status)
        .map(Status::getDetails)
        .map(StatusDetails::getCauses)
        .orElse(List.of())
        .stream()
        .map(it -> String.valueOf(it.getMessage()))
        .toList();
  }

  private static String withCauses(String words, Status status) {
    List<String> causes = causes(status);
    return causes.isEmpty() ? words : words + " " + String.join("; ", causes);
  }

  private Optional<List<PodDisruptionBudget>> budgets(String namespace) {
    try {
      return Optional.of(
          client.policy().v1().podDisruptionBudget().inNamespace(namespace).list().getItems());
    } catch (KubernetesClientException e) {
      return unlessForbidden("list the PodDisruptionBudgets of namespace " + namespace, e);
    }
  }

  /// Empty: whoever asks may not list them, or there is no such kind.
  private Optional<List<Companion>> everyCompanion() {
    try {
      return Optional.of(client.resources(Companion.class).inAnyNamespace().list().getItems());
    } catch (KubernetesClientException e) {
      return e.getCode() == Problem.NOT_FOUND
          ? Optional.empty()
          : unlessForbidden("list Companions", e);
    }
  }

  private Optional<Companion> companion(CompanionRef ref) {
    try {
      return Optional.ofNullable(
          client
              .resources(Companion.class)
              .inNamespace(ref.namespace())
              .withName(ref.name())
              .get());
    } catch (KubernetesClientException e) {
      return unlessForbidden("get Companion " + ref, e);
    }
  }

  /// What may not be read is said where it would have explained something.
  private static <T> Optional<T> unlessForbidden(String doing, KubernetesClientException e) {
    if (e.getCode() == Problem.FORBIDDEN) {
      return Optional.empty();
    }
    throw Problem.of(doing, e);
  }
}
