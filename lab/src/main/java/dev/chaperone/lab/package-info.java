/// A real control plane with Knative for JUnit, without containers. etcd, API server, controller
/// manager, scheduler, kubectl and Knative Eventing are the real programs, built once per machine
/// from pinned Go modules; RBAC, tokens and the audit log are on. KWOK plays the kubelets: a pod
/// that is bound to a node becomes Ready, whatever its image. A cluster starts within seconds, any
/// number run at once, and nothing of them outlives the JVM.
///
/// A test takes a [Lab] as a parameter, or `Eventing` of the package `knative`: Knative on it.
///
/// ```java
/// import static org.assertj.core.api.Assertions.assertThat;
/// import static org.awaitility.Awaitility.await;
///
/// import dev.chaperone.lab.controlplane.ApiCall;
/// import dev.chaperone.lab.junit.LabExtension;
/// import dev.chaperone.lab.programs.Kubectl;
/// import java.time.Duration;
/// import java.util.Map;
/// import org.junit.jupiter.api.Test;
/// import org.junit.jupiter.api.extension.ExtendWith;
///
/// @ExtendWith(LabExtension.class)
/// class LabExampleIT {
///   private static final Duration PATIENCE = Duration.ofSeconds(60);
///
///   @Test
///   void a_budget_blocks_a_drain_until_it_is_deleted(Lab lab) {
///     lab.addNode("web-node", Map.of("pool", "web"));
///     lab.apply(
///         """
///         apiVersion: apps/v1
///         kind: Deployment
///         metadata: {name: web, namespace: default}
///         spec:
///           selector: {matchLabels: {app: web}}
///           template:
///             metadata: {labels: {app: web}}
///             spec:
///               nodeSelector: {pool: web}
///               containers: [{name: web, image: never-pulled}]
///         ---
///         apiVersion: policy/v1
///         kind: PodDisruptionBudget
///         metadata: {name: web, namespace: default}
///         spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
///         """);
///     lab.kubectl("rollout", "status", "deployment/web", "--timeout=60s").orFail();
///
///     try (Kubectl drain = lab.startKubectl("drain", "web-node")) {
///       await().atMost(PATIENCE).until(() -> drain.err().contains("disruption budget"));
///       assertThat(drain.isRunning()).isTrue();
///
///       lab.kubectl("delete", "pdb", "web").orFail();
///       drain.await(PATIENCE).orFail();
///     }
///
///     await()
///         .atMost(PATIENCE)
///         .untilAsserted(
///             () ->
///                 assertThat(lab.apiCalls())
///                     .filteredOn(call -> call.subresource().equals("eviction"))
///                     .filteredOn(call -> call.name().startsWith("web-"))
///                     .extracting(ApiCall::code)
///                     .contains(429)
///                     .endsWith(201));
///   }
/// }
/// ```
///
/// Its neighborhoods: `programs`, `controlplane`, `net`, `knative`, `monitoring`, real `nodes`,
/// `junit` and `cli`. They know nothing of the project that keeps them.
@NullMarked
package dev.chaperone.lab;

import org.jspecify.annotations.NullMarked;
