package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.it.KarpenterScene.Cause;
import dev.chaperone.it.KarpenterScene.Seen;
import dev.chaperone.lab.autoscaler.Karpenter;
import dev.chaperone.lab.knative.ApiServerSource;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The real Karpenter meets Chaperone: what it tries while a Companion blocks, and that it goes on
/// afterwards. Minutes for each test, because Karpenter itself waits.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@EnabledIfSystemProperty(
    named = Thorough.PROPERTY,
    matches = "true",
    disabledReason = "Karpenter only with -D" + Thorough.PROPERTY + "=true")
class KarpenterIT {
  private static final Path POLICIES =
      Path.of(System.getProperty("chaperone.home"), "knative/policies");

  private Installation chaperone;
  private ApiServerSource sources;
  private Karpenter karpenter;

  @BeforeEach
  void start() {
    chaperone.lab().apply(POLICIES);
    sources = chaperone.startSources();
    karpenter = Karpenter.start(chaperone.lab());
  }

  @AfterEach
  void stop() {
    karpenter.close();
    sources.close();
    // Other classes share the lab.
    chaperone.lab().kubectl("delete", "-k", POLICIES.toString()).orFail();
  }

  @ParameterizedTest
  @EnumSource(names = {"CONSOLIDATION", "DRIFT", "EXPIRY"})
  void without_a_companion_karpenter_disrupts_what_it_wants_to(Cause cause) {
    try (KarpenterScene scene = new KarpenterScene(chaperone, "free", cause)) {
      scene.start();
      Set<String> affected = scene.affected();

      scene.giveCause();

      scene.awaitGone(affected);
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"CONSOLIDATION", "DRIFT", "EXPIRY"})
  void a_hold_blocks_karpenter_with_the_admission_policies_as_without(Cause cause) {
    try (KarpenterScene with = new KarpenterScene(chaperone, "with", cause);
        KarpenterScene without = new KarpenterScene(chaperone, "without", cause)) {
      without.usePolicies(false);
      List<KarpenterScene> both = List.of(with, without);
      for (KarpenterScene scene : both) {
        scene.companion("{}");
        scene.hold("rebuild");
        scene.start();
      }
      for (KarpenterScene scene : both) {
        scene.awaitEveryNodeGuarded();
        scene.awaitEnforced("rebuild");
      }
      List<Set<String>> affected = both.stream().map(KarpenterScene::affected).toList();

      both.forEach(KarpenterScene::giveCause);

      Seen seen = with.awaitSeen(affected.getFirst());
      System.out.printf("%s, held: %s%n", cause, seen);
      assertThat(seen).isEqualTo(cause.whileHeld());
      assertThat(without.awaitSeen(affected.getLast())).isEqualTo(seen);
      both.forEach(scene -> scene.release("rebuild"));
      with.awaitGone(affected.getFirst());
      without.awaitGone(affected.getLast());
    }
  }

  @Test
  void a_hold_of_one_node_blocks_karpenter_there_and_nowhere_else() {
    try (KarpenterScene scene = new KarpenterScene(chaperone, "one", Cause.CONSOLIDATION)) {
      scene.companion("{}");
      scene.start();
      scene.awaitEveryNodeGuarded();
      String held = scene.affected().iterator().next();
      scene.holdNode("rebuild", held);
      scene.awaitEnforced("rebuild");
      Set<String> affected = scene.affected();

      scene.giveCause();
      await("the other idle node to go")
          .atMost(KarpenterScene.LONG)
          .until(() -> scene.nodes().size() == 2);
      assertThat(scene.awaitSeen(Set.of(held))).isEqualTo(new Seen(1, 0, 0, 1));

      scene.release("rebuild");
      scene.awaitGone(affected);
    }
  }

  /// Its evictions are refused again and again; neither the guard that stays nor the pods of
  /// DaemonSets are work for which it needs a node.
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void karpenter_makes_no_node_for_what_stays_on_one_that_it_cannot_empty(boolean holdOneNode) {
    String name = "stays-" + holdOneNode;
    try (KarpenterScene scene = new KarpenterScene(chaperone, name, Cause.DELETION_OF_ONE)) {
      scene.companion("{}");
      scene.start();
      scene.awaitEveryNodeGuarded();
      Set<String> affected = scene.affected();
      if (holdOneNode) {
        scene.holdNode("rebuild", affected.iterator().next());
      } else {
        scene.hold("rebuild");
      }
      scene.awaitEnforced("rebuild");

      scene.giveCause();
      Seen seen = scene.awaitSeen(affected);

      assertThat(seen).isEqualTo(Cause.DELETION_OF_ONE.whileHeld());
      scene.release("rebuild");
      scene.awaitGone(affected);
      assertThat(scene.launched()).isEmpty();
    }
  }

  /// What the documentation says of it.
  @Test
  void where_every_node_is_to_go_karpenter_makes_one_for_the_guards() {
    try (KarpenterScene scene = new KarpenterScene(chaperone, "stay-all", Cause.DELETION_OF_ALL)) {
      scene.companion("{}");
      scene.hold("rebuild");
      scene.start();
      scene.awaitEveryNodeGuarded();
      scene.awaitEnforced("rebuild");
      Set<String> affected = scene.affected();

      scene.giveCause();
      assertThat(scene.awaitSeen(affected)).isEqualTo(Cause.DELETION_OF_ALL.whileHeld());

      scene.release("rebuild");
      scene.awaitGone(affected);
    }
  }

  @Test
  void karpenter_takes_nodes_of_one_zone_at_a_time() {
    try (KarpenterScene scene = new KarpenterScene(chaperone, "zones", Cause.CONSOLIDATION)) {
      scene.companion("{maxUnavailable: 3, topologyKey: topology.kubernetes.io/zone}");
      scene.start();
      scene.awaitEveryNodeGuarded();
      Set<String> before = scene.nodes();
      assertThat(scene.zones(before)).hasSize(before.size());

      scene.giveCause();
      await("the idle nodes to go, one by one")
          .atMost(KarpenterScene.LONG)
          .until(
              () -> {
                List<String> out = scene.out();
                assertThat(out)
                    .as("nodes that are out, each in a zone of its own")
                    .hasSizeLessThan(2);
                return scene.nodes().size() == 1;
              });
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void after_its_grace_period_karpenter_takes_a_held_node_but_for_the_policies(boolean policies) {
    try (KarpenterScene scene =
        new KarpenterScene(chaperone, "grace-" + policies, Cause.DELETION_WITH_GRACE)) {
      scene.usePolicies(policies);
      scene.companion("{}");
      scene.hold("rebuild");
      scene.start();
      scene.awaitEveryNodeGuarded();
      scene.awaitEnforced("rebuild");
      Set<String> before = scene.nodes();

      scene.giveCause();

      if (policies) {
        await("Karpenter to be refused").atMost(KarpenterScene.LONG).until(this::wasRefused);
        assertThat(scene.nodes()).containsAll(before);
        scene.release("rebuild");
      }
      scene.awaitGone(before);
    }
  }

  private boolean wasRefused() throws IOException {
    return Files.readString(karpenter.log()).contains("chaperone-hold");
  }
}
