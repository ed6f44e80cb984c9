package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.ContainerStatus;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.readiness.Readiness;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What a cold start takes, part by part, as the API server's own watches show it: from the answer
/// to a Hold, or to its deletion, until all budgets of the Companion say so.
public final class ColdStarts {
  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final String CHAPERONE = "chaperone";
  private static final int CLOSED = Integer.MAX_VALUE;

  /// What is seen of a start, in this order.
  private enum Step {
    POD_MADE("pod made"),
    RUNNING("both containers run"),
    READY("pod Ready"),
    DONE("budgets closed or open"),
    POD_ENDING("pod told to end"),
    POD_GONE("pod gone");

    private final String title;

    Step(String title) {
      this.title = title;
    }
  }

  private final NodeLab nodes;
  private final KubernetesClient client;
  private final String namespace;
  private final Map<String, Boolean> closed = new ConcurrentHashMap<>();
  private final Map<Step, Double> seen = new EnumMap<>(Step.class);
  private final List<Map<Step, Double>> rounds = new ArrayList<>();
  private final List<Memory> memory = new ArrayList<>();
  private long begin;
  private boolean wanted;

  private ColdStarts(NodeLab nodes, String namespace) {
    this.nodes = nodes;
    this.client = nodes.lab().client();
    this.namespace = namespace;
  }

  /// Starts the functions from nothing, again and again, for a Hold and for its end.
  ///
  /// @param namespace where the Companion `storage-agent` is the only one
  /// @param times how often, half of them for Holds
  /// @return a table
  /// @throws LabFailure if a start is not seen to its end
  public static String measure(NodeLab nodes, String namespace, int times) {
    return new ColdStarts(nodes, namespace).run(times);
  }

  /// Pods of the functions that are there, those that are ending among them.
  public static List<Pod> pods(Lab lab) {
    return lab.client()
        .pods()
        .inNamespace(CHAPERONE)
        .withLabel("serving.knative.dev/service", "functions")
        .list()
        .getItems();
  }

  private String run(int times) {
    try (Watch _ =
            client
                .pods()
                .inNamespace(CHAPERONE)
                .withLabel("serving.knative.dev/service", "functions")
                .watch(new Seen<Pod>(this::pod, this::podGone));
        Watch _ =
            client
                .policy()
                .v1()
                .podDisruptionBudget()
                .inNamespace(namespace)
                .watch(new Seen<PodDisruptionBudget>(this::budget, _ -> {}))) {
      for (int i = 0; i < times; i++) {
        round(i % 2 == 0);
      }
    }
    return table();
  }

  private void round(boolean hold) {
    Waiting.until(
        PATIENCE,
        () -> pods(nodes.lab()).isEmpty(),
        () -> new LabFailure("The functions still have a pod after " + PATIENCE));
    synchronized (this) {
      seen.clear();
      wanted = hold;
      begin = System.nanoTime();
    }
    if (hold) {
      nodes
          .lab()
          .apply(
              """
              apiVersion: chaperone.dev/v1alpha1
              kind: Hold
              metadata: {name: measured, namespace: %s}
              spec: {companionRef: {name: storage-agent}, reason: measuring}
              """
                  .formatted(namespace));
    } else {
      client
          .genericKubernetesResources("chaperone.dev/v1alpha1", "Hold")
          .inNamespace(namespace)
          .withName("measured")
          .delete();
    }
    await(Step.DONE);
    pods(nodes.lab()).stream().findFirst().flatMap(this::memoryOf).ifPresent(memory::add);
    await(Step.POD_GONE);
    synchronized (this) {
      rounds.add(new EnumMap<>(seen));
    }
  }

  private void await(Step step) {
    Waiting.until(
        PATIENCE,
        () -> at(step) != null,
        () -> new LabFailure("Not seen after %s: %s".formatted(PATIENCE, step.title)));
  }

  private synchronized @Nullable Double at(Step step) {
    return seen.get(step);
  }

  private synchronized void note(Step step) {
    seen.putIfAbsent(step, (System.nanoTime() - begin) / 1e9);
  }

