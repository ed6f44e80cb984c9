package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// What came of changes.
///
/// @param stored created and replaced objects, as the API server has them now
/// @param refused what it refused
public record Written(List<HasMetadata> stored, List<Refusal> refused) {
  public static final Written NOTHING = new Written(List.of(), List.of());

  /// A change that the API server refused, and why.
  ///
  /// @param permanent whether the same change would be refused tomorrow as well, unless somebody
  ///     does something
  public record Refusal(Change change, String message, boolean permanent) {}

  /// What may succeed when it is tried again; empty if nothing failed like that.
  public Optional<String> transientFailure() {
    return refused.stream().filter(it -> !it.permanent()).map(Refusal::message).findFirst();
  }

  /// This and what was written after it.
  public Written and(Written later) {
    return new Written(
        Stream.concat(stored.stream(), later.stored.stream()).toList(),
        Stream.concat(refused.stream(), later.refused.stream()).toList());
  }

  /// The object of this type and name, as it was stored last.
  <T extends HasMetadata> Optional<T> stored(Class<T> type, String name) {
    return stored.stream()
        .filter(type::isInstance)
        .map(type::cast)
        .filter(it -> it.getMetadata().getName().equals(name))
        .reduce((_, last) -> last);
  }

  /// The budgets of one namespace that were seen, those as they are now that were written since.
  List<PodDisruptionBudget> over(List<PodDisruptionBudget> seen) {
    return stored.isEmpty()
        ? seen
        : seen.stream()
            .map(it -> stored(PodDisruptionBudget.class, it.getMetadata().getName()).orElse(it))
            .toList();
  }

  /// Whether a write of this object was refused: what was not taken a moment ago is not tried again
  /// in the same run, which would only use up its time.
  public boolean hasRefused(Change change) {
    HasMetadata object = change.object();
    return refused.stream()
        .map(it -> it.change().object())
        .anyMatch(
            it ->
                it.getKind().equals(object.getKind())
                    && it.getMetadata().getName().equals(object.getMetadata().getName()));
  }

  /// The words with which the write of this object was refused last.
  <T extends HasMetadata> Optional<String> refusal(Class<T> type, String name) {
    return refused.stream()
        .filter(it -> type.isInstance(it.change().object()))
        .filter(it -> it.change().object().getMetadata().getName().equals(name))
        .map(Refusal::message)
        .reduce((_, last) -> last);
  }
}
