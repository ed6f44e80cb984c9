package dev.chaperone.it;

import io.fabric8.kubernetes.api.model.Pod;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;

/// Somebody who asks for the eviction of every guard, round after round, and evicts none: what
/// would have passed at a moment when nothing may is found, however short that moment is.
final class EvictionLoop implements AutoCloseable {
  private static final Duration PAUSE = Duration.ofMillis(50);

  private final GuardEvictions evictions;
  private final Set<String> nodes;
  private final int mayBeOut;
  private final List<String> wrong = new CopyOnWriteArrayList<>();
  private final AtomicInteger rounds = new AtomicInteger();
  private final AtomicInteger passes = new AtomicInteger();
  private final AtomicInteger mostOut = new AtomicInteger();
  private final CompletableFuture<Void> end = new CompletableFuture<>();
  private final CompletableFuture<Void> ended;

  /// @param nodes that should have a guard
  /// @param mayBeOut how many of them may be without, those that would be evicted included
  EvictionLoop(Scene scene, Set<String> nodes, int mayBeOut) {
    this.evictions = GuardEvictions.of(scene);
    this.nodes = nodes;
    this.mayBeOut = mayBeOut;
    this.ended = CompletableFuture.runAsync(this::run, task -> Thread.ofVirtual().start(task));
  }

  /// Evictions that would have passed although no more may be out, and nodes that were out beyond
  /// that.
  List<String> wrong() {
    return wrong;
  }

  int rounds() {
    return rounds.get();
  }

  /// How many evictions would have passed, rightly or not.
  int passes() {
    return passes.get();
  }

  /// How many nodes were without a running guard at the same time, at most.
  int mostOut() {
    return mostOut.get();
  }

  /// Ends after the round that is under way, and fails as it did.
  void end() {
    end.complete(null);
    ended.join();
  }

  @Override
  public void close() {
    end.complete(null);
  }

  private void run() {
    while (!end.isDone()) {
      round();
      rounds.incrementAndGet();
      end.copy().completeOnTimeout(null, PAUSE.toMillis(), TimeUnit.MILLISECONDS).join();
    }
  }

  private void round() {
    Set<String> out = out();
    mostOut.accumulateAndGet(out.size(), Math::max);
    if (out.size() > mayBeOut) {
      wrong.add("without a running guard: " + out);
    }
    List<String> passed =
        evictions.running().stream()
            .filter(evictions::wouldPass)
            .map(guard -> guard.getSpec().getNodeName())
            .toList();
    passes.addAndGet(passed.size());
    // All the while.
    out.retainAll(out());
    if (!passed.isEmpty() && out.size() >= mayBeOut) {
      wrong.add("would be evicted: " + passed + ", out: " + out);
    }
  }

  private Set<String> out() {
    Set<String> out = new TreeSet<>(nodes);
    out.removeAll(
        evictions.running().stream()
            .map(Pod::getSpec)
            .map(spec -> spec.getNodeName())
            .collect(Collectors.toSet()));
    return out;
  }
}
