package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.docs.Page;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
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
  private static final Map<String, Consumer<World>> SITUATIONS = situations();

  private static Map<String, Consumer<World>> situations() {
    Map<String, Consumer<World>> all = new LinkedHashMap<>();
    all.put("nothing blocks", _ -> {});
    all.put("a Hold", world -> world.hold("rebuild", null));
    all.put("a Hold with an end", world -> world.hold("rebuild", "2026-11-24T08:00:00Z"));
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
        "a budget of somebody else selects guards",
        world ->
            world.budget(
                new PodDisruptionBudgetBuilder()
                    .withNewMetadata()
                    .withNamespace("storage")
                    .withName("everything")
                    .endMetadata()
                    .withNewSpec()
                    .withMinAvailable(new IntOrString(1))
                    .withNewSelector()
                    .endSelector()
                    .endSpec()
                    .build()));
    all.put("the follower does not exist", world -> world.follower = null);
    all.put("the target does not exist", world -> world.target = null);
    all.put(
        "the target has not existed for minutes",
        world -> {
          world.target = null;
          world.event(true);
          world.now = world.now.plus(Reasons.TARGET_GRACE);
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

  private static String section(String situation, Consumer<World> happens) {
    World world = new World().nodes(3).settle();
    happens.accept(world);
    if (world.target == null || world.follower == null) {
      // Its controllers have nothing to do.
      world.event(true);
    } else {
      world.settle();
    }
    return "## %s\n\n".formatted(title(situation))
        + Stream.concat(
                Stream.of(Decision.ALLOWED, Decision.READY, "Guarded")
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
            null));
  }
}