  private void pod(Pod pod) {
    note(Step.POD_MADE);
    List<ContainerStatus> containers =
        Optional.ofNullable(pod.getStatus().getContainerStatuses()).orElse(List.of());
    if (!containers.isEmpty()
        && containers.stream().allMatch(it -> it.getState().getRunning() != null)) {
      note(Step.RUNNING);
    }
    if (Readiness.isPodReady(pod)) {
      note(Step.READY);
    }
    if (pod.getMetadata().getDeletionTimestamp() != null) {
      note(Step.POD_ENDING);
    }
  }

  private void podGone(Pod pod) {
    note(Step.POD_GONE);
  }

  private void budget(PodDisruptionBudget budget) {
    var minimum = budget.getSpec().getMinAvailable();
    closed.put(
        budget.getMetadata().getName(),
        minimum != null && Integer.valueOf(CLOSED).equals(minimum.getIntVal()));
    synchronized (this) {
      if (begin != 0 && closed.values().stream().allMatch(it -> it == wanted)) {
        note(Step.DONE);
      }
    }
  }

  /// @param peak of the container with the functions, in MiB
  /// @param proxy of Knative's queue-proxy beside them
  private record Memory(long peak, long proxy) {}

  /// As the kernel counts it, with the files that are read and may be dropped.
  private Optional<Memory> memoryOf(Pod pod) {
    Map<String, Long> peaks = new HashMap<>();
    String uid = pod.getMetadata().getUid();
    for (ContainerStatus container : pod.getStatus().getContainerStatuses()) {
      String id = container.getContainerID().replaceAll(".*/", "");
      peaks.put(container.getName(), peak(uid, id));
    }
    return Optional.of(
        new Memory(
            peaks.entrySet().stream()
                .filter(it -> !it.getKey().equals("queue-proxy"))
                .mapToLong(Map.Entry::getValue)
                .sum(),
            peaks.getOrDefault("queue-proxy", 0L)));
  }

  private long peak(String pod, String container) {
    Path groups = Path.of("/sys/fs/cgroup");
    Path version1 = groups.resolve("memory");
    Path own =
        (Files.isDirectory(version1) ? version1 : groups)
            .resolve(nodes.lab().folder().getFileName());
    try (Stream<Path> all = Files.walk(own)) {
      Path group =
          all.filter(it -> it.endsWith(Path.of("pod" + pod, container)))
              .findFirst()
              .orElseThrow(() -> new LabFailure("No control group of " + container));
      Path file = group.resolve("memory.max_usage_in_bytes");
      if (!Files.exists(file)) {
        file = group.resolve("memory.peak");
      }
      return Long.parseLong(Files.readString(file).strip()) >> 20;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String table() {
    StringBuilder table =
        new StringBuilder(
            "\n| from the Hold, or its end, on | median | longest of %d |\n|---|---|---|\n"
                .formatted(rounds.size()));
    for (Step step : Step.values()) {
      List<Double> all =
          rounds.stream()
              .filter(it -> it.containsKey(step))
              .map(it -> it.get(step))
              .sorted()
              .toList();
      if (!all.isEmpty()) {
        table.append(
            "| %s | %.1f s | %.1f s |%n"
                .formatted(step.title, all.get((all.size() - 1) / 2), all.getLast()));
      }
    }
    table.append(
        "%nPeak of memory by control group: functions %d to %d MiB, queue-proxy %d to %d MiB.%n"
            .formatted(
                memory.stream().mapToLong(Memory::peak).min().orElse(0),
                memory.stream().mapToLong(Memory::peak).max().orElse(0),
                memory.stream().mapToLong(Memory::proxy).min().orElse(0),
                memory.stream().mapToLong(Memory::proxy).max().orElse(0)));
    return table.toString();
  }

  private record Seen<T>(Consumer<T> there, Consumer<T> gone) implements Watcher<T> {
    @Override
    public void eventReceived(Action action, T object) {
      (action == Action.DELETED ? gone : there).accept(object);
    }

    @Override
    public void onClose(WatcherException cause) {
      // The measurement then waits in vain, and says for what.
    }
  }
}
