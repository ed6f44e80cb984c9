package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Pod;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The Evictions of `lifecycle.k8s.io` (KEP-4563) that name Chaperone as a responder.
///
/// @param served whether the API server has such a kind; if not, or if that is not known, guards
///     are given no responder
/// @param objects those of the Companion's namespace
/// @param targets the pods that they may be about, as far as they exist
public record Evictions(
    boolean served, List<GenericKubernetesResource> objects, List<Pod> targets) {

  /// There are none, or they could not be read.
  public static final Evictions NONE = new Evictions(false, List.of(), List.of());

  /// The name of the responder, on guards. Each Eviction has it as the key of a label.
  public static final String RESPONDER = "chaperone.dev/guard";

  /// The values that this label may have.
  public static final List<String> ROLES = List.of("responder", "requester-responder");

  /// One that waits for an answer.
  ///
  /// @param guard its target
  /// @param index where the responder's entry is in its status
  /// @param entry this entry
  record Waiting(
      GenericKubernetesResource object, Pod guard, int index, Map<String, Object> entry) {

    @Nullable String text(String field) {
      return entry.get(field) instanceof String text ? text : null;
    }
  }

  /// Those that wait for an answer about a guard of this Companion. Anybody can make pods that name
  /// the responder: only a guard has an answer.
  List<Waiting> waiting(CompanionRef companion) {
    return objects.stream().flatMap(it -> waiting(it, companion).stream()).toList();
  }

  /// Names of the targets of those that wait for an answer.
  public static List<String> targetsOf(List<GenericKubernetesResource> objects) {
    return objects.stream()
        .filter(Evictions::isActive)
        .flatMap(it -> Stream.ofNullable(it.<String>get("spec", "target", "pod", "name")))
        .distinct()
        .toList();
  }

  private Optional<Waiting> waiting(GenericKubernetesResource object, CompanionRef companion) {
    List<Map<String, Object>> entries = list(object, "responders");
    String uid = object.get("spec", "target", "pod", "uid");
    return targets.stream()
        .filter(pod -> uid != null && uid.equals(pod.getMetadata().getUid()))
        .filter(pod -> Made.isGuard(pod, companion))
        .filter(pod -> !Roster.isTerminating(pod) && !Roster.isEnded(pod))
        .findFirst()
        .filter(_ -> isActive(object))
        .flatMap(
            guard ->
                IntStream.range(0, entries.size())
                    .filter(it -> RESPONDER.equals(entries.get(it).get("name")))
                    .mapToObj(it -> new Waiting(object, guard, it, entries.get(it)))
                    .filter(it -> it.text("completionTime") == null)
                    .findFirst());
  }

  /// Whether it is the responder's turn.
  private static boolean isActive(GenericKubernetesResource object) {
    return list(object, "targetResponders").stream()
        .anyMatch(it -> RESPONDER.equals(it.get("name")) && "Active".equals(it.get("state")));
  }

  private static List<Map<String, Object>> list(GenericKubernetesResource object, String field) {
    List<Map<String, Object>> list = object.get("status", field);
    return list == null ? List.of() : list;
  }
}
