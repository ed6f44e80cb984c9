package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.ServerProcess;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.TreeMap;
import org.awaitility.core.ConditionTimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Drain stories while whatever brings the events is killed and started again, any part at any
/// time, so that events come late, twice or never. When all is up again, a story needs one pulse at
/// most to end as it should. `-Dchaperone.seed=…` repeats the choices.
@ExtendWith(OnKnative.class)
class ChaosIT {
  private static final int STORIES = Thorough.times(6, 20);
  private static final int NODES = 3;

  /// How long events have to end a story by themselves, before a pulse is sent.
  private static final Duration BY_EVENTS = Duration.ofSeconds(8);

  private static final int LONGEST_PAUSE_MILLIS = 1_500;

  private final OnKnative.Chaperone installed;
  private final Installation chaperone;
  private final Map<String, Integer> kills = new TreeMap<>();
  private final List<String> history = new ArrayList<>();
  private Random random = new Random();

  ChaosIT(OnKnative.Chaperone installed) {
    this.installed = installed;
    this.chaperone = installed.installation();
  }

  @Test
  void every_story_ends_right_after_one_pulse_at_most() {
    long seed = Thorough.seed(1_795_734_644_106L);
    random = new Random(seed);
    System.out.printf("chaos: %d stories from seed %d%n", STORIES, seed);
    int held = 0;
    int ended = 0;
    int pulses = 0;
    ServerProcess realPulse = installed.eventing().ping();
    try (Scene scene = new Scene(chaperone, "chaos", NODES).withCompanion("{}")) {
      scene.awaitGuarded(1, 2, 3);
      // Every pulse from here on is this test's own, so that it can count them.
      realPulse.stop();
      for (int story = 1; story <= STORIES; story++) {
        history.clear();
        try {
          int node = 1 + random.nextInt(NODES);
          disturbed("a Hold arrives", () -> scene.hold("rebuild"));
          Kubectl drain = scene.drain(node);
          disturbed("node " + node + " is drained", () -> scene.awaitCordoned(node));
          held += drain.isRunning() ? 1 : 0;
          disturbed("the Hold goes", () -> scene.release("rebuild"));
          disturbed("the node is uncordoned", () -> scene.uncordon(node));
          victims().forEach(Victim::start);
          if (!endsByEvents(scene, drain)) {
            pulses++;
            history.add("a pulse");
            installed.pulse();
          }
          // A drain that begins before the Hold is enforced meets the admission policy, and ends.
          Kubectl.Result drained = drain.await(Scene.LONG);
          if (drained.exit() != 0) {
            assertThat(drained.err()).contains("(not enforced ");
            ended++;
          }
          requireEnd(scene);
        } catch (AssertionError | RuntimeException e) {
          throw new AssertionError(
              "seed %d, story %d: %s%n%s".formatted(seed, story, history, e.getMessage()), e);
        }
        System.out.printf(
            "chaos: %d of %d stories; %d drains met a closed budget, %d the policy; %d stories needed"
                + " their pulse; killed: %s%n",
            story, STORIES, held, ended, pulses, kills);
      }
    } finally {
      victims().forEach(Victim::start);
      realPulse.start();
    }
  }

  /// Does the step while some parts are dead; each comes back soon, or stays away for a while.
  private void disturbed(String what, Runnable step) {
    List<Victim> victims = new ArrayList<>(victims());
    Collections.shuffle(victims, random);
    List<Victim> killed = List.copyOf(victims.subList(0, 1 + random.nextInt(2)));
    killed.forEach(
        victim -> {
          victim.kill();
          kills.merge(victim.name(), 1, Integer::sum);
        });
    history.add(what + " without " + killed.stream().map(Victim::name).toList());
    step.run();
    pause();
    killed.stream().filter(_ -> random.nextInt(3) > 0).forEach(Victim::start);
    pause();
  }

  private void pause() {
    try {
      Thread.sleep(random.nextInt(LONGEST_PAUSE_MILLIS));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  private static boolean endsByEvents(Scene scene, Kubectl drain) {
    try {
      await().atMost(BY_EVENTS).until(() -> !drain.isRunning() && hasEnded(scene));
      return true;
    } catch (ConditionTimeoutException notYet) {
      return false;
    }
  }

  private static void requireEnd(Scene scene) {
    await("the end of the story").atMost(Scene.LONG).until(() -> hasEnded(scene));
    scene.awaitAllowed("agent-nodes", 1);
    scene.awaitAllowed("agent-pods", 1);
  }

  /// The status alone may be of before the story: functions that were killed after they had closed
  /// the budgets have not said so.
  private static boolean hasEnded(Scene scene) {
    return scene.allowed("agent-nodes").equals(Optional.of(1))
        && scene.allowed("agent-pods").equals(Optional.of(1))
        && scene.guardedNodes().size() == NODES
        && scene.guards().size() == NODES
        && scene.condition("DisruptionAllowed").equals("True NothingHolds")
        && scene.condition("Guarded").equals("True EveryNodeGuarded");
  }

  /// What can be killed, and comes back when it is started.
  private record Victim(String name, Runnable killing, Runnable starting) {
    static Victim of(ServerProcess part) {
      return new Victim(part.name(), part::kill, part::start);
    }

    void kill() {
      killing.run();
    }

    void start() {
      starting.run();
    }
  }

  private List<Victim> victims() {
    List<Victim> victims = new ArrayList<>();
    installed.eventing().adapters().forEach(it -> victims.add(Victim.of(it)));
    victims.add(Victim.of(installed.eventing().ingress()));
    victims.add(Victim.of(installed.eventing().dispatcher()));
    victims.add(Victim.of(installed.eventing().filter()));
    // The next event starts them.
    victims.add(new Victim("functions", installed.functions()::kill, () -> {}));
    return victims;
  }
}
