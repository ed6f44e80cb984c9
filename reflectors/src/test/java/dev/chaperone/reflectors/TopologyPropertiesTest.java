package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.reflectors.Snapshot.Node;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Random stories: nodes come and go, are cordoned, fail and return, zones are lost, the ratio is
/// changed, and whoever writes is killed between any two writes.
class TopologyPropertiesTest {
  private static final int STEPS = 60;
  private static final List<String> ZONES = List.of("a", "b", "c");

  static IntStream seeds() {
    return IntStream.range(0, Integer.getInteger("reflectors.stories", 25));
  }

  @ParameterizedTest
  @MethodSource("seeds")
  void no_write_leaves_a_node_with_fewer_than_two_reflectors(int seed) {
    Random random = new Random(seed);
    // Small ones, too: there, each node counts.
    SampleCluster cluster =
        SampleCluster.ofThreeZones(random.nextBoolean() ? 20 : 1 + random.nextInt(4));
    cluster.spec = SampleCluster.spec(20, 2 + random.nextInt(2), 6);
    if (random.nextBoolean()) {
      cluster.nodes().stream()
          .filter(_ -> random.nextBoolean())
          .forEach(it -> cluster.observe(it.name()));
    }
    for (int step = 0; step < STEPS; step++) {
      happen(cluster, random);
      look(cluster, random, step);
      cluster.pass(Duration.ofSeconds(random.nextInt(90)));
    }

    // Everything is well again, and is left alone.
    cluster.nodes().forEach(it -> cluster.setReady(it.name(), true));
    cluster.nodes().forEach(it -> cluster.cordon(it.name(), false));
    cluster.settle();
    cluster.pass(SampleCluster.SLOWEST);
    assertThat(cluster.plan().changes()).isEmpty();
    assertThat(cluster.status()).isNotNull();
    assertThat(cluster.status().conditions().getFirst().getStatus())
        .isEqualTo(cluster.nodes().size() < cluster.spec.minPerZone() ? "False" : "True");
    for (Node node : cluster.nodes()) {
      assertThat(cluster.reflectorsOf(node.name()))
          .as("route reflectors of %s", node.name())
          .hasSizeGreaterThanOrEqualTo(Math.min(2, cluster.nodes().size()));
    }
  }

  private static void look(SampleCluster cluster, Random random, int step) {
    List<Change> changes = cluster.plan().changes();
    int killedAt = random.nextInt(3) == 0 ? random.nextInt(changes.size() + 1) : changes.size();
    Map<String, Integer> before = cluster.reflectorCounts();
    for (Change change : changes.subList(0, killedAt)) {
      cluster.write(change);
      Map<String, Integer> after = cluster.reflectorCounts();
      for (Map.Entry<String, Integer> node : after.entrySet()) {
        assertThat(node.getValue())
            .as("route reflectors of %s after %s in step %d", node.getKey(), change, step)
            .isGreaterThanOrEqualTo(Math.min(2, before.getOrDefault(node.getKey(), 0)));
      }
      before = after;
    }
  }

  private static void happen(SampleCluster cluster, Random random) {
    String zone = ZONES.get(random.nextInt(ZONES.size()));
    List<Node> nodes = cluster.nodes();
    Node any = nodes.get(random.nextInt(nodes.size()));
    // Route reflectors are few, and what happens to them is what matters.
    List<Node> reflectors = nodes.stream().filter(Node::isReflector).toList();
    if (!reflectors.isEmpty() && random.nextInt(3) > 0) {
      any = reflectors.get(random.nextInt(reflectors.size()));
    }
    switch (random.nextInt(10)) {
      case 0 -> cluster.add(zone, 1 + random.nextInt(8));
      case 1 -> {
        if (nodes.size() > 2) {
          cluster.remove(any.name());
        }
      }
      case 2, 3 -> cluster.cordon(any.name(), any.schedulable());
      case 4, 5 -> cluster.setReady(any.name(), !any.ready());
      case 6 -> cluster.setReadyInZone(zone, false);
      case 7 -> cluster.setReadyInZone(zone, true);
      case 8 ->
          cluster.spec = SampleCluster.spec(2 + random.nextInt(20), cluster.spec.minPerZone(), 6);
      default -> {
        // Only time passes.
      }
    }
  }
}
