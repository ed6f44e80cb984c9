package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Hold;
import dev.chaperone.decide.ObjectRef;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What holds for every order of events, on the real API server: a random walk of changes to one
/// scene, cut into schedules. In each, events come twice, late, in any order, or never; then comes
/// one pulse. `-Dchaperone.seed=…` repeats a walk.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class AnyOrderIT {
  private static final int SCHEDULES = Thorough.times(60, 200);
  private static final int NODES = 4;
  private static final String NODES_BUDGET = "agent-nodes";
  private static final String PODS_BUDGET = "agent-pods";

  private Installation chaperone;

  @Test
  void events_doubled_shuffled_and_lost_then_one_pulse_end_where_the_inputs_say() {
    long seed = Long.getLong("chaperone.seed", System.currentTimeMillis());
    System.out.printf("AnyOrderIT: %d schedules from seed %d%n", SCHEDULES, seed);
    try (Scene scene = new Scene(chaperone, "any-order", NODES).withCompanion("{}")) {
      Walk walk = new Walk(scene, new Random(seed));
      walk.settle();
      for (int schedule = 1; schedule <= SCHEDULES; schedule++) {
        try {
          walk.schedule();
        } catch (AssertionError | RuntimeException e) {
          throw new AssertionError(
              "seed %d, schedule %d: %s%n%s"
                  .formatted(seed, schedule, walk.history, e.getMessage()),
              e);
        }
        if (schedule % 20 == 0) {
          System.out.printf(
              "AnyOrderIT: %d of %d schedules; %d events delivered, %d lost%n",
              schedule, SCHEDULES, walk.delivered, walk.lost);
        }
      }
    }
  }

  private final class Walk {
    private final Scene scene;
    private final Random random;
    private final KubernetesClient client = chaperone.lab().client();

    /// What was done in the present schedule, for the message of a failure.
    private final List<String> history = new ArrayList<>();

    private String policy = "Auto";
    private IntOrString maxUnavailable = new IntOrString(1);
    private int delivered;
    private int lost;

    Walk(Scene scene, Random random) {
      this.scene = scene;
      this.random = random;
    }

    void schedule() {
      history.clear();
      List<ObjectRef> late = new ArrayList<>();
      int steps = 2 + random.nextInt(4);
      for (int i = 0; i < steps; i++) {
        ObjectRef event = change();
        switch (random.nextInt(3)) {
          case 0 -> deliverTwice(event);
          case 1 -> late.add(event);
          default -> lost++;
        }
      }
      Collections.shuffle(late, random);
      late.forEach(this::deliverTwice);
      settle();
    }

    /// Does something to the scene, and gives the event that tells of it.
    private ObjectRef change() {
      int number = 1 + random.nextInt(NODES);
      String hold = "hold-" + random.nextInt(2);
      return switch (random.nextInt(11)) {
        case 0, 1 -> {
          scene.hold(hold);
          yield did("hold", "Hold", scene.name, hold);
        }
        case 2, 3 -> {
          client.resources(Hold.class).inNamespace(scene.name).withName(hold).delete();
          yield did("release", "Hold", scene.name, hold);
        }
        case 4 -> {
          cordon(number, true);
          evict(number);
          yield did("drain", "Pod", scene.name, "guard-of-" + number);
        }
        case 5 -> {
          cordon(number, false);
          yield did("uncordon", "Node", "", scene.node(number));
        }
        case 6 -> {
          scene.guards().stream()
              .skip(random.nextInt(NODES))
              .findFirst()
              .ifPresent(guard -> client.resource(guard).withGracePeriod(0).delete());
          yield did("delete a guard", "Deployment", scene.name, "agent-guards");
        }
        case 7 -> {
          maxUnavailable =
              List.of(new IntOrString(1), new IntOrString(2), new IntOrString("50%"))
                  .get(random.nextInt(3));
          policy = random.nextInt(4) == 0 ? "AlwaysAllow" : "Auto";
          scene.companion(
              "{policy: %s, maxUnavailable: %s}".formatted(policy, text(maxUnavailable)));
          yield did(policy + " " + text(maxUnavailable), "Companion", scene.name, "agent");
        }
        case 8 -> {
          if (nodes().contains(scene.node(number))) {
            scene.deleteNode(number);
            yield did("delete node", "Node", "", scene.node(number));
          }
          scene.addNode(number);
          yield did("add node", "DaemonSet", scene.name, "target");
        }
        case 9 -> {
          // As many as before, so that no count shows it.
          int other = number + NODES;
          boolean there = nodes().contains(scene.node(number));
          if (there == nodes().contains(scene.node(other))) {
            yield did("nothing", "Node", "", scene.node(number));
          }
          scene.addNode(there ? other : number);
          scene.deleteNode(there ? number : other);
          yield did("replace node", "Node", "", scene.node(there ? other : number));
        }
        default -> {
          taint(number, true);
          scene.recount("target");
          yield did("taint", "DaemonSet", scene.name, "target");
        }
      };
    }

    private ObjectRef did(String what, String kind, String namespace, String name) {
      history.add(what + " " + name);
      return new ObjectRef(kind, namespace, name);
    }

    /// At the same time, so that the two meet inside. Whatever else is going on, what an event
    /// leaves behind is open or closed as the Holds say.
    private void deliverTwice(ObjectRef event) {
      history.add("event of " + event);
      Stream.of(event, event)
          .map(it -> CompletableFuture.runAsync(() -> deliver(it)))
          .toList()
          .forEach(CompletableFuture::join);
      delivered += 2;
      assertThat(isClosed()).as("closed").isEqualTo(shouldBeClosed());
    }

    private void deliver(ObjectRef event) {
      assertThat(chaperone.changed(event.kind(), event.namespace(), event.name()).statusCode())
          .isIn(200, 204);
    }

    /// Brings every node back, so that the end does not depend on which ones were drained; none of
    /// that is told but by one pulse, which comes when Kubernetes' own controllers are done.
    void settle() {
      for (int number = 1; number <= 2 * NODES; number++) {
        if (nodes().contains(scene.node(number))) {
          cordon(number, false);
          taint(number, false);
        }
      }
      Set<String> nodes = nodes();
      for (String daemonSet : List.of("target", "follower")) {
        await(daemonSet + " on " + nodes)
            .atMost(Scene.LONG)
            .pollInterval(Scene.HALF_A_SECOND)
            .pollDelay(Duration.ZERO)
            .until(
                () -> {
                  scene.recount(daemonSet);
                  return runsOn(daemonSet, nodes.size());
                });
      }

      assertThat(chaperone.pulse().statusCode()).isIn(200, 204);
      history.add("pulse");

      assertThat(isClosed()).as("closed").isEqualTo(shouldBeClosed());
      if (!shouldBeClosed()) {
        assertThat(scene.budget(NODES_BUDGET).getSpec().getMaxUnavailable())
            .isEqualTo(maxUnavailable);
        assertThat(scene.budget(PODS_BUDGET).getSpec().getMinAvailable())
            .isEqualTo(new IntOrString(Math.max(0, nodes.size() - scaled(nodes.size()))));
      }
      // From here on events come as they should: those of the guards that Kubernetes now makes.
      await("guards on " + nodes)
          .atMost(Scene.LONG)
          .until(
              () -> {
                List<Pod> guards = scene.guards();
                if (guards.stream().anyMatch(it -> it.getSpec().getNodeName() == null)) {
                  deliver(new ObjectRef("Pod", scene.name, "a-guard"));
                }
                return guards.size() == nodes.size() && scene.guardedNodes().equals(nodes);
              });
    }

    private boolean shouldBeClosed() {
      return policy.equals("Auto")
          && !client.resources(Hold.class).inNamespace(scene.name).list().getItems().isEmpty();
    }

    private boolean isClosed() {
      boolean nodes =
          new IntOrString(0).equals(scene.budget(NODES_BUDGET).getSpec().getMaxUnavailable());
      boolean pods =
          new IntOrString(Integer.MAX_VALUE)
              .equals(scene.budget(PODS_BUDGET).getSpec().getMinAvailable());
      assertThat(pods).as("both budgets alike").isEqualTo(nodes);
      return nodes;
    }

    private int scaled(int nodes) {
      return maxUnavailable.getStrVal() == null
          ? maxUnavailable.getIntVal()
          : Math.ceilDiv(nodes, 2);
    }

    private boolean runsOn(String daemonSet, int nodes) {
      DaemonSet it = client.apps().daemonSets().inNamespace(scene.name).withName(daemonSet).get();
      return it.getStatus().getObservedGeneration().equals(it.getMetadata().getGeneration())
          && it.getStatus().getDesiredNumberScheduled() == nodes
          && it.getStatus().getNumberMisscheduled() == 0;
    }

    private Set<String> nodes() {
      return client.nodes().withLabel("pool", scene.name).list().getItems().stream()
          .map(node -> node.getMetadata().getName())
          .collect(Collectors.toCollection(TreeSet::new));
    }

    private void cordon(int number, boolean cordoned) {
      patch(number, "{\"spec\": {\"unschedulable\": %s}}".formatted(cordoned ? "true" : "null"));
    }

    private void taint(int number, boolean tainted) {
      String taints = tainted ? "[{\"key\": \"maintenance\", \"effect\": \"NoSchedule\"}]" : "null";
      patch(number, "{\"spec\": {\"taints\": %s}}".formatted(taints));
    }

    private void patch(int number, String merge) {
      if (nodes().contains(scene.node(number))) {
        client
            .nodes()
            .withName(scene.node(number))
            .patch(PatchContext.of(PatchType.JSON_MERGE), merge);
      }
    }

    /// As a drain would ask for it; refused or not, both are part of the walk.
    private void evict(int number) {
      scene.guards().stream()
          .filter(guard -> scene.node(number).equals(guard.getSpec().getNodeName()))
          .forEach(guard -> client.pods().resource(guard).evict());
    }

    private static String text(IntOrString number) {
      return number.getStrVal() == null ? "" + number.getIntVal() : number.getStrVal();
    }
  }
}
