package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.ContainerBuilder;
import io.fabric8.kubernetes.api.model.LocalObjectReference;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.PodTemplateSpecBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// The Deployment of the guards: what its pods are made from, and what it says of itself.
final class GuardDeployment {
  /// On it: the target's placement and number of nodes at which each guard was last seen to be
  /// where it should be. Counts alone do not show a target that moves from some nodes to as many
  /// others.
  static final String PLACED_FOR = "chaperone.dev/placed-for";

  private GuardDeployment() {}

  /// Of pods, since Kubernetes 1.37; the client has no model of it.
  private static final String RESPONDERS = "evictionResponders";

  /// Of whoever manages a pod, so that others can come before and after.
  private static final int PRIORITY = 10_000;

  /// The pods of the guards.
  ///
  /// @param respond whether they name Chaperone as their responder
  static PodTemplateSpec template(
      Companion companion, GuardSettings settings, DaemonSet target, boolean respond) {
    Map<String, String> labels = labels(companion, settings);
    String priority =
        settings.priorityClass() != null
            ? settings.priorityClass()
            : target.getSpec().getTemplate().getSpec().getPriorityClassName();
    return new PodTemplateSpecBuilder()
        .withNewMetadata()
        .withLabels(labels)
        .withAnnotations(settings.annotations().isEmpty() ? null : settings.annotations())
        .endMetadata()
        .withNewSpec()
        .withSchedulerName("chaperone")
        .withPriorityClassName(priority)
        .withTolerations(Taints.guardTolerations(target))
        .withAutomountServiceAccountToken(false)
        .withEnableServiceLinks(false)
        .withImagePullSecrets(
            settings.pullSecrets().stream().map(LocalObjectReference::new).toList())
        .withNewSecurityContext()
        .withRunAsNonRoot(true)
        // Left to the cluster where it is not set: OpenShift and Rancher give each namespace a
        // range.
        .withRunAsUser(settings.runAsUser())
        .withNewSeccompProfile()
        .withType("RuntimeDefault")
        .endSeccompProfile()
        .endSecurityContext()
        .withContainers(container(settings))
        .addToAdditionalProperties(
            respond
                ? Map.of(
                    RESPONDERS, List.of(Map.of("name", Evictions.RESPONDER, "priority", PRIORITY)))
                : Map.of())
        .endSpec()
        .build();
  }

  /// What guard pods are labelled with, but for what Kubernetes adds.
  static Map<String, String> labels(Companion companion, GuardSettings settings) {
    Map<String, String> labels = new TreeMap<>(settings.labels());
    labels.putAll(Made.MANAGED);
    labels.putAll(Made.guardSelector(companion));
    return labels;
  }

  private static Container container(GuardSettings settings) {
    ContainerBuilder container =
        new ContainerBuilder()
            .withName("guard")
            .withImage(settings.image())
            .withNewSecurityContext()
            .withAllowPrivilegeEscalation(false)
            .withReadOnlyRootFilesystem(true)
            .withNewCapabilities()
            .withDrop("ALL")
            .endCapabilities()
            .endSecurityContext();
    if (!settings.requests().isEmpty() || !settings.limits().isEmpty()) {
      container
          .withNewResources()
          .withRequests(settings.requests())
          .withLimits(settings.limits())
          .endResources();
    }
    return container.build();
  }

  /// Whether guards name a responder. The API server keeps that no longer than it serves Evictions.
  static boolean haveResponder(@Nullable Deployment guards) {
    return guards != null
        && guards
            .getSpec()
            .getTemplate()
            .getSpec()
            .getAdditionalProperties()
            .containsKey(RESPONDERS);
  }

  /// How many guards there should be, as the spec has it.
  static int replicas(Deployment guards) {
    Integer replicas = guards.getSpec().getReplicas();
    return replicas == null ? 1 : replicas;
  }

  static boolean isPaused(Deployment guards) {
    return Boolean.TRUE.equals(guards.getSpec().getPaused());
  }

  /// Whether none of the guards that there are goes with the change, whichever of them run.
  static boolean keepsEveryGuard(Deployment now, Deployment wanted) {
    return isPaused(wanted) && replicas(wanted) >= replicas(now);
  }

  /// For how many nodes the guards were last seen to be where they should be; empty: never, or for
  /// another placement than the target's.
  static OptionalInt placedNodes(Deployment guards, DaemonSet target) {
    String placedFor = placedFor(guards);
    String prefix = placement(target) + "-";
    try {
      return placedFor != null && placedFor.startsWith(prefix)
          ? OptionalInt.of(Integer.parseInt(placedFor.substring(prefix.length())))
          : OptionalInt.empty();
    } catch (NumberFormatException edited) {
      return OptionalInt.empty();
    }
  }

  /// For which placement and number of nodes the guards were last seen to be where they should be;
  /// absent: for none yet.
  static @Nullable String placedFor(@Nullable Deployment guards) {
    return guards == null || guards.getMetadata().getAnnotations() == null
        ? null
        : guards.getMetadata().getAnnotations().get(PLACED_FOR);
  }

  /// A short name for the target's placement and number of nodes.
  static String placementId(DaemonSet target) {
    return placement(target) + "-" + Counts.nodes(target);
  }

  private static String placement(DaemonSet target) {
    return Integer.toHexString(Placement.of(target).hashCode());
  }
}
