package dev.chaperone.lab.peer;

import io.fabric8.kubernetes.api.model.Binding;
import io.fabric8.kubernetes.api.model.BindingBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.function.Function;
import java.util.stream.Stream;

/// Puts guards on the nodes that run a target pod, as a scheduler would: what is bound counts as
/// bound before the informer has seen it.
final class Guards {
  private static final Set<Integer> SOMEBODY_WAS_FASTER = Set.of(404, 409);
  private static final int AT_A_TIME = 16;

  /// Taints of a node that is being emptied.
  private static final Set<String> DRAINING =
      Set.of(
          "node.kubernetes.io/unschedulable",
          "ToBeDeletedByClusterAutoscaler",
          "karpenter.sh/disrupted",
          "karpenter.sh/disruption");

  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();

  /// Node by uid of the guard.
  private final Map<String, String> assumed = new ConcurrentHashMap<>();

  /// How many guards have a node, and how many wait.
  record Count(int bound, int waiting) {}

  /// Deletes guards of nodes that are gone, or of nodes without a target pod where there are too
  /// many, and binds those that wait.
  Count place(
      KubernetesClient client,
      List<Pod> guards,
      List<Pod> targetPods,
      Function<String, Optional<Node>> nodes,
      int wanted) {
    List<Pod> waiting = new ArrayList<>();
    Map<String, Pod> placed = new ConcurrentHashMap<>();
    for (Pod guard : guards) {
      String uid = guard.getMetadata().getUid();
      if (guard.getSpec().getNodeName() != null) {
        assumed.remove(uid);
      }
      if (guard.getMetadata().getDeletionTimestamp() == null) {
        String node = guard.getSpec().getNodeName();
        String on = node != null ? node : assumed.get(uid);
        if (on == null) {
          waiting.add(guard);
        } else {
          placed.put(on, guard);
        }
      }
    }
    Set<String> running = new HashSet<>();
    targetPods.stream()
        .map(pod -> pod.getSpec().getNodeName())
        .filter(node -> node != null)
        .forEach(running::add);
    List<Runnable> writes = new ArrayList<>();
    int surplus = placed.size() - wanted;
    for (Map.Entry<String, Pod> entry : placed.entrySet()) {
      boolean gone = nodes.apply(entry.getKey()).isEmpty();
      if (gone || (!running.contains(entry.getKey()) && surplus-- > 0)) {
        writes.add(() -> client.resource(entry.getValue()).withGracePeriod(0).delete());
      }
    }
    Iterator<String> free =
        running.stream()
            .filter(node -> !placed.containsKey(node))
            .filter(node -> nodes.apply(node).filter(Guards::admits).isPresent())
            .iterator();
    int bound = placed.size();
    for (Pod guard :
        waiting.stream()
            .sorted(Comparator.comparing(pod -> pod.getMetadata().getName()))
            .toList()) {
      if (free.hasNext()) {
        String node = free.next();
        writes.add(() -> bind(client, guard, node));
        bound++;
      }
    }
    together(writes);
    return new Count(bound, placed.size() + waiting.size() - bound);
  }

  private void together(List<Runnable> writes) {
    Semaphore places = new Semaphore(AT_A_TIME);
    List<? extends Future<?>> running =
        writes.stream()
            .map(
                write ->
                    threads.submit(
                        () -> {
                          places.acquireUninterruptibly();
                          try {
                            write.run();
                          } finally {
                            places.release();
                          }
                        }))
            .toList();
    for (Future<?> each : running) {
      try {
        each.get();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException(e);
      } catch (ExecutionException e) {
        if (!(e.getCause() instanceof KubernetesClientException refused)
            || !SOMEBODY_WAS_FASTER.contains(refused.getCode())) {
          throw new IllegalStateException(e.getCause());
        }
      }
    }
  }

  private void bind(KubernetesClient client, Pod guard, String node) {
    String namespace = guard.getMetadata().getNamespace();
    String name = guard.getMetadata().getName();
    Binding binding =
        new BindingBuilder()
            .withNewMetadata()
            .withNamespace(namespace)
            .withName(name)
            .withUid(guard.getMetadata().getUid())
            .endMetadata()
            .withNewTarget()
            .withKind("Node")
            .withName(node)
            .endTarget()
            .build();
    client.raw("/api/v1/namespaces/%s/pods/%s/binding".formatted(namespace, name), "POST", binding);
    assumed.put(guard.getMetadata().getUid(), node);
  }

  private static boolean admits(Node node) {
    return !Boolean.TRUE.equals(node.getSpec().getUnschedulable())
        && Stream.ofNullable(node.getSpec().getTaints())
            .flatMap(List::stream)
            .noneMatch(taint -> DRAINING.contains(taint.getKey()));
  }
}
