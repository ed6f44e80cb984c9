package dev.chaperone.cluster;

import dev.chaperone.api.Companion;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.Settings;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/// What is known first of every Companion of a namespace, read in one round.
record NamespaceFacts(
    List<Companion> companions, List<Hold> holds, List<PodDisruptionBudget> budgets) {
  /// With more objects of a kind in the namespace, reads by name cost less.
  private static final int FEW = 50;

  /// Empty: the namespace has more of a kind than few.
  ///
  /// @throws Unavailable when the API server does not answer
  static Optional<NamespaceFacts> read(KubernetesClient client, String namespace) {
    try (Parallel parallel = new Parallel()) {
      var companions =
          parallel.run(
              () ->
                  few(
                      "Companions of " + namespace,
                      client.resources(Companion.class).inNamespace(namespace)));
      var budgets =
          parallel.run(
              () ->
                  few(
                      "PodDisruptionBudgets of " + namespace,
                      client.policy().v1().podDisruptionBudget().inNamespace(namespace)));
      var holds = few("Holds of " + namespace, client.resources(Hold.class).inNamespace(namespace));
      return parallel
          .result(companions)
          .flatMap(
              its ->
                  holds.flatMap(
                      all -> parallel.result(budgets).map(it -> new NamespaceFacts(its, all, it))));
    }
  }

  private static <T extends HasMetadata, L extends KubernetesResourceList<T>> Optional<List<T>> few(
      String what, FilterWatchListDeletable<T, L, ?> query) {
    L page = ClusterReader.read(what, () -> query.list(Listing.atMost(FEW)));
    String more = page.getMetadata().getContinue();
    return more == null || more.isEmpty() ? Optional.of(page.getItems()) : Optional.empty();
  }

  Optional<Hold> hold(String name) {
    return holds.stream().filter(it -> it.getMetadata().getName().equals(name)).findFirst();
  }

  /// What is known of those of them that there are.
  Map<CompanionRef, KnownFacts> known(
      Collection<CompanionRef> refs, Instant now, Settings settings) {
    return companions.stream()
        .filter(ClusterReader::isLiving)
        .filter(it -> refs.contains(CompanionRef.of(it)))
        .map(it -> known(it, now, settings))
        .collect(Collectors.toMap(it -> CompanionRef.of(it.companion()), Function.identity()));
  }

  private KnownFacts known(Companion companion, Instant now, Settings settings) {
    CompanionRef ref = CompanionRef.of(companion);
    return KnownFacts.of(
        now,
        settings,
        companion,
        budgets,
        holds.stream()
            .filter(it -> it.getSpec() != null)
            .filter(it -> CompanionRef.of(it).equals(ref))
            .toList());
  }
}
