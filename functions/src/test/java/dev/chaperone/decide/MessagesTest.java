package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionSpec.UnhealthyNodeEvictionPolicy;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.api.HoldStatus;
import dev.chaperone.docs.Page;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PodStatusBuilder;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.apps.DeploymentConditionBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/// `docs/reference/messages.md` has the words of the status in each situation, so that a change of
/// words is seen.
class MessagesTest {
  private static final String CEPH = "ceph.status.health != 'HEALTH_OK'";

  /// What happens to three guarded nodes.
  private static final Map<String, World> SITUATIONS = new LinkedHashMap<>();

  static {
    settled().forEach((title, happens) -> SITUATIONS.put(title, after(happens).settle()));
    moments().forEach((title, happens) -> SITUATIONS.put(title, after(happens)));
  }

  private static World after(Consumer<World> happens) {
    World world = new World().nodes(3).settle();
    happens.accept(world);
    return world;
  }

  private static Map<String, Consumer<World>> settled() {
    Map<String, Consumer<World>> all = new LinkedHashMap<>();
    all.put("nothing blocks", _ -> {});
    all.put("a Hold", world -> world.hold("rebuild", null));
    all.put("a Hold with an end", world -> world.hold("rebuild", "2026-11-24T08:00:00Z"));
    all.put(
        "a Hold, and one node",
        world -> {
          world.nodes.keySet().retainAll(Set.of("node-1"));
          world.hold("rebuild", null);
        });
    all.put("a Hold of one node", world -> world.holdNode("rebuild", "node-2"));
    all.put("a Hold of a node that is not there", world -> world.holdNode("rebuild", "node-9"));
    all.put(
        "`nodeCondition`, in an installation that writes none",
        world ->
            world.spec =
                new CompanionSpec(
                    world.spec.targetRef(),
                    world.spec.followerRef(),
                    world.spec.disruption(),
                    List.of(),
                    null,
                    CompanionSpec.NodeConditionType.CompanionReady));
    all.put(
        "a Hold of the nodes of a rack",
        world ->
            world
                .label("node-1", "rack", "r1")
                .label("node-2", "rack", "r1")
                .holdNodes("rebuild", Map.of("rack", "r1")));
    all.put(
        "a Hold of nodes with a label that none has",
        world -> world.holdNodes("rebuild", Map.of("rack", "r9")));
    all.put(
        "`topologyKey`, `maxUnavailable` 2, and a node of one zone is drained",
        world -> {
          String key = "topology.kubernetes.io/zone";
          world.spec = World.spec(Policy.Auto, new IntOrString(2), Protect.Nodes);
          world
              .domains(key, Map.of("node-1", "a", "node-2", "a", "node-3", "b"))
              .settle()
              .drain("node-1");
        });
    all.put(
        "`unhealthyNodeEvictionPolicy: IfNothingHolds`, and a target pod that is not ready",
        world ->
            world
                .unhealthyNodes(CompanionSpec.UnhealthyNodeEvictionPolicy.IfNothingHolds)
                .targetReady("node-1", false));
    all.put("two Holds", world -> world.hold("rebuild", null).hold("upgrade", null));
    all.put(
        "a Hold, and `maxHoldDuration` 2h",
        world -> {
          world.maxHoldDuration = "2h";
          world.hold("rebuild", null);
        });
    all.put(
        "a Hold that has lasted longer than `maxHoldDuration`",
        world -> {
          world.maxHoldDuration = "30m";
          world.hold("rebuild", null);
        });
    all.put(
        "an expression is true",
        world -> {
          world.observed.put(
              "ceph", new Observation.Seen(Map.of("status", Map.of("health", "HEALTH_WARN"))));
          world.spec = spec(Policy.Auto, null, CEPH, List.of());
        });
    all.put(
        "an expression cannot be evaluated",
        world -> {
          world.observed.put("ceph", new Observation.Seen(Map.of()));
          world.spec = spec(Policy.Auto, null, CEPH, List.of());
        });
    all.put(
        "`policy: AlwaysHold`",
        world -> world.spec = spec(Policy.AlwaysHold, null, null, List.of()));
    all.put(
        "`policy: AlwaysAllow`, and a Hold",
        world -> {
          world.spec = spec(Policy.AlwaysAllow, null, null, List.of());
          world.hold("rebuild", null);
        });
    all.put(
        "`breakGlass`, and a Hold",
        world -> {
          world.breakGlass("2026-11-24T08:00:00Z");
          world.hold("rebuild", null);
        });
    all.put(
        "outside the maintenance window",
        world ->
            world.spec =
                spec(
                    Policy.Auto,
                    null,
                    null,
                    List.of(new MaintenanceWindow("0 22 * * *", "2h", "UTC"))));
    all.put(
        "a Hold is gone, in `settlePeriod`",
        world -> {
          world.spec = spec(Policy.Auto, "60s", null, List.of());
          world.hold("rebuild", null).settle();
          world.holds.clear();
        });
    all.put("a drained node", world -> world.drain("node-1"));
    all.put(
        "a drained node, in `settlePeriod`",
        world -> {
          world.spec = spec(Policy.Auto, "60s", null, List.of());
          world.settle().drain("node-1");
        });
    all.put(
        "two drained nodes, and `maxUnavailable` 2",
        world -> {
          world.spec = World.spec(Policy.Auto, new IntOrString(2), Protect.Pods, Protect.Nodes);
          world.settle().drain("node-1");
          world.drain("node-2");
        });
    all.put("a Hold, and a cordoned node", world -> world.cordon("node-1").hold("rebuild", null));
    all.put(
        "a Hold, and a node whose guard does not start",
        world -> {
          world.breakNode("node-4").node("node-4").settle();
          world.hold("rebuild", null);
        });
    all.put(
        "a tainted node",
        world -> world.taint("node-1", new Taint("NoSchedule", "maintenance", null, "")));
    all.put(
        "a budget of somebody else selects guards", world -> world.budget(foreign("everything")));
    all.put(
        "two budgets of others select guards",
        world -> world.budget(foreign("everything")).budget(foreign("guards")));
    all.put(
        "an expression is false",
        world -> {
          world.observed.put(
              "ceph", new Observation.Seen(Map.of("status", Map.of("health", "HEALTH_OK"))));
          world.spec = spec(Policy.Auto, null, CEPH, List.of());
        });
    all.put("an expired Hold", world -> world.hold("rebuild", "2026-11-24T05:30:00Z"));
    all.put(
        "pods of somebody else have all labels of guards",
        world -> world.lookAlike("stranger", Made.guardSelector(world.companion)));
    all.put(
        "`protect` does not name Nodes",
        world -> world.spec = World.spec(Policy.Auto, new IntOrString(1), Protect.Pods));
    all.put("`followerRef` is not set", world -> world.spec = following(world.spec, null));
    all.put(
        "`followerRef` names the target",
        world -> world.spec = following(world.spec, new CompanionSpec.FollowerRef("node")));
    all.put(
        "an older Companion has the follower",
        world -> {
          Companion rival = new Companion();
          rival.setMetadata(
              new ObjectMetaBuilder()
                  .withName("rival")
                  .withCreationTimestamp("2026-10-01T00:00:00Z")
                  .build());
          world.rivals.add(rival);
        });
    all.put(
        "somebody applies a placement of their own to the follower",
        world -> world.applyFollowersNodeSelector("argocd", Map.of("zone", "a")));
    return all;
  }

