package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Installed;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// The Job of `triggers/examples/cluster-api`: the script as it is shipped, with the rights that it
/// is shipped with, each time as a CloudEvent would start it, on Machines that have Cluster API's
/// fields and no Cluster API. Skipped where a program that the script calls is not installed.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class PreDrainHooksIT {
  private static final Path EXAMPLE =
      Path.of(
          System.getProperty("chaperone.home"),
          "triggers/examples/cluster-api/pre-drain-hooks.yaml");
  private static final Path CRD = Path.of("src/test/resources/cluster-api/machine-crd.yaml");
  private static final String HOOKS = "pre-drain.delete.hook.machine.cluster.x-k8s.io/";
  private static final String HELD = HOOKS + "chaperone=machines/agent";
  private static final String ANOTHER = HOOKS + "backup=somebody";

  private Installation chaperone;

  @Test
  void machines_of_blocked_nodes_have_a_hook_until_the_drain_is_allowed() throws IOException {
    Monitoring.require(Installed.JQ);
    PodScript job = install();
    try (Scene scene = new Scene(chaperone, "machines", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      machine("m1", "mine", scene.node(1));
      machine("m2", "mine", scene.node(2));
      machine("not-a-node-yet", "mine", null);
      machine("of-another-cluster", "other", scene.node(1));
      lab().kubectl("annotate", "machine", "m1", "-n", "clusters", ANOTHER).orFail();
      run(job);
      assertThat(hooks("m1")).containsExactly(ANOTHER);
      assertThat(hooks("m2")).isEmpty();

      scene.hold("rebuild");
      scene.tellUntil("rebuild", "False Hold");
      run(job);
      assertThat(hooks("m1")).containsExactlyInAnyOrder(ANOTHER, HELD);
      assertThat(hooks("m2")).containsExactly(HELD);
      assertThat(hooks("not-a-node-yet")).isEmpty();
      assertThat(hooks("of-another-cluster")).isEmpty();

      // The same again writes nothing.
      String version = metadata("m2").getResourceVersion();
      run(job);
      assertThat(metadata("m2").getResourceVersion()).isEqualTo(version);

      scene.release("rebuild");
      scene.tellUntil("rebuild", "True NothingHolds");
      run(job);
      assertThat(hooks("m1")).containsExactly(ANOTHER);
      assertThat(hooks("m2")).isEmpty();

      // While one node is out, the Machine of the other has a hook, and its own has none.
      assertThat(scene.drain(1).await(Scene.LONG).exit()).isZero();
      await("the node is out")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.condition("DisruptionAllowed").equals("False MaxUnavailableReached");
              });
      run(job);
      assertThat(hooks("m1")).containsExactly(ANOTHER);
      assertThat(hooks("m2")).containsExactly(HELD);

      // Without the Companion there is nothing to hold for.
      lab().kubectl("delete", "companion", "agent", "-n", "machines").orFail();
      run(job);
      assertThat(hooks("m2")).isEmpty();
    } finally {
      lab().kubectl("delete", "-f", CRD.toString()).orFail();
    }
  }

  private PodScript install() throws IOException {
    lab().apply(CRD);
    await("the kind").atMost(Scene.LONG).until(() -> lab().kubectl("get", "machines").exit() == 0);
    lab().apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: clusters}");
    return PodScript.install(lab(), EXAMPLE);
  }

  private void run(PodScript job) {
    job.run(lab(), Map.of("CLUSTER_NAMESPACE", "clusters", "CLUSTER", "mine")).orFail();
  }

  /// @param node absent: Cluster API does not know it yet
  private void machine(String name, String cluster, @Nullable String node) {
    lab()
        .apply(
            """
            apiVersion: cluster.x-k8s.io/v1beta2
            kind: Machine
            metadata: {name: %1$s, namespace: clusters, labels: {cluster.x-k8s.io/cluster-name: %2$s}}
            spec: {clusterName: %2$s, bootstrap: {}, infrastructureRef: {}}
            """
                .formatted(name, cluster));
    if (node != null) {
      lab()
          .kubectl(
              "patch",
              "machine",
              name,
              "-n",
              "clusters",
              "--subresource=status",
              "--type=merge",
              "-p",
              "{\"status\": {\"nodeRef\": {\"name\": \"%s\"}}}".formatted(node))
          .orFail();
    }
  }

  /// The pre-drain hooks of a Machine, as `name=owner`.
  private List<String> hooks(String machine) {
    Map<String, String> annotations = metadata(machine).getAnnotations();
    return annotations == null
        ? List.of()
        : annotations.entrySet().stream()
            .filter(it -> it.getKey().startsWith(HOOKS))
            .map(it -> it.getKey() + "=" + it.getValue())
            .toList();
  }

  private ObjectMeta metadata(String machine) {
    return lab()
        .client()
        .genericKubernetesResources("cluster.x-k8s.io/v1beta2", "Machine")
        .inNamespace("clusters")
        .withName(machine)
        .require()
        .getMetadata();
  }

  private Lab lab() {
    return chaperone.lab();
  }
}
