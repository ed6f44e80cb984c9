package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionSpec.TargetRef;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Chaperone for one namespace, and a target in another one.
class ScopeTest {
  private final World world = new World().nodes(3).settle();

  @Test
  void a_target_that_cannot_be_read_closes_the_budgets_and_takes_no_guard_away() {
    outOfReach(Policy.Auto);

    Decision decision = world.decide();

    assertThat(decision.verdict().allowed()).isFalse();
    assertThat(decision.verdict().reason()).isEqualTo(Reason.TargetElsewhere);
    assertThat(decision.verdict().message())
        .contains("DaemonSet rook/node cannot be read")
        .contains("serves only namespace storage");
    assertThat(decision.changes())
        .extracting(it -> it.object().getMetadata().getName())
        .containsExactly("agent-nodes", "agent-pods");
    assertThat(decision.changes())
        .allSatisfy(it -> assertThat(it).isInstanceOf(Change.Replace.class));
    assertThat(decision.steps(false).getFirst()).hasSize(2);
  }

  @Test
  void its_owner_may_allow_all_the_same() {
    outOfReach(Policy.AlwaysAllow);

    assertThat(world.decide().verdict().allowed()).isTrue();
    assertThat(world.decide().changes()).isEmpty();
  }

  @Test
  void in_the_whole_cluster_a_target_that_is_not_there_is_missing() {
    outOfReach(Policy.Auto);
    world.scope = Scope.CLUSTER;

    assertThat(world.decide().verdict().reason()).isEqualTo(Reason.TargetNotFound);
  }

  private void outOfReach(Policy policy) {
    world.scope = new Scope("storage");
    world.target = null;
    world.spec =
        new CompanionSpec(
            new TargetRef("node", "rook"),
            new CompanionSpec.FollowerRef("agent"),
            new Disruption(policy, List.of(Protect.Pods, Protect.Nodes), new IntOrString(1)));
  }
}