  /// What is said in between, or of what no controller puts right.
  private static Map<String, Consumer<World>> moments() {
    Map<String, Consumer<World>> all = new LinkedHashMap<>();
    all.put(
        "the follower does not exist",
        world -> {
          world.follower = null;
          world.event(true);
        });
    all.put(
        "the target does not exist",
        world -> {
          world.target = null;
          world.event(true);
        });
    all.put(
        "the target has not existed for minutes",
        world -> {
          world.target = null;
          world.event(true);
          world.now = world.now.plus(Roster.TARGET_GRACE);
          world.event(true);
        });
    all.put(
        "the target is in a namespace that the installation does not serve",
        world -> {
          world.scope = new Scope("storage");
          world.spec =
              new CompanionSpec(
                  new CompanionSpec.TargetRef("node", "elsewhere"),
                  world.spec.followerRef(),
                  world.spec.disruption());
          world.target = null;
          world.event(true);
        });
    all.put(
        "guards are being replaced",
        world -> {
          world.settings = GuardSettings.of("guard:2");
          world.event(false);
          world.controllers();
          world.event(false);
        });
    all.put(
        "a kubelet refuses a guard",
        world -> {
          world
              .guardOn("node-1")
              .setStatus(
                  new PodStatusBuilder().withPhase("Failed").withReason("OutOfpods").build());
          world.event(false);
        });
    all.put(
        "guards cannot be created",
        world -> {
          Optional.ofNullable(world.guards)
              .orElseThrow()
              .getStatus()
              .getConditions()
              .add(
                  new DeploymentConditionBuilder()
                      .withType("ReplicaFailure")
                      .withStatus("True")
                      .withMessage("exceeded quota: pods")
                      .build());
          world.event(true);
        });
    all.put(
        "the name of the guards' Deployment is taken",
        world -> {
          Optional.ofNullable(world.guards)
              .orElseThrow()
              .getMetadata()
              .setOwnerReferences(List.of());
          world.event(true);
        });
    all.put(
        "the API server refuses to close a budget",
        world -> {
          world.hold("rebuild", null);
          world.refusedEvent("policy says no");
        });
    all.put(
        "the API server refuses to open a budget",
        world -> {
          world.hold("rebuild", null).settle();
          world.holds.clear();
          world.refusedEvent("policy says no");
        });
    all.put(
        "something cannot be read, and a Hold",
        world -> {
          world.hold("rebuild", null);
          world.unread(
              Reason.FactUnreadable, "Cannot read DaemonSet storage/node: HTTP status 503");
        });
    all.put(
        "the spec cannot be read",
        world -> world.unread(Reason.SpecUnreadable, "The spec cannot be read: spec is missing"));
    all.put(
        "an internal error",
        world ->
            world.unread(Reason.InternalError, "Internal error: java.lang.StackOverflowError"));
    all.put(
        "a Hold of a Companion that does not exist",
        world -> {
          world.hold("rebuild", null);
          world.companion.setStatus(CompanionStatus.NONE);
          HoldReports.withoutCompanion(List.copyOf(world.holds.values()), world.now)
              .forEach(world::apply);
        });
    return all;
  }

