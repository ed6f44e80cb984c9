package dev.chaperone.lab;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.controlplane.UsedRight;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.ServerProcess;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.ServiceAccountBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LabExtension.class)
class LabIT {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final Lab lab;
  private final KubernetesClient client;

  LabIT(Lab lab) {
    this.lab = lab;
    this.client = lab.client();
  }

  @Test
  void the_pods_of_a_daemon_set_turn_ready_on_added_nodes() {
    lab.addNode("lab-a", Map.of("pool", "lab"));
    lab.addNode("lab-b", Map.of("pool", "lab"));
    client
        .resource(
            new DaemonSetBuilder()
                .withMetadata(named("agent"))
                .withNewSpec()
                .withNewSelector()
                .addToMatchLabels("app", "agent")
                .endSelector()
                .withNewTemplate()
                .withNewMetadata()
                .addToLabels("app", "agent")
                .endMetadata()
                .withNewSpec()
                .addToNodeSelector("pool", "lab")
                .addNewContainer()
                .withName("agent")
                .withImage("lab/none")
                .endContainer()
                .endSpec()
                .endTemplate()
                .endSpec()
                .build())
        .create();

    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () ->
                assertThat(
                        client
                            .apps()
                            .daemonSets()
                            .inNamespace("default")
                            .withName("agent")
                            .get()
                            .getStatus()
                            .getNumberReady())
                    .isEqualTo(2));
  }

  @Test
  void a_call_appears_in_the_audit_log_under_the_name_of_its_caller() {
    client.resource(new ServiceAccountBuilder().withMetadata(named("reader")).build()).create();

    try (KubernetesClient reader = lab.client("default", "reader")) {
      assertThatThrownBy(
              () -> reader.configMaps().inNamespace("default").withName("secret-plan").get())
          .isInstanceOf(KubernetesClientException.class);
    }

    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () ->
                assertThat(lab.apiCalls())
                    .anySatisfy(
                        call -> {
                          assertThat(call.user()).isEqualTo("system:serviceaccount:default:reader");
                          assertThat(call.verb()).isEqualTo("get");
                          assertThat(call.resource()).isEqualTo("configmaps");
                          assertThat(call.name()).isEqualTo("secret-plan");
                          assertThat(call.code()).isEqualTo(403);
                        }));
  }

  @Test
  void an_apply_that_makes_an_object_uses_two_rights_and_a_refusal_none() {
    client.resource(new ServiceAccountBuilder().withMetadata(named("maker")).build()).create();
    lab.kubectl(
            "create",
            "clusterrolebinding",
            "maker",
            "--clusterrole=admin",
            "--serviceaccount=default:maker")
        .orFail();

    try (KubernetesClient maker = lab.client("default", "maker")) {
      maker.resource(new ConfigMapBuilder().withMetadata(named("made")).build()).serverSideApply();
      assertThatThrownBy(() -> maker.nodes().list()).isInstanceOf(KubernetesClientException.class);
    }

    String user = "system:serviceaccount:default:maker";
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () ->
                assertThat(lab.auditLog().rights())
                    .filteredOn(right -> right.user().equals(user))
                    .containsExactlyInAnyOrder(
                        new UsedRight(user, "patch", "", "configmaps", "", true),
                        new UsedRight(user, "create", "", "configmaps", "", true),
                        new UsedRight(user, "list", "", "nodes", "", false)));
  }

  @Test
  void kubectl_says_how_it_ended() {
    assertThat(lab.kubectl("get", "namespace", "default", "-o", "name").orFail().out().strip())
        .isEqualTo("namespace/default");
    assertThat(lab.kubectl("get", "namespace", "nowhere").exit()).isNotZero();
  }

  @Test
  void a_long_run_of_kubectl_can_be_watched_and_ended() {
    try (Kubectl watch = lab.startKubectl("get", "namespace", "default", "--watch", "-o", "name")) {
      await().atMost(PATIENCE).until(() -> watch.out().contains("namespace/default"));
      assertThat(watch.isRunning()).isTrue();
      watch.destroy();
      assertThat(watch.await(PATIENCE).exit()).isNotZero();
    }
  }

  @Test
  void the_api_server_comes_back_with_its_data() {
    client.resource(new ConfigMapBuilder().withMetadata(named("kept")).build()).create();
    ServerProcess apiServer = lab.apiServerProcess();

    apiServer.stop();
    assertThat(apiServer.isRunning()).isFalse();
    assertThat(lab.kubectl("get", "configmap", "kept").exit()).isNotZero();
    apiServer.start();

    assertThat(client.configMaps().inNamespace("default").withName("kept").get()).isNotNull();
  }

  @Test
  void a_frozen_api_server_answers_after_it_is_resumed() {
    lab.apiServerProcess().pause();
    try (Kubectl get = lab.startKubectl("get", "namespace", "default", "-o", "name")) {
      assertThat(get.isRunning()).isTrue();
      lab.apiServerProcess().resume();
      assertThat(get.await(PATIENCE).exit()).isZero();
    } finally {
      lab.apiServerProcess().resume();
    }
  }

  private static ObjectMeta named(String name) {
    return new ObjectMetaBuilder().withName(name).withNamespace("default").build();
  }
}
