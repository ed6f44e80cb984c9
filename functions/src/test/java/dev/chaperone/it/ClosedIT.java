package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.api.CompanionStatus.UnguardedNode;
import dev.chaperone.api.Hold;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Ways around a budget that should be closed. By each of them drains went through once, while the
/// status said that everything was held. Here the API server itself is asked, by real drains and by
/// dry runs of its eviction API, and the status has to say the same.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class ClosedIT {
  private static final int PASSED = PodEviction.PASSED;
  private static final int REFUSED = GuardEvictions.REFUSED;
  private static final IntOrString MORE_THAN_ALL = new IntOrString(Integer.MAX_VALUE);

  private Installation chaperone;

  // Pods that are labelled like guards.

  @ParameterizedTest
  @CsvSource({"foreign-two, false", "foreign-all, true"})
  void held_pods_that_are_labelled_like_guards_let_no_node_go(String name, boolean allLabels) {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded(name, 3)) {
      hold(scene, "rebuild");
      foreignPods(scene, allLabels);

      chaperone.pulse();

      if (allLabels) {
        await("foreign pods named")
            .atMost(Scene.LONG)
            .untilAsserted(
                () ->
                    assertThat(condition(scene, "DisruptionAllowed").getMessage())
                        .contains("Pods foreign-1, foreign-2, foreign-3 are not Chaperone's")
                        .contains("Hold rebuild: a test"));
      } else {
        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
        assertThat(reasonTypes(scene)).containsExactly("Hold");
      }
      assertRefused(scene, 3);
      try (Kubectl drain = scene.drain(2)) {
        Scene.awaitHeld(drain);
        awaitAskedAgain(drain);
      }
      assertThat(scene.condition("DisruptionAllowed")).startsWith("False ");
      assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
      scene.awaitAllowed("agent-nodes", 0);
    }
  }

  @Test
  void pods_with_all_labels_of_guards_close_the_budget_until_they_are_gone() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("foreign-open", 3)) {
      scene.awaitAllowed("agent-nodes", 1);

      foreignPods(scene, true);

      scene.awaitCondition("DisruptionAllowed", "False ForeignGuards");
      assertRefused(scene, 3);
      try (Kubectl drain = scene.drain(2)) {
        Scene.awaitHeld(drain);

        kubectl("delete", "pod", "-n", scene.name, "foreign-1", "foreign-2", "foreign-3");

        assertThat(drain.await(Scene.LONG).exit()).isZero();
      }
      scene.uncordon(2);
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
      scene.awaitAllowed("agent-nodes", 1);
    }
  }

  @Test
  void pods_with_some_labels_of_guards_change_nothing_about_how_many_may_go() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("foreign-some", 3)) {
      foreignPods(scene, false);
      chaperone.pulse();

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(scene.budget("agent-nodes").getStatus().getExpectedPods()).isEqualTo(3);
      assertThat(scene.drain(2).await(Scene.LONG).exit()).isZero();
      try (Kubectl drain = scene.drain(3)) {
        Scene.awaitHeld(drain);
        assertThat(GuardEvictions.of(scene).dryRuns().values()).containsOnly(REFUSED);
      }
    }
  }

  // Guards that are replaced.

  @Test
  void held_no_change_of_the_target_replaces_a_guard() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("rolls-held", 3)) {
      hold(scene, "rebuild");
      Set<String> before = GuardEvictions.of(scene).names();

      try (EvictionLoop loop = loop(scene, 3, 0)) {
        changeTarget(scene);
        awaitTemplate(scene);
        await("any guard replaced")
            .atMost(Scene.LONG)
            .during(Duration.ofSeconds(3))
            .until(() -> GuardEvictions.of(scene).names().equals(before));
        loop.end();
        assertThat(loop.wrong()).isEmpty();
        assertThat(loop.rounds()).isGreaterThan(5);
      }
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
      assertThat(deployment(scene).getSpec().getPaused()).isTrue();

      scene.release("rebuild");
      awaitReplaced(scene, before, 3);
    }
  }

  @ParameterizedTest
  @CsvSource({"rolls-one, 4, 1", "rolls-two, 5, 2"})
  void guards_are_replaced_within_max_unavailable_and_nobody_else_goes(
      String name, int nodes, int maxUnavailable) {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded(name, nodes, "{maxUnavailable: %d}".formatted(maxUnavailable))) {
      scene.awaitAllowed("agent-nodes", maxUnavailable);
      Set<String> before = GuardEvictions.of(scene).names();

      try (EvictionLoop loop = loop(scene, nodes, maxUnavailable)) {
        await("what would pass").atMost(Scene.LONG).until(() -> loop.passes() > 0);
        changeTarget(scene);
        awaitReplaced(scene, before, nodes);
        scene.awaitAllowed("agent-nodes", maxUnavailable);
        int rounds = loop.rounds();
        await("one more round").atMost(Scene.LONG).until(() -> loop.rounds() > rounds + 1);
        loop.end();
        assertThat(loop.wrong()).isEmpty();
        assertThat(loop.mostOut()).isPositive();
      }
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
      assertThat(
              kubectl(
                      "get",
                      "events",
                      "-n",
                      scene.name,
                      "--field-selector=reason=DisruptionBlocked")
                  .out())
          .contains("Guards are being replaced");
    }
  }

  @Test
  void held_a_restart_of_the_guards_replaces_none() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("restart", 3)) {
      hold(scene, "rebuild");
      Set<String> before = GuardEvictions.of(scene).names();

      Kubectl.Result restart =
          chaperone
              .lab()
              .kubectl("rollout", "restart", "deployment/agent-guards", "-n", scene.name);
      assertThat(restart.exit()).isNotZero();
      assertThat(restart.err()).contains("can't restart paused deployment");

      try (EvictionLoop loop = loop(scene, 3, 0)) {
        long generation = deployment(scene).getMetadata().getGeneration();
        kubectl(
            "patch",
            "deployment",
            "agent-guards",
            "-n",
            scene.name,
            "--type=merge",
            "-p",
            "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/restartedAt\":\"now\"}}}}}");
        await("the patch undone")
            .atMost(Scene.LONG)
            .until(
                () -> {
                  Deployment now = deployment(scene);
                  Map<String, String> annotations =
                      now.getSpec().getTemplate().getMetadata().getAnnotations();
                  return now.getMetadata().getGeneration() > generation + 1
                      && (annotations == null || annotations.isEmpty());
                });
        await("any guard replaced")
            .atMost(Scene.LONG)
            .during(Duration.ofSeconds(3))
            .until(() -> GuardEvictions.of(scene).names().equals(before));
        loop.end();
        assertThat(loop.wrong()).isEmpty();
      }
      scene.awaitCondition("DisruptionAllowed", "False Hold");
    }
  }

  @Test
  void held_a_scale_to_one_lets_none_of_the_others_go_and_is_undone() {
    try (Scene scene = guarded("scaled", 3)) {
      hold(scene, "rebuild");
      GuardEvictions evictions = GuardEvictions.of(scene);

      kubectl("scale", "deployment", "agent-guards", "-n", scene.name, "--replicas=1");
      await("guards that Kubernetes deletes")
          .atMost(Scene.LONG)
          .until(() -> evictions.guards().size() == 1 && evictions.running().size() == 1);
      assertRefused(scene, 1);
      String left = evictions.running().getFirst().getSpec().getNodeName();

      try (EvictionLoop loop = loop(scene, Set.of(left), 0)) {
        chaperone.changed("Deployment", scene.name, "agent-guards");

        assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown NotEnforced");
        List<String> lost =
            IntStream.rangeClosed(1, 3)
                .mapToObj(scene::node)
                .filter(node -> !node.equals(left))
                .toList();
        assertThat(unguarded(scene)).extracting(UnguardedNode::name).isEqualTo(lost);
        assertThat(enforced(scene, "rebuild"))
            .satisfies(
                it -> {
                  assertThat(it.getStatus()).isEqualTo("False");
                  assertThat(it.getMessage()).contains(lost);
                });

        scene.pulseUntilGuarded();
        loop.end();
        assertThat(loop.wrong()).isEmpty();
      }
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
      assertRefused(scene, 3);
    }
  }

  @Test
  void a_scale_to_one_does_not_let_the_last_one_go() {
    try (Scene scene = guarded("scaled-open", 3)) {
      scene.awaitAllowed("agent-nodes", 1);
      GuardEvictions evictions = GuardEvictions.of(scene);

      kubectl("scale", "deployment", "agent-guards", "-n", scene.name, "--replicas=1");
      await("guards that Kubernetes deletes")
          .atMost(Scene.LONG)
          .until(() -> evictions.guards().size() == 1 && evictions.running().size() == 1);
      await("what Kubernetes counts")
          .atMost(Scene.LONG)
          .until(() -> scene.budget("agent-nodes").getStatus().getCurrentHealthy() == 1);
      assertRefused(scene, 1);

      chaperone.changed("Deployment", scene.name, "agent-guards");

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown MaxUnavailableReached");
      assertThat(unguarded(scene)).hasSize(2);
      scene.pulseUntilGuarded();
      scene.awaitAllowed("agent-nodes", 1);
    }
  }

  // Guards that a budget does not protect.

  @Test
  void held_a_guard_that_its_kubelet_does_not_start_is_no_guard() {
    try (Scene scene = guarded("pulling", 2)) {
      hold(scene, "rebuild");
      scene.addNode(3);
      scene.awaitPods("target", 3);
      GuardEvictions evictions = GuardEvictions.of(scene);
      chaperone.pulse();
      await("a guard that waits").atMost(Scene.LONG).until(() -> waiting(scene).isPresent());
      Pod guard = waiting(scene).orElseThrow();
      // KWOK starts what has no address yet.
      kubelet(
          scene,
          guard,
          """
          {"phase": "Pending", "podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}],
           "containerStatuses": [{"name": "guard", "image": "", "imageID": "", "ready": false, "restartCount": 0,
             "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}
          """);

      await("the guard named")
          .atMost(Scene.LONG)
          .untilAsserted(
              () -> {
                chaperone.pulse();
                assertThat(unguarded(scene))
                    .singleElement()
                    .satisfies(
                        it -> {
                          assertThat(it.name()).isEqualTo(scene.node(3));
                          assertThat(it.message())
                              .contains(guard.getMetadata().getName())
                              .contains("ImagePullBackOff: no such image");
                        });
              });

      assertThat(evictions.on(scene.node(3)).map(evictions::dryRun)).contains(PASSED);
      assertNotEnforced(scene, 3);
      assertThat(scene.companion().getStatus().guards())
          .isEqualTo(new CompanionStatus.GuardCount(3, 3, 2));
      assertRefused(scene, 2);

      kubelet(
          scene,
          guard,
          """
          {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
           "containerStatuses": [{"name": "guard", "image": "", "imageID": "", "ready": true, "restartCount": 0,
             "state": {"running": {}}}]}
          """);
      await("what the Deployment counts")
          .atMost(Scene.LONG)
          .until(() -> Integer.valueOf(3).equals(deployment(scene).getStatus().getReadyReplicas()));
      chaperone.changed("Pod", scene.name, guard.getMetadata().getName());

      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
      assertRefused(scene, 3);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"Failed", "Succeeded"})
  void held_a_guard_that_has_ended_is_no_guard_until_it_is_replaced(String phase) {
    try (Scene scene = guarded("ended-" + phase.toLowerCase(Locale.ROOT), 3)) {
      hold(scene, "rebuild");
      GuardEvictions evictions = GuardEvictions.of(scene);
      Pod guard = evictions.on(scene.node(2)).orElseThrow();

      kubelet(
          scene, guard, "{\"phase\": \"%s\", \"message\": \"The node was low\"}".formatted(phase));
      assertThat(evictions.dryRun(guard)).isEqualTo(PASSED);
      chaperone.changed("Pod", scene.name, guard.getMetadata().getName());

      assertNotEnforced(scene, 2);
      assertThat(unguarded(scene).getFirst().message())
          .contains(guard.getMetadata().getName())
          .contains("The node was low");
      CompanionStatus.GuardCount count = scene.companion().getStatus().guards();
      assertThat(count.running()).isEqualTo(2);
      assertThat(count.desired()).isEqualTo(3);
      assertRefused(scene, 2);

      scene.pulseUntilGuarded();
      assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
      assertRefused(scene, 3);
    }
  }

  @Test
  void held_a_guard_that_runs_and_is_not_ready_is_refused_as_well() {
    try (Scene scene = guarded("unready", 2)) {
      hold(scene, "rebuild");
      GuardEvictions evictions = GuardEvictions.of(scene);
      Pod guard = evictions.on(scene.node(1)).orElseThrow();

      kubelet(scene, guard, "{\"conditions\": [{\"type\": \"Ready\", \"status\": \"False\"}]}");
      await("what Kubernetes counts")
          .atMost(Scene.LONG)
          .until(() -> scene.budget("agent-nodes").getStatus().getCurrentHealthy() == 1);
      chaperone.changed("Pod", scene.name, guard.getMetadata().getName());

      assertRefused(scene, 2);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
    }
  }

  // Budgets that somebody edits.

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "edited-min | {\"minAvailable\": 0}",
        "edited-selector | {\"selector\": {\"matchLabels\": {\"app\": \"nothing\"}}}",
        "edited-policy | {\"unhealthyPodEvictionPolicy\": null}",
        "edited-max | {\"minAvailable\": null, \"maxUnavailable\": \"100%\"}"
      })
  void a_budget_that_was_edited_by_hand_is_closed_within_one_event(String name, String edit) {
    try (Scene scene = guarded(name, 3)) {
      PodDisruptionBudgetSpec before = scene.budget("agent-nodes").getSpec();
      editBudget(scene, edit);
      assertThat(scene.budget("agent-nodes").getSpec()).isNotEqualTo(before);

      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");

      assertClosed(scene, before);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "opened-min | {\"minAvailable\": 1}",
        "opened-max | {\"minAvailable\": null, \"maxUnavailable\": 1}",
        "opened-selector | {\"selector\": {\"matchLabels\": {\"app\": \"nothing\"}}}",
        "opened-policy | {\"unhealthyPodEvictionPolicy\": \"AlwaysAllow\"}"
      })
  void held_a_budget_that_is_edited_by_hand_is_closed_again_within_one_event(
      String name, String edit) {
    try (Scene scene = guarded(name, 3)) {
      PodDisruptionBudgetSpec before = scene.budget("agent-nodes").getSpec();
      hold(scene, "rebuild");
      editBudget(scene, edit);

      chaperone.changed("PodDisruptionBudget", scene.name, "agent-nodes");

      assertClosed(scene, before);
    }
  }

  // A target that is away.

  @Test
  void held_a_target_that_is_away_for_seconds_lets_no_drain_go() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("orphans-held", 3)) {
      hold(scene, "rebuild");
      List<Kubectl> drains = Stream.of(1, 2, 3).map(scene::drain).toList();
      drains.forEach(Scene::awaitHeld);
      Set<String> before = GuardEvictions.of(scene).names();

      kubectl("delete", "daemonset", "target", "-n", scene.name, "--cascade=orphan");
      scene.awaitCondition("Guarded", "False TargetNotFound");
      assertThat(reasonTypes(scene)).containsExactlyInAnyOrder("TargetNotFound", "Hold");
      awaitAskedAgain(drains);
      assertRefused(scene, 3);
      assertThat(scene.condition("DisruptionAllowed")).startsWith("False ");
      targetComesBack(scene);

      awaitAskedAgain(drains);
      assertThat(GuardEvictions.of(scene).names()).isEqualTo(before);
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      assertRefused(scene, 3);

      scene.release("rebuild");
      await("a drain")
          .atMost(Scene.LONG)
          .until(() -> drains.stream().anyMatch(drain -> !drain.isRunning()));
      awaitAskedAgain(drains.stream().filter(Kubectl::isRunning).toList());
      assertThat(drains).filteredOn(Kubectl::isRunning).hasSize(2);
      scene.awaitCondition("DisruptionAllowed", "False MaxUnavailableReached");
      drains.forEach(Kubectl::close);
    }
  }

  @Test
  void a_target_that_is_away_for_seconds_lets_no_more_go_than_before() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("orphans-open", 3)) {
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(scene.drain(1).await(Scene.LONG).exit()).isZero();
      List<Kubectl> drains = Stream.of(2, 3).map(scene::drain).toList();
      drains.forEach(Scene::awaitHeld);

      kubectl("delete", "daemonset", "target", "-n", scene.name, "--cascade=orphan");
      scene.awaitCondition("DisruptionAllowed", "False TargetNotFound");
      awaitAskedAgain(drains);
      assertRefused(scene, 2);
      targetComesBack(scene);

      awaitAskedAgain(drains);
      scene.awaitCondition("DisruptionAllowed", "False MaxUnavailableReached");
      scene.awaitGuarded(2, 3);

      scene.uncordon(1);
      await("a drain")
          .atMost(Scene.LONG)
          .until(() -> drains.stream().anyMatch(drain -> !drain.isRunning()));
      awaitAskedAgain(drains.stream().filter(Kubectl::isRunning).toList());
      assertThat(drains).filteredOn(Kubectl::isRunning).hasSize(1);
      drains.forEach(Kubectl::close);
    }
  }

  @Test
  void held_a_typo_in_the_targets_name_opens_nothing_and_is_named() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("typo-held", 3)) {
      hold(scene, "rebuild");
      Set<String> before = GuardEvictions.of(scene).names();
      try (Kubectl drain = scene.drain(1)) {
        Scene.awaitHeld(drain);

        target(scene, "tagret");

        scene.awaitCondition("DisruptionAllowed", "False TargetNotFound");
        assertThat(condition(scene, "DisruptionAllowed").getMessage())
            .contains("DaemonSet typo-held/tagret does not exist")
            .containsPattern("correct targetRef \\(since [0-9T:.-]+Z")
            .contains("Hold rebuild: a test");
        assertThat(scene.condition("Guarded")).isEqualTo("False TargetNotFound");
        awaitAskedAgain(drain);
        assertThat(GuardEvictions.of(scene).names()).isEqualTo(before);
        assertRefused(scene, 3);
        assertThat(scene.budget("agent-nodes").getSpec().getMinAvailable())
            .isEqualTo(MORE_THAN_ALL);
        assertThat(scene.budget("agent-pods").getSpec().getMinAvailable()).isEqualTo(MORE_THAN_ALL);

        target(scene, "target");

        scene.awaitCondition("DisruptionAllowed", "False Hold");
        scene.awaitCondition("Guarded", "True EveryNodeGuarded");
        awaitAskedAgain(drain);
        assertThat(GuardEvictions.of(scene).names()).isEqualTo(before);

        scene.release("rebuild");
        assertThat(drain.await(Scene.LONG).exit()).isZero();
      }
    }
  }

  // Reasons that have lasted too long.

  @Test
  void a_new_hold_blocks_at_once_though_an_old_one_has_lasted_too_long() {
    try (Scene scene = guarded("forgotten", 2, "{maxHoldDuration: 10s}")) {
      scene.hold("old");
      chaperone.changed("Hold", scene.name, "old");
      await("the old Hold")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.pulse();
                return scene.condition("DisruptionAllowed").equals("True MaxHoldDurationExceeded");
              });
      assertThat(holdCondition(scene, "old", "Active"))
          .satisfies(
              it -> {
                assertThat(it.getStatus()).isEqualTo("False");
                assertThat(it.getReason()).isEqualTo("MaxHoldDurationExceeded");
              });
      assertThat(enforced(scene, "old").getStatus()).isEqualTo("False");
      assertThat(
              kubectl(
                      "get",
                      "events",
                      "-n",
                      scene.name,
                      "--field-selector=type=Warning,reason=MaxHoldDurationExceeded")
                  .out())
          .contains("no longer blocks: Hold old: a test");
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(GuardEvictions.of(scene).dryRuns().values()).containsOnly(PASSED);

      scene.hold("new");
      chaperone.changed("Hold", scene.name, "new");

      assertRefused(scene, 2);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
      assertThat(enforced(scene, "new").getStatus()).isEqualTo("True");
      assertThat(holdCondition(scene, "old", "Active").getStatus()).isEqualTo("False");
    }
  }

  // Taints.

  @Test
  void a_node_that_was_tainted_before_is_guarded_and_its_drain_waits() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = new Scene(chaperone, "taint-before", 3)) {
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.daemonSet("follower", "{}");
      scene.awaitPods("target", 3);
      scene.taint("target", 1);

      scene.companion("{}");
      scene.awaitGuarded(1, 2, 3);
      scene.awaitAllowed("agent-nodes", 1);
      hold(scene, "rebuild");

      try (Kubectl drain = scene.drain(1)) {
        Scene.awaitHeld(drain);
        awaitAskedAgain(drain);
      }
      assertRefused(scene, 3);
    }
  }

  /// As descheduling tools do, which cordon nothing.
  @Test
  void who_evicts_from_a_tainted_node_does_not_do_so_for_ever() {
    try (ApiServerSource _ = chaperone.startSources();
        Scene scene = guarded("taint-evicts", 3)) {
      scene.awaitAllowed("agent-nodes", 1);
      scene.taint("target", 1);
      GuardEvictions evictions = GuardEvictions.of(scene);

      // It asks again when a guard is back, as every run of such a tool does. The promise begins
      // when the functions have seen the guard beside the taint.
      List<String> evicted = new ArrayList<>();
      await("the end of it")
          .atMost(Scene.LONG)
          .pollInterval(Duration.ofMillis(500))
          .during(Duration.ofSeconds(5))
          .until(
              () -> {
                Optional<Pod> guard = evictions.on(scene.node(1));
                guard
                    .filter(GuardEvictions::isRunning)
                    .filter(_ -> evicted.isEmpty() || taintedNodes(scene).contains(scene.node(1)))
                    .filter(it -> evictions.evict(it) == PASSED)
                    .ifPresent(it -> evicted.add(it.getMetadata().getName()));
                return guard.isEmpty();
              });

      assertThat(evicted).hasSizeBetween(1, 2).doesNotHaveDuplicates();
      assertThat(scene.companion().getStatus().drainedNodes().nodes())
          .containsExactly(scene.node(1));
      assertThat(scene.condition("Guarded")).isEqualTo("True EveryNodeGuarded");
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False MaxUnavailableReached");
      assertRefused(scene, 2);

      kubectl("taint", "node", scene.node(1), "maintenance-");

      scene.awaitGuarded(1, 2, 3);
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
      scene.awaitAllowed("agent-nodes", 1);
    }
  }

  private Scene guarded(String name, int nodes) {
    return guarded(name, nodes, "{}");
  }

  private Scene guarded(String name, int nodes, String disruption) {
    Scene scene = new Scene(chaperone, name, nodes).withCompanion(disruption);
    try {
      scene.pulseUntilGuarded();
      scene.awaitGuarded(IntStream.rangeClosed(1, nodes).boxed().toArray(Integer[]::new));
      return scene;
    } catch (RuntimeException | AssertionError e) {
      scene.close();
      throw e;
    }
  }

  /// A Hold of which Chaperone says that it holds everywhere.
  private void hold(Scene scene, String hold) {
    scene.hold(hold);
    chaperone.changed("Hold", scene.name, hold);
    await("Hold " + hold + " enforced")
        .atMost(Scene.LONG)
        .until(() -> enforced(scene, hold).getStatus().equals("True"));
    assertRefused(scene, scene.guardedNodes().size());
  }

  private static void assertRefused(Scene scene, int guards) {
    assertThat(GuardEvictions.of(scene).dryRuns()).hasSize(guards);
    assertThat(GuardEvictions.of(scene).dryRuns().values()).containsOnly(REFUSED);
  }

  private void assertNotEnforced(Scene scene, int node) {
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("Unknown NotEnforced");
    assertThat(condition(scene, "DisruptionAllowed").getMessage()).contains(scene.node(node));
    assertThat(unguarded(scene)).extracting(UnguardedNode::name).containsExactly(scene.node(node));
    assertThat(enforced(scene, "rebuild"))
        .satisfies(
            it -> {
              assertThat(it.getStatus()).isEqualTo("False");
              assertThat(it.getReason()).isEqualTo("NotEnforced");
              assertThat(it.getMessage()).contains(scene.node(node));
            });
    assertThat(holdCondition(scene, "rebuild", "Active").getStatus()).isEqualTo("True");
  }

  /// @param open as it was before
  private static void assertClosed(Scene scene, PodDisruptionBudgetSpec open) {
    PodDisruptionBudgetSpec closed = scene.budget("agent-nodes").getSpec();
    assertThat(closed.getMinAvailable()).isEqualTo(MORE_THAN_ALL);
    assertThat(closed.getMaxUnavailable()).isNull();
    assertThat(closed.getSelector()).isEqualTo(open.getSelector());
    assertThat(closed.getUnhealthyPodEvictionPolicy()).isEqualTo("IfHealthyBudget");
    assertRefused(scene, 3);
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
    assertThat(enforced(scene, "rebuild").getStatus()).isEqualTo("True");
    scene.awaitAllowed("agent-nodes", 0);
    assertThat(scene.budget("agent-nodes").getStatus().getExpectedPods()).isEqualTo(3);
    assertRefused(scene, 3);
  }

  /// `kubectl drain` asks again every five seconds.
  private static void awaitAskedAgain(Kubectl drain) {
    awaitAskedAgain(List.of(drain));
  }

  /// Waits for all of them at once: each asks only every five seconds.
  private static void awaitAskedAgain(List<Kubectl> drains) {
    List<Long> before = drains.stream().map(ClosedIT::refusals).toList();
    await("every drain to ask again")
        .atMost(Scene.LONG)
        .until(
            () ->
                IntStream.range(0, drains.size())
                    .allMatch(i -> refusals(drains.get(i)) > before.get(i) + 1));
    drains.forEach(
        drain -> assertThat(drain.isRunning()).as("the drain waits: %s", drain.out()).isTrue());
  }

  private static long refusals(Kubectl drain) {
    assertThat(drain.isRunning()).as("the drain waits: %s%s", drain.out(), drain.err()).isTrue();
    return (drain.err() + drain.out())
        .lines()
        .filter(line -> line.contains("would violate the pod's disruption budget"))
        .count();
  }

  private void foreignPods(Scene scene, boolean allLabels) {
    Map<String, String> labels =
        new TreeMap<>(GuardEvictions.of(scene).guards().getFirst().getMetadata().getLabels());
    labels.remove("pod-template-hash");
    if (!allLabels) {
      labels.keySet().retainAll(Set.of("app.kubernetes.io/component", "chaperone.dev/companion"));
    }
    assertThat(labels.containsKey("chaperone.dev/companion-uid")).isEqualTo(allLabels);
    for (int number = 1; number <= 3; number++) {
      scene.apply(
          """
          apiVersion: v1
          kind: Pod
          metadata: {name: foreign-%d, namespace: %s, labels: %s}
          spec: {nodeName: %s, containers: [{name: main, image: none}]}
          """
              .formatted(number, scene.name, labels.toString().replace("=", ": "), scene.node(1)));
    }
    await("foreign pods")
        .atMost(Scene.LONG)
        .until(
            () ->
                scene.guards().stream()
                        .filter(pod -> pod.getMetadata().getName().startsWith("foreign-"))
                        .filter(Scene::isReady)
                        .count()
                    == 3);
  }

  /// What guards take over from the target, one after the other.
  private void changeTarget(Scene scene) {
    scene.apply(
        """
        apiVersion: scheduling.k8s.io/v1
        kind: PriorityClass
        metadata: {name: closed-it}
        value: 1000
        """);
    patchTarget(scene, "{\"priorityClassName\": \"closed-it\"}");
    await("the priority of guards")
        .atMost(Scene.LONG)
        .until(() -> "closed-it".equals(template(scene).getPriorityClassName()));
    patchTarget(
        scene,
        "{\"tolerations\": [{\"key\": \"burning\", \"operator\": \"Exists\", \"effect\": \"NoExecute\"}]}");
  }

  private void patchTarget(Scene scene, String podSpec) {
    kubectl(
        "patch",
        "daemonset",
        "target",
        "-n",
        scene.name,
        "--type=merge",
        "-p",
        "{\"spec\": {\"template\": {\"spec\": %s}}}".formatted(podSpec));
  }

  private void awaitTemplate(Scene scene) {
    await("the guards' template").atMost(Scene.LONG).until(() -> isNew(template(scene)));
  }

  /// Waits until every guard is another one, of the new template, and its Deployment is at rest.
  private void awaitReplaced(Scene scene, Set<String> before, int nodes) {
    await("all guards replaced")
        .atMost(Scene.LONG.multipliedBy(2))
        .until(
            () -> {
              List<Pod> guards = GuardEvictions.of(scene).running();
              return guards.size() == nodes
                  && GuardEvictions.of(scene).names().size() == nodes
                  && guards.stream()
                      .noneMatch(guard -> before.contains(guard.getMetadata().getName()))
                  && guards.stream().allMatch(guard -> isNew(guard.getSpec()));
            });
    await("the Deployment paused")
        .atMost(Scene.LONG)
        .until(() -> Boolean.TRUE.equals(deployment(scene).getSpec().getPaused()));
    scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
    scene.awaitCondition("Guarded", "True EveryNodeGuarded");
  }

  private static boolean isNew(PodSpec guard) {
    return "closed-it".equals(guard.getPriorityClassName())
        && guard.getTolerations().stream().anyMatch(it -> "burning".equals(it.getKey()));
  }

  private EvictionLoop loop(Scene scene, int nodes, int mayBeOut) {
    return loop(
        scene,
        Set.copyOf(IntStream.rangeClosed(1, nodes).mapToObj(scene::node).toList()),
        mayBeOut);
  }

  private EvictionLoop loop(Scene scene, Set<String> nodes, int mayBeOut) {
    return new EvictionLoop(scene, nodes, mayBeOut);
  }

  private void targetComesBack(Scene scene) {
    scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
    await("the target's pods adopted")
        .atMost(Scene.LONG)
        .until(
            () ->
                Integer.valueOf(3).equals(scene.daemonSet("target").getStatus().getNumberReady()));
    scene.awaitCondition("Guarded", "True EveryNodeGuarded");
  }

  private void target(Scene scene, String target) {
    scene.patchCompanion("{\"spec\": {\"targetRef\": {\"name\": \"%s\"}}}".formatted(target));
  }

  private void editBudget(Scene scene, String spec) {
    kubectl(
        "patch",
        "poddisruptionbudget",
        "agent-nodes",
        "-n",
        scene.name,
        "--type=merge",
        "-p",
        "{\"spec\": %s}".formatted(spec));
  }

  /// Says of a pod what its kubelet would say.
  private void kubelet(Scene scene, Pod pod, String status) {
    kubectl(
        "patch",
        "pod",
        pod.getMetadata().getName(),
        "-n",
        scene.name,
        "--subresource=status",
        "-p",
        "{\"status\": %s}".formatted(status));
  }

  private static Optional<Pod> waiting(Scene scene) {
    return GuardEvictions.of(scene).guards().stream()
        .filter(pod -> pod.getSpec().getNodeName() == null)
        .findFirst();
  }

  private Deployment deployment(Scene scene) {
    return client().apps().deployments().inNamespace(scene.name).withName("agent-guards").get();
  }

  private PodSpec template(Scene scene) {
    return deployment(scene).getSpec().getTemplate().getSpec();
  }

  private static List<UnguardedNode> unguarded(Scene scene) {
    return Optional.ofNullable(scene.companion().getStatus().unguardedNodes()).orElse(List.of());
  }

  private static List<String> taintedNodes(Scene scene) {
    return Optional.ofNullable(scene.companion().getStatus().taintedNodes()).orElse(List.of());
  }

  private static List<String> reasonTypes(Scene scene) {
    return Stream.ofNullable(scene.companion().getStatus().reasons())
        .flatMap(List::stream)
        .map(BlockingReason::type)
        .toList();
  }

  private static Condition condition(Scene scene, String type) {
    return find(scene.companion().getStatus().conditions(), type);
  }

  private static Condition enforced(Scene scene, String hold) {
    return holdCondition(scene, hold, "Enforced");
  }

  private static Condition holdCondition(Scene scene, String hold, String type) {
    Hold seen =
        scene
            .chaperone()
            .lab()
            .client()
            .resources(Hold.class)
            .inNamespace(scene.name)
            .withName(hold)
            .get();
    return seen.getStatus() == null ? none() : find(seen.getStatus().conditions(), type);
  }

  private static Condition find(List<Condition> conditions, String type) {
    return Stream.ofNullable(conditions)
        .flatMap(List::stream)
        .filter(it -> it.getType().equals(type))
        .findFirst()
        .orElseGet(ClosedIT::none);
  }

  private static Condition none() {
    Condition none = new Condition();
    none.setStatus("");
    none.setReason("");
    none.setMessage("");
    return none;
  }

  private Kubectl.Result kubectl(String... arguments) {
    return chaperone.lab().kubectl(arguments).orFail();
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
