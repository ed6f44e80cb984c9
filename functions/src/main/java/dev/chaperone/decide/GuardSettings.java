package dev.chaperone.decide;

import io.fabric8.kubernetes.api.model.Quantity;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// How the installation wants guard pods to look, beside what makes them guards.
///
/// @param image what they run: does nothing for as long as it is let
/// @param labels and annotations besides Chaperone's own, for cost and policy engines
/// @param requests of the container; none by default, because a kubelet short of CPU would refuse
///     the guard. With some, a guard is no longer the first to go when memory runs out
/// @param limits of the container
/// @param pullSecrets names of Secrets in the Companion's namespace
/// @param priorityClass absent: the target's
/// @param runAsUser absent: as the image or the cluster says, which OpenShift and Rancher insist on
public record GuardSettings(
    String image,
    Map<String, String> labels,
    Map<String, String> annotations,
    Map<String, Quantity> requests,
    Map<String, Quantity> limits,
    List<String> pullSecrets,
    @Nullable String priorityClass,
    @Nullable Long runAsUser) {

  /// With nothing but an image.
  public static GuardSettings of(String image) {
    return new GuardSettings(image, Map.of(), Map.of(), Map.of(), Map.of(), List.of(), null, null);
  }
}
