package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.docs.Page;
import io.fabric8.kubernetes.api.model.Toleration;
import io.fabric8.kubernetes.api.model.TolerationBuilder;
import java.io.IOException;
import java.util.List;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

class TaintsTest {
  @Test
  void the_documentation_has_every_taint_that_says_that_a_node_is_being_drained()
      throws IOException {
    Page.of("concepts/guards-and-budgets.md")
        .assertBlock(
            "draining",
            Taints.DRAINING.stream()
                .sorted()
                .map("- `%s`\n"::formatted)
                .collect(Collectors.joining()));
  }

  @Test
  void no_guard_tolerates_a_taint_that_says_that_its_node_is_being_drained() {
    World world = new World();
    world
        .target()
        .getSpec()
        .getTemplate()
        .getSpec()
        .setTolerations(
            Taints.DRAINING.stream()
                .map(it -> new TolerationBuilder().withKey(it).withOperator("Exists").build())
                .toList());

    List<Toleration> tolerations = Taints.guardTolerations(world.target());

    assertThat(tolerations).isNotEmpty().noneMatch(it -> Taints.DRAINING.contains(it.getKey()));
  }
}
