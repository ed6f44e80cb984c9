package dev.chaperone.it;

import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;

/// Every version that each budget of a namespace ever had, in order, as the API server's own watch
/// tells them.
final class BudgetHistory implements AutoCloseable, Watcher<PodDisruptionBudget> {
  /// On guards, and selected by their budget.
  static final String UID_LABEL = "chaperone.dev/companion-uid";

  private final Lab lab;
  private final String namespace;
  private final List<Version> versions = new ArrayList<>();
  private final Watch watch;
  private boolean broken;

  BudgetHistory(Lab lab, String namespace) {
    this.lab = lab;
    this.namespace = namespace;
    this.watch =
        lab.client().policy().v1().podDisruptionBudget().inNamespace(namespace).watch(this);
  }

  /// @param spec empty: deleted
  /// @param counted whether Kubernetes has counted for this spec; until then it refuses evictions
  record Version(
      String budget,
      String uid,
      String resourceVersion,
      long generation,
      Optional<PodDisruptionBudgetSpec> spec,
      boolean counted,
      int allowed) {
    @Override
    public String toString() {
      return spec.map(
              it ->
                  "%s generation %d: maxUnavailable %s, minAvailable %s, %s, %d allowed"
                      .formatted(
                          budget,
                          generation,
                          it.getMaxUnavailable() == null ? "-" : it.getMaxUnavailable().getValue(),
                          it.getMinAvailable() == null ? "-" : it.getMinAvailable().getValue(),
                          it.getUnhealthyPodEvictionPolicy(),
                          allowed))
          .orElse(budget + " deleted");
    }
  }

  @Override
  public synchronized void eventReceived(Action action, PodDisruptionBudget seen) {
    boolean deleted = action == Action.DELETED;
    versions.add(
        new Version(
            seen.getMetadata().getName(),
            seen.getMetadata().getUid(),
            seen.getMetadata().getResourceVersion(),
            seen.getMetadata().getGeneration(),
            deleted ? Optional.empty() : Optional.of(comparable(seen.getSpec())),
            seen.getStatus() != null
                && Objects.equals(
                    seen.getStatus().getObservedGeneration(), seen.getMetadata().getGeneration()),
            seen.getStatus() == null || seen.getStatus().getDisruptionsAllowed() == null
                ? 0
                : seen.getStatus().getDisruptionsAllowed()));
  }

  @Override
  public synchronized void onClose(WatcherException cause) {
    broken = true;
  }

  /// Where the versions begin that are still to come.
  int mark() {
    since(0);
    return size();
  }

  /// How many versions there have been so far.
  synchronized int size() {
    return versions.size();
  }

  /// The versions from this one on, once the watch has told of the present ones.
  ///
  /// @throws AssertionError when a version is missing between two others
  List<Version> since(int from) {
    await("the budgets of " + namespace).atMost(Scene.LONG).until(this::isUpToDate);
    synchronized (this) {
      if (broken) {
        throw new AssertionError("the watch of the budgets broke off");
      }
      requireEveryGeneration();
      return List.copyOf(versions.subList(from, versions.size()));
    }
  }

  /// The specs as they are now.
  Map<String, PodDisruptionBudgetSpec> now() {
    Map<String, PodDisruptionBudgetSpec> specs = new TreeMap<>();
    budgets().forEach(it -> specs.put(it.getMetadata().getName(), comparable(it.getSpec())));
    return specs;
  }

  private List<PodDisruptionBudget> budgets() {
    return lab.client()
        .policy()
        .v1()
        .podDisruptionBudget()
        .inNamespace(namespace)
        .list()
        .getItems();
  }

  private boolean isUpToDate() {
    Map<String, String> now = new HashMap<>();
    budgets()
        .forEach(it -> now.put(it.getMetadata().getName(), it.getMetadata().getResourceVersion()));
    Map<String, String> seen = new HashMap<>();
    synchronized (this) {
      versions.forEach(
          it -> {
            if (it.spec().isPresent()) {
              seen.put(it.budget(), it.resourceVersion());
            } else {
              seen.remove(it.budget());
            }
          });
    }
    return seen.equals(now);
  }

  /// Each write of a spec raises the generation by one, so a missing one would show.
  private void requireEveryGeneration() {
    Map<String, Long> generations = new HashMap<>();
    for (Version version : versions) {
      Long before = generations.put(version.uid(), version.generation());
      if (before != null && version.generation() > before + 1) {
        throw new AssertionError("the watch left something out before " + version);
      }
    }
  }

  /// Without the Companion's uid, which is another one each time that it is made anew.
  private static PodDisruptionBudgetSpec comparable(PodDisruptionBudgetSpec spec) {
    return spec.edit().editSelector().removeFromMatchLabels(UID_LABEL).endSelector().build();
  }

  /// Whether nothing that the budget covers may go.
  static boolean isClosed(PodDisruptionBudgetSpec spec) {
    return spec.getMinAvailable() != null
        && Objects.equals(spec.getMinAvailable().getIntVal(), Integer.MAX_VALUE);
  }

  @Override
  public void close() {
    watch.close();
  }
}
