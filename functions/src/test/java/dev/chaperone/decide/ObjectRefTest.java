package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Of which objects a change makes a Companion be looked at again.
class ObjectRefTest {
  private static final String COMPANION =
      """
      {"apiVersion": "chaperone.dev/v1alpha1", "kind": "Companion",
       "metadata": {"namespace": "agents", "name": "agent"},
       "spec": {
         "targetRef": {"namespace": "storage", "name": "node"},
         "followerRef": {"name": "agent"},
         "disruption": {
           "policy": "Auto", "protect": ["Pods", "Nodes"], "maxUnavailable": 1, "failurePolicy": "Hold",
           "observe": [
             {"as": "ceph", "apiVersion": "ceph.rook.io/v1", "resource": "cephclusters",
              "scope": "Namespaced", "namespace": "rook-ceph", "name": "rook"},
             {"as": "flag", "apiVersion": "v1", "resource": "configmaps",
              "scope": "Namespaced", "name": "maintenance"}]}}}
      """;

  @ParameterizedTest
  @CsvSource({
    "DaemonSet,storage,node,true",
    "DaemonSet,agents,agent,true",
    "DaemonSet,agents,node,false",
    "DaemonSet,storage,agent,false",
    "Deployment,agents,agent-guards,true",
    "Deployment,storage,agent-guards,false",
    "Pod,agents,whatever,true",
    "Pod,storage,whatever,false",
    "PodDisruptionBudget,agents,of-others,true",
    "PodDisruptionBudget,storage,of-others,false",
    "CephCluster,rook-ceph,rook,true",
    "CephCluster,elsewhere,rook,false",
    "CephCluster,rook-ceph,other,false",
    "ConfigMap,agents,maintenance,true",
    "ConfigMap,storage,maintenance,false",
    // Of what has no namespace, the name says enough: to look once too often does no harm.
    "CephCluster,'',rook,true",
    "Anything,rook-ceph,rook,true",
    "DaemonSet,rook-ceph,rook,true",
  })
  void an_object_concerns_the_companions_that_name_it(
      String kind, String namespace, String name, boolean concerns) {
    assertThat(
            new ObjectRef(kind, namespace, name)
                .concerns(Serialization.unmarshal(COMPANION, Companion.class)))
        .isEqualTo(concerns);
  }

  @ParameterizedTest
  @CsvSource({
    "Deployment,agent-guards,agent",
    "Deployment,agent,",
    "Deployment,-guards,",
    "Pod,agent-guards-5d4f8c7b9-x2x4z,agent",
    "Pod,a-guards-b-guards-5d4f8c7b9-x2x4z,a-guards-b",
    "Pod,agent-guards,",
    "PodDisruptionBudget,agent-nodes,agent",
    "PodDisruptionBudget,agent-pods,agent",
    "PodDisruptionBudget,agent-held,agent",
    "PodDisruptionBudget,of-others,",
    "DaemonSet,agent-guards,",
  })
  void what_chaperone_makes_has_the_name_of_its_companion(
      String kind, String name, @Nullable String companion) {
    assertThat(new ObjectRef(kind, "agents", name).madeFor())
        .isEqualTo(Optional.ofNullable(companion).map(it -> new CompanionRef("agents", it)));
  }

  @Test
  void a_target_without_a_namespace_is_in_the_companions_own() {
    Companion companion = new World().snapshot().companion();

    assertThat(new ObjectRef("DaemonSet", "storage", "node").concerns(companion)).isTrue();
    assertThat(new ObjectRef("DaemonSet", "default", "node").concerns(companion)).isFalse();
  }
}
