package dev.chaperone.lab.peer;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.NodeAffinity;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSetStatus;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What there should be for one Companion: the objects that Chaperone makes, under the same names.
final class Desired {
  static final String LABEL = "chaperone.dev/companion";
  static final Map<String, String> MANAGED = Map.of("app.kubernetes.io/managed-by", "chaperone");
  private static final int MORE_THAN_ALL = Integer.MAX_VALUE;

  private Desired() {}

  static Map<String, String> guardLabels(Companion companion) {
    return Map.of("app.kubernetes.io/component", "guard", LABEL, companion.getMetadata().getName());
  }

  static int nodes(DaemonSet daemonSet) {
    return Optional.ofNullable(daemonSet.getStatus()).stream().mapToInt(Desired::scheduled).sum();
  }

  private static int scheduled(DaemonSetStatus status) {
    return orZero(status.getDesiredNumberScheduled()) + orZero(status.getNumberMisscheduled());
  }

  static PodDisruptionBudget nodesBudget(Companion companion, boolean held) {
    return new PodDisruptionBudgetBuilder()
        .withMetadata(metadata(companion, "-nodes"))
        .withNewSpec()
        .withNewSelector()
        .withMatchLabels(guardLabels(companion))
        .endSelector()
        .withMaxUnavailable(
            held ? new IntOrString(0) : companion.getSpec().disruption().maxUnavailable())
        .withUnhealthyPodEvictionPolicy(evictionOfUnhealthy(held))
        .endSpec()
        .build();
  }

  static PodDisruptionBudget podsBudget(Companion companion, DaemonSet follower, boolean held) {
    int pods = nodes(follower);
    return new PodDisruptionBudgetBuilder()
        .withMetadata(metadata(companion, "-pods"))
        .withNewSpec()
        .withSelector(follower.getSpec().getSelector())
        .withMinAvailable(
            new IntOrString(
                held
                    ? MORE_THAN_ALL
                    : Math.max(
                        0, pods - scaled(companion.getSpec().disruption().maxUnavailable(), pods))))
        .withUnhealthyPodEvictionPolicy(evictionOfUnhealthy(held))
        .endSpec()
        .build();
  }

  private static String evictionOfUnhealthy(boolean held) {
    return held ? "IfHealthyBudget" : "AlwaysAllow";
  }

  static Deployment guards(Companion companion, DaemonSet target, int replicas) {
    return new DeploymentBuilder()
        .withMetadata(metadata(companion, "-guards"))
        .withNewSpec()
        .withReplicas(replicas)
        .withNewSelector()
        .withMatchLabels(guardLabels(companion))
        .endSelector()
        .withNewTemplate()
        .withNewMetadata()
        .addToLabels(MANAGED)
        .addToLabels(guardLabels(companion))
        .endMetadata()
        .withNewSpec()
        .withSchedulerName("chaperone")
        .withPriorityClassName(target.getSpec().getTemplate().getSpec().getPriorityClassName())
        .addNewToleration()
        .withKey("node.kubernetes.io/not-ready")
        .withOperator("Exists")
        .withEffect("NoExecute")
        .endToleration()
        .addNewToleration()
        .withKey("node.kubernetes.io/unreachable")
        .withOperator("Exists")
        .withEffect("NoExecute")
        .endToleration()
        .withAutomountServiceAccountToken(false)
        .withEnableServiceLinks(false)
        .addNewContainer()
        .withName("guard")
        .withImage("registry.k8s.io/pause:3.10.1")
        .endContainer()
        .endSpec()
        .endTemplate()
        .endSpec()
        .build();
  }

  /// Whether both run on the same nodes, as far as their templates say.
  static boolean samePlacement(DaemonSet target, DaemonSet follower) {
    PodSpec wanted = podSpec(target);
    PodSpec actual = podSpec(follower);
    return Objects.equals(wanted.getNodeSelector(), actual.getNodeSelector())
        && Objects.equals(nodeAffinity(wanted), nodeAffinity(actual))
        && Objects.equals(wanted.getTolerations(), actual.getTolerations());
  }

  /// The target's placement, for server-side apply to the follower and to nothing else.
  static DaemonSet placement(DaemonSet target, DaemonSet follower) {
    PodSpec wanted = podSpec(target);
    NodeAffinity affinity = nodeAffinity(wanted);
    return new DaemonSetBuilder()
        .withNewMetadata()
        .withNamespace(follower.getMetadata().getNamespace())
        .withName(follower.getMetadata().getName())
        .withUid(follower.getMetadata().getUid())
        .endMetadata()
        .withNewSpec()
        .withNewTemplate()
        .withNewSpec()
        .withNodeSelector(wanted.getNodeSelector())
        .withAffinity(affinity == null ? null : new Affinity(affinity, null, null))
        .withTolerations(wanted.getTolerations())
        .endSpec()
        .endTemplate()
        .endSpec()
        .build();
  }

  private static @Nullable NodeAffinity nodeAffinity(PodSpec spec) {
    return spec.getAffinity() == null ? null : spec.getAffinity().getNodeAffinity();
  }

  private static PodSpec podSpec(DaemonSet daemonSet) {
    return daemonSet.getSpec().getTemplate().getSpec();
  }

  private static int scaled(IntOrString number, int total) {
    return number.getStrVal() == null
        ? number.getIntVal()
        : Math.ceilDiv(Integer.parseInt(number.getStrVal().replace("%", "")) * total, 100);
  }

  private static int orZero(@Nullable Integer number) {
    return number == null ? 0 : number;
  }

  private static ObjectMeta metadata(Companion companion, String suffix) {
    return new ObjectMetaBuilder()
        .withNamespace(companion.getMetadata().getNamespace())
        .withName(companion.getMetadata().getName() + suffix)
        .addToLabels(MANAGED)
        .addToLabels(LABEL, companion.getMetadata().getName())
        .addNewOwnerReference()
        .withApiVersion(companion.getApiVersion())
        .withKind(companion.getKind())
        .withName(companion.getMetadata().getName())
        .withUid(companion.getMetadata().getUid())
        .withController(true)
        .withBlockOwnerDeletion(false)
        .endOwnerReference()
        .build();
  }
}
