package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.LocalObjectReference;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/// What the settings of an installation make of the guards.
class GuardSettingsTest {
  private static final GuardSettings EVERYTHING =
      new GuardSettings(
          "mirror.example.com/pause:3",
          Map.of("cost-center", "storage", "app.kubernetes.io/managed-by", "somebody"),
          Map.of("sidecar.istio.io/inject", "false"),
          Map.of("cpu", new Quantity("1m")),
          Map.of("memory", new Quantity("16Mi")),
          List.of("mirror", "other"),
          "platform",
          1000700000L);

  private final World world = new World().nodes(2);

  @Test
  void with_nothing_but_an_image_the_cluster_chooses_user_and_resources() {
    world.settle();

    PodSpec pod = template().getSpec();
    assertThat(pod.getSecurityContext().getRunAsUser()).isNull();
    assertThat(pod.getSecurityContext().getRunAsNonRoot()).isTrue();
    assertThat(pod.getImagePullSecrets()).isEmpty();
    assertThat(pod.getPriorityClassName()).isNull();
    assertThat(container().getImage()).isEqualTo("guard:1");
    assertThat(container().getResources()).isNull();
    assertThat(container().getSecurityContext().getRunAsUser()).isNull();
    assertThat(template().getMetadata().getAnnotations()).isNullOrEmpty();
  }

  @Test
  void every_setting_is_in_the_template() {
    world.settings = EVERYTHING;
    world.settle();

    PodSpec pod = template().getSpec();
    assertThat(pod.getSecurityContext().getRunAsUser()).isEqualTo(1000700000L);
    assertThat(pod.getImagePullSecrets())
        .extracting(LocalObjectReference::getName)
        .containsExactly("mirror", "other");
    assertThat(pod.getPriorityClassName()).isEqualTo("platform");
    assertThat(container().getImage()).isEqualTo("mirror.example.com/pause:3");
    assertThat(container().getResources().getRequests())
        .isEqualTo(Map.of("cpu", new Quantity("1m")));
    assertThat(container().getResources().getLimits())
        .isEqualTo(Map.of("memory", new Quantity("16Mi")));
    assertThat(template().getMetadata().getAnnotations())
        .isEqualTo(Map.of("sidecar.istio.io/inject", "false"));
    assertThat(template().getMetadata().getLabels()).containsEntry("cost-center", "storage");
  }

  @Test
  void no_setting_takes_from_a_guard_what_makes_it_one() {
    world.settings = EVERYTHING;
    world.settle();

    assertThat(template().getMetadata().getLabels())
        .containsAllEntriesOf(Made.MANAGED)
        .containsAllEntriesOf(Made.guardSelector(world.companion))
        .containsAllEntriesOf(guards().getSpec().getSelector().getMatchLabels());
    // What restricted Pod Security asks for.
    assertThat(template().getSpec().getSecurityContext().getRunAsNonRoot()).isTrue();
    assertThat(template().getSpec().getSecurityContext().getSeccompProfile().getType())
        .isEqualTo("RuntimeDefault");
    assertThat(container().getSecurityContext().getAllowPrivilegeEscalation()).isFalse();
    assertThat(container().getSecurityContext().getCapabilities().getDrop()).containsExactly("ALL");
    assertThat(template().getSpec().getAutomountServiceAccountToken()).isFalse();
    assertThat(template().getSpec().getSchedulerName()).isEqualTo("chaperone");
  }

  @Test
  void the_targets_priority_counts_unless_the_installation_has_its_own() {
    world.target().getSpec().getTemplate().getSpec().setPriorityClassName("system-node-critical");
    world.settle();
    assertThat(template().getSpec().getPriorityClassName()).isEqualTo("system-node-critical");

    world.settings = EVERYTHING;
    world.settle();
    assertThat(template().getSpec().getPriorityClassName()).isEqualTo("platform");
  }

  @Test
  void a_setting_that_is_taken_back_is_taken_from_the_guards() {
    world.settings = EVERYTHING;
    world.settle();

    world.settings = GuardSettings.of("guard:1");
    world.settle();

    assertThat(template()).isEqualTo(new GuardSettingsTest().settled());
    assertThat(world.guardedNodes()).hasSize(2);
    assertThat(world.decide().changes()).isEmpty();
  }

  private PodTemplateSpec settled() {
    world.settle();
    return template();
  }

  private Container container() {
    return template().getSpec().getContainers().getFirst();
  }

  private PodTemplateSpec template() {
    return guards().getSpec().getTemplate();
  }

  private Deployment guards() {
    return Objects.requireNonNull(world.guards);
  }
}