  @Test
  void the_page_has_the_words_of_each_situation() throws IOException {
    Page.of("reference/messages.md")
        .assertBlock(
            "messages",
            SITUATIONS.entrySet().stream()
                .map(it -> section(it.getKey(), it.getValue()))
                .collect(Collectors.joining("\n")));
  }

  @Test
  void every_reason_has_a_situation() {
    Set<String> said =
        SITUATIONS.values().stream().flatMap(MessagesTest::reasons).collect(Collectors.toSet());

    assertThat(Reason.values())
        .as("reasons without a situation here, or without a rule that gives them")
        // Those of nodes are in MaintenanceTest.
        .filteredOn(it -> it.about() != Reason.About.NODE && !said.contains(it.name()))
        .isEmpty();
  }

  /// Of all conditions, and of what blocks.
  private static Stream<String> reasons(World world) {
    CompanionStatus status = Objects.requireNonNull(world.companion.getStatus());
    return Stream.concat(
        Stream.concat(
                Stream.ofNullable(status.conditions()),
                world.holds.values().stream()
                    .flatMap(it -> Stream.ofNullable(it.getStatus()))
                    .map(HoldStatus::conditions))
            .flatMap(List::stream)
            .map(Condition::getReason),
        Stream.ofNullable(status.reasons()).flatMap(List::stream).map(BlockingReason::type));
  }

  private static String section(String situation, World world) {
    return "## %s\n\n".formatted(title(situation))
        + Stream.concat(
                Stream.of(Decision.ALLOWED, Decision.READY, "Guarded")
                    .filter(it -> !world.condition(it).isEmpty())
                    .map(it -> line(it, world.condition(it), world.message(it)))
                    .distinct(),
                world.holds.keySet().stream()
                    .map(
                        it ->
                            line(
                                "Hold " + it + ", Enforced",
                                world.condition(it, "Enforced"),
                                world.message(it, "Enforced"))))
            .collect(Collectors.joining());
  }

  private static String title(String situation) {
    return situation.substring(0, 1).toUpperCase(Locale.ROOT) + situation.substring(1);
  }

  private static String line(String type, String condition, String message) {
    return "- %s is `%s`: %s\n".formatted(type, condition, message);
  }

  private static CompanionSpec following(
      CompanionSpec spec, CompanionSpec.@Nullable FollowerRef followerRef) {
    return new CompanionSpec(spec.targetRef(), followerRef, spec.disruption());
  }

  private static PodDisruptionBudget foreign(String name) {
    return new PodDisruptionBudgetBuilder()
        .withNewMetadata()
        .withNamespace("storage")
        .withName(name)
        .endMetadata()
        .withNewSpec()
        .withMinAvailable(new IntOrString(1))
        .withNewSelector()
        .endSelector()
        .endSpec()
        .build();
  }

  private static CompanionSpec spec(
      Policy policy,
      @Nullable String settlePeriod,
      @Nullable String expression,
      List<MaintenanceWindow> windows) {
    return new CompanionSpec(
        new CompanionSpec.TargetRef("node", null),
        new CompanionSpec.FollowerRef("agent"),
        new Disruption(
            policy,
            List.of(Protect.Pods, Protect.Nodes),
            new IntOrString(1),
            List.of(),
            Stream.ofNullable(expression)
                .map(it -> new HoldExpression("unhealthy", it, "Ceph is not healthy"))
                .toList(),
            FailurePolicy.Hold,
            settlePeriod,
            null,
            windows,
            null,
            null,
            UnhealthyNodeEvictionPolicy.IfBudgetAllows));
  }
}
