package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.Room;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Decision;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Roster;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Written;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.utils.Serialization;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import jakarta.inject.Inject;
import java.time.Duration;
import java.time.Instant;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// Of pods, nodes and pod templates only parts are read. Here objects that have everything are read
/// once so, by the functions' own reader, and once in full, by the lab's client: what a decision
/// looks at is the same, and so is the decision.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class WhatIsSeenIT {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Installation chaperone;

  @Inject ClusterReader reader;

  @Test
  void of_everything_that_is_read_in_part_nothing_is_missing() throws LostRace {
    try (Scene scene = new Scene(chaperone, "seen", 5)) {
      everything(scene);

      Snapshot seen = read(scene, Occasion.PULSE);
      Snapshot full = inFull(seen, scene);

      assertThat(seen.roster().complete()).isTrue();
      assertThat(placement(seen.target())).isEqualTo(placement(full.target()));
      assertThat(placement(seen.follower())).isEqualTo(placement(full.follower()));
      assertThat(json(seen.target())).isEqualTo(json(full.target()));
      assertThat(json(seen.guards())).isEqualTo(json(full.guards()));
      // Those of other scenes may go while this one is looked at.
      List<Node> nodes =
          seen.roster().nodes().values().stream()
              .filter(it -> full.roster().nodes().containsKey(it.getMetadata().getName()))
              .toList();
      assertThat(views(nodes, WhatIsSeenIT::view))
          .hasSize(5)
          .isEqualTo(views(full.roster().nodes().values(), WhatIsSeenIT::view));
      assertThat(views(seen.roster().targetPods(), WhatIsSeenIT::view))
          .hasSize(5)
          .isEqualTo(views(full.roster().targetPods(), WhatIsSeenIT::view));
      assertThat(views(seen.roster().guards(), WhatIsSeenIT::view))
          .isEqualTo(views(full.roster().guards(), WhatIsSeenIT::view));
      assertThat(views(seen.notRunning(), WhatIsSeenIT::view))
          .hasSizeGreaterThanOrEqualTo(2)
          .isEqualTo(views(full.notRunning(), WhatIsSeenIT::view));

      // So that the comparison is about something.
      assertThat(views(seen.notRunning(), WhatIsSeenIT::view).toString())
          .contains("ImagePullBackOff")
          .contains("OutOfpods");
      assertThat(views(nodes, WhatIsSeenIT::view).toString())
          .contains("unschedulable=true")
          .contains("maintenance");
    }
  }

  @Test
  void what_is_decided_on_parts_is_what_is_decided_on_everything() throws LostRace {
    try (Scene scene = new Scene(chaperone, "decided", 5)) {
      everything(scene);

      Snapshot seen = read(scene, Occasion.PULSE);
      List<String> decided = decisions(seen);

      assertThat(decided).isEqualTo(decisions(inFull(seen, scene)));
      assertThat(String.join("\n", decided))
          .contains("Delete Pod")
          .contains("ImagePullBackOff: no such image");
    }
  }

  /// DaemonSets with everything set, a cordoned and a tainted node; a guard that cannot start, and
  /// one that was refused.
  private void everything(Scene scene) {
    scene.apply(
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: target, namespace: %1$s, labels: {a: b}, annotations: {c: d}}
        spec:
          selector: {matchLabels: {app: target}}
          template:
            metadata: {labels: {app: target, more: labels}, annotations: {some: thing}}
            spec:
              hostNetwork: true
              priorityClassName: system-node-critical
              nodeSelector: {pool: %1$s, kubernetes.io/os: linux}
              tolerations:
              - {operator: Exists}
              - {key: gpu, operator: Equal, value: "true", effect: NoExecute, tolerationSeconds: 60}
              affinity:
                nodeAffinity:
                  requiredDuringSchedulingIgnoredDuringExecution:
                    nodeSelectorTerms:
                    - matchExpressions: [{key: pool, operator: In, values: [%1$s]}]
                  preferredDuringSchedulingIgnoredDuringExecution:
                  - weight: 7
                    preference: {matchExpressions: [{key: zone, operator: Exists}]}
                podAntiAffinity:
                  preferredDuringSchedulingIgnoredDuringExecution:
                  - weight: 1
                    podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {app: other}}}
              serviceAccountName: default
              terminationGracePeriodSeconds: 3600
              volumes: [{name: dev, hostPath: {path: /dev}}, {name: tmp, emptyDir: {sizeLimit: 1Mi}}]
              initContainers: [{name: init, image: none}]
              containers:
              - name: main
                image: none
                env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
                resources: {requests: {cpu: 10m, memory: 1Mi}, limits: {memory: 1Gi}}
                livenessProbe: {httpGet: {path: /, port: 80}}
                volumeMounts: [{name: dev, mountPath: /dev}]
                securityContext: {readOnlyRootFilesystem: true}
        """
            .formatted(scene.name));
    scene.daemonSet("follower", "{zone: a}");
    scene.awaitPods("target", 5);
    scene.companion("{protect: [Nodes]}");
    await("guards")
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.pulse();
              return scene.guardedNodes().size() == 5;
            });
    scene.awaitCounted();
    kubectl("cordon", scene.node(2));
    await("the taint of a cordoned node")
        .atMost(Scene.LONG)
        .until(
            () -> !client().nodes().withName(scene.node(2)).get().getSpec().getTaints().isEmpty());
    kubectl("taint", "node", scene.node(3), "maintenance=now:NoSchedule", "gpu=true:NoExecute");
    report(
        on(scene, "app.kubernetes.io/component", "guard", 4).getFirst(),
        """
        {"status": {"phase": "Pending", "conditions": [{"type": "Ready", "status": "False"}],
          "containerStatuses": [{"name": "guard", "image": "none", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}}
        """);
    report(
        on(scene, "app.kubernetes.io/component", "guard", 5).getFirst(),
        """
        {"status": {"phase": "Failed", "reason": "OutOfpods", "message": "node is full"}}
        """);
    await("a guard in the place of the refused one")
        .atMost(Scene.LONG)
        .until(() -> scene.guards().size() == 6);
  }

  private Snapshot read(Scene scene, Occasion occasion) throws LostRace {
    CompanionRef ref = new CompanionRef(scene.name, "agent");
    Deadline deadline = Deadline.in(Duration.ofMinutes(1));
    KnownFacts known = reader.knownFacts(ref, Instant.now(), deadline).orElseThrow();
    return reader.read(known, occasion, new Room(1).place(), deadline);
  }

  /// The same with every object that is read in part as the API server has it.
  private Snapshot inFull(Snapshot seen, Scene scene) {
    Map<String, Pod> pods =
        client().pods().inNamespace(scene.name).list().getItems().stream()
            .collect(Collectors.toMap(it -> it.getMetadata().getName(), Function.identity()));
    DaemonSet target = scene.daemonSet("target");
    Roster roster =
        new Roster(
            true,
            client().nodes().withLabel("pool", scene.name).list().getItems().stream()
                .collect(Collectors.toMap(it -> it.getMetadata().getName(), Function.identity())),
            pods.values().stream()
                .filter(
                    pod ->
                        pod.getMetadata().getOwnerReferences().stream()
                            .anyMatch(it -> it.getUid().equals(target.getMetadata().getUid())))
                .toList(),
            scene.guards(),
            List.of());
    return new Snapshot(
        seen.now(),
        seen.settings(),
        seen.pulse(),
        seen.budgets(),
        seen.companion(),
        seen.rivals(),
        target,
        scene.daemonSet("follower"),
        client().apps().deployments().inNamespace(scene.name).withName("agent-guards").get(),
        seen.holds(),
        seen.observed(),
        scene.guards().stream()
            .filter(pod -> !"Running".equals(pod.getStatus().getPhase()))
            .toList(),
        seen.placed(),
        seen.evictions(),
        roster);
  }

  /// Everything of a pod template that a decision asks for.
  private static Map<String, Object> placement(DaemonSet daemonSet) {
    PodSpec pod = daemonSet.getSpec().getTemplate().getSpec();
    Map<String, Object> parts = new TreeMap<>();
    parts.put("hostNetwork", String.valueOf(pod.getHostNetwork()));
    parts.put("priorityClassName", String.valueOf(pod.getPriorityClassName()));
    parts.put("nodeSelector", pod.getNodeSelector());
    parts.put("tolerations", pod.getTolerations());
    parts.put(
        "nodeAffinity",
        pod.getAffinity() == null ? "none" : String.valueOf(pod.getAffinity().getNodeAffinity()));
    return parts;
  }

  /// Everything of a pod that a decision asks for.
  private static String view(Pod pod) {
    return view(pod.getMetadata())
        + " labels="
        + new TreeMap<>(pod.getMetadata().getLabels())
        + " owners="
        + pod.getMetadata().getOwnerReferences()
        + " node="
        + pod.getSpec().getNodeName()
        + " phase="
        + pod.getStatus().getPhase()
        + " reason="
        + pod.getStatus().getReason()
        + " message="
        + pod.getStatus().getMessage()
        + " ready="
        + pod.getStatus().getConditions().stream()
            .filter(it -> it.getType().equals("Ready"))
            .map(it -> it.getStatus())
            .toList()
        + " waiting="
        + pod.getStatus().getContainerStatuses().stream()
            .map(it -> it.getState().getWaiting())
            .filter(Objects::nonNull)
            .toList();
  }

  /// Everything of a node that a decision asks for.
  private static String view(Node node) {
    return view(node.getMetadata())
        + " unschedulable="
        + node.getSpec().getUnschedulable()
        + " taints="
        + Objects.requireNonNullElse(node.getSpec().getTaints(), List.of());
  }

  private static String view(ObjectMeta metadata) {
    return "%s/%s uid=%s creationTimestamp=%s deletionTimestamp=%s"
        .formatted(
            metadata.getNamespace(),
            metadata.getName(),
            metadata.getUid(),
            metadata.getCreationTimestamp(),
            metadata.getDeletionTimestamp());
  }

  /// All of it, in whatever order.
  private static JsonNode json(@Nullable HasMetadata object) {
    try {
      return JSON.readTree(Serialization.asJson(object));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  private static <T> List<String> views(Collection<T> objects, Function<T, String> view) {
    return objects.stream().map(view).sorted().toList();
  }

  /// What is written and said.
  private static List<String> decisions(Snapshot seen) {
    Decision decision = Decision.of(seen);
    return Stream.concat(
            decision.steps(true).stream(), decision.report(Written.NOTHING).steps().stream())
        .flatMap(step -> step.stream().map(WhatIsSeenIT::describe).sorted())
        .toList();
  }

  private static String describe(Change change) {
    HasMetadata object = change.object();
    return "%s %s %s: %s"
        .formatted(
            change.getClass().getSimpleName(),
            object.getKind(),
            object.getMetadata().getName(),
            switch (change) {
              case Change.Create it -> Serialization.asYaml(it.object());
              case Change.Replace it -> Serialization.asYaml(it.object());
              case Change.Apply it -> Serialization.asYaml(it.object());
              case Change.Place it -> it.placement() + " " + it.inTheWay();
              case Change.Bind it -> it.node();
              case Change.SetApart it -> it.label() + " " + it.value();
              case Change.Delete _ -> "";
              case Change.Report it -> Serialization.asYaml(it.object().getStatus());
              case Change.ReportHold it -> Serialization.asYaml(it.object().getStatus());
              case Change.ReportKey it -> Serialization.asYaml(it.object().getStatus());
              case Change.Respond it -> it.entry().toString();
              case Change.SetSchedule it -> it.schedule();
              case Change.Mark it -> String.valueOf(it.condition());
              case Change.Unmark it -> it.type() + " of " + it.companion();
              case Change.Renew it -> String.valueOf(it.object().getSpec().getRenewTime());
              case Change.Tell it -> it.reason() + " " + it.message();
              case Change.TellOnce it -> it.reason() + " " + it.message();
            });
  }

  private List<Pod> on(Scene scene, String label, String value, int node) {
    return client()
        .pods()
        .inNamespace(scene.name)
        .withLabel(label, value)
        .withField("spec.nodeName", scene.node(node))
        .list()
        .getItems();
  }

  /// As a kubelet reports it.
  private void report(Pod pod, String status) {
    chaperone
        .lab()
        .reportPod(pod.getMetadata().getNamespace(), pod.getMetadata().getName(), status);
  }

  private void kubectl(String... arguments) {
    chaperone.lab().kubectl(arguments).orFail();
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
