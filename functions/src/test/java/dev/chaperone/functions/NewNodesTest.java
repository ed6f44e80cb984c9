package dev.chaperone.functions;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class NewNodesTest {
  private static final Instant NOW = Instant.parse("2026-11-24T06:00:00Z");

  private final NewNodes nodes = new NewNodes(3);

  @Test
  void a_node_is_new_for_some_minutes() {
    nodes.add(Set.of("a"), Set.of(), NOW);
    nodes.add(Set.of("b"), Set.of(), NOW.plus(Duration.ofMinutes(5)));

    assertThat(nodes.names(NOW.plus(Duration.ofMinutes(9)))).containsExactlyInAnyOrder("a", "b");
    assertThat(nodes.names(NOW.plus(Duration.ofMinutes(11)))).containsExactly("b");
    assertThat(nodes.names(NOW.plus(Duration.ofMinutes(16)))).isEmpty();
  }

  @Test
  void a_node_that_is_gone_is_not_new() {
    nodes.add(Set.of("a", "b"), Set.of(), NOW);
    nodes.add(Set.of(), Set.of("a"), NOW);

    assertThat(nodes.names(NOW)).containsExactly("b");
  }

  /// A look at some of them would be as good as none.
  @Test
  void of_many_new_nodes_none_is_named_and_few_are_kept() {
    nodes.add(many(3), Set.of(), NOW);
    assertThat(nodes.names(NOW)).hasSize(3);

    nodes.add(many(5000), Set.of(), NOW);
    assertThat(nodes.names(NOW)).isEmpty();

    nodes.add(Set.of("later"), Set.of(), NOW.plus(Duration.ofMinutes(11)));
    assertThat(nodes.names(NOW.plus(Duration.ofMinutes(11)))).containsExactly("later");
  }

  private static Set<String> many(int count) {
    return IntStream.range(0, count).mapToObj(it -> "node-" + it).collect(Collectors.toSet());
  }
}
