package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.LabelSelectorBuilder;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Three zones with 20 nodes each, and what becomes of them.
class TopologyPlanTest {
  private static final Duration SETTLED = Duration.ofMinutes(1);

  private final SampleCluster cluster = SampleCluster.ofThreeZones(20);

  @ParameterizedTest(name = "{0} nodes, one for {1}, {2} to {3}: {4}")
  @CsvSource({
    "20, 20, 3, 10, 3",
    "20, 5, 3, 10, 4",
    "20, 4, 2, 10, 5",
    "21, 4, 2, 10, 6",
    "20, 2, 2, 6, 6",
    "20, 100, 2, 6, 2",
    "2, 20, 3, 10, 2",
    "1, 20, 2, 10, 1",
  })
  void the_ratio_counts_between_minimum_and_maximum_and_no_more_than_there_are_nodes(
      int nodes, int perReflector, int min, int max, int expected) {
    SampleCluster some = SampleCluster.ofThreeZones(nodes);
    some.spec = SampleCluster.spec(perReflector, min, max);

    some.settle();

    for (String zone : List.of("a", "b", "c")) {
      assertThat(some.reflectors(zone)).hasSize(expected);
    }
  }

  @Test
  void the_first_plan_labels_then_writes_peers_and_takes_nothing_away() {
    List<Change> changes = cluster.plan().changes();

    assertThat(changes.stream().map(it -> it.getClass().getSimpleName()).distinct())
        .containsExactly("Label", "CreatePeer", "Report");
    assertThat(changes.stream().filter(Change.Label.class::isInstance)).hasSize(9);
    // The mesh of the route reflectors, and one for each of them.
    assertThat(changes.stream().filter(Change.CreatePeer.class::isInstance)).hasSize(10);
  }

  @Test
  void every_node_has_the_reflectors_of_its_zone() {
    cluster.settle();

    assertThat(cluster.reflectors())
        .containsExactly("a01", "a02", "a03", "b01", "b02", "b03", "c01", "c02", "c03");
    assertThat(cluster.reflectorsOf("b17")).containsExactly("b01", "b02", "b03");
    // Reflectors have sessions with all others.
    assertThat(cluster.reflectorsOf("b02")).isEqualTo(cluster.reflectors());
    assertThat(ready().getStatus()).isEqualTo("True");
    assertThat(ready().getMessage()).isEqualTo("9 route reflectors serve 60 nodes in 3 zones");
    assertThat(cluster.status()).isNotNull();
    assertThat(cluster.status().zones())
        .contains(new RouteReflectorsStatus.Zone("b", 20, 17, List.of("b01", "b02", "b03"), 3));
  }

  @Test
  void each_reflector_has_a_cluster_id_of_its_own() {
    cluster.settle();

    assertThat(cluster.nodes().stream().map(Snapshot.Node::clusterId).filter(it -> it != null))
        .hasSize(9)
        .doesNotHaveDuplicates()
        .allMatch(it -> it.matches("244[.]0[.][0-9]{1,3}[.][0-9]{1,3}"));
  }

  @Test
  void what_is_settled_stays_as_it_is() {
    cluster.settle();

    assertThat(cluster.plan().changes()).isEmpty();
    cluster.pass(Duration.ofDays(1));
    assertThat(cluster.plan().changes()).isEmpty();
  }

  @Test
  void more_nodes_than_the_ratio_covers_get_another_reflector() {
    cluster.spec = SampleCluster.spec(5, 3, 10);
    cluster.settle();
    assertThat(cluster.reflectors("a")).containsExactly("a01", "a02", "a03", "a04");
    cluster.pass(Duration.ofDays(1));

    cluster.add("a", 1);
    List<Change> written = cluster.settle();

    assertThat(cluster.reflectors("a")).containsExactly("a01", "a02", "a03", "a04", "a05");
    assertThat(written).hasSize(2);
  }

  @Test
  void a_reflector_too_many_goes_after_its_peers_and_the_youngest_first() {
    cluster.spec = SampleCluster.spec(5, 3, 10);
    cluster.settle();

    for (int number = 14; number <= 20; number++) {
      cluster.remove("a%02d".formatted(number));
    }
    List<Change> written = cluster.settle();

    assertThat(cluster.reflectors("a")).containsExactly("a01", "a02", "a03");
    assertThat(written.stream().map(it -> it.getClass().getSimpleName()))
        .containsExactly("DeletePeer", "Unlabel");
  }

  @Test
  void a_node_fewer_at_a_multiple_of_the_ratio_takes_no_reflector_away() {
    cluster.spec = SampleCluster.spec(4, 3, 10);
    cluster.add("a", 1);
    cluster.settle();
    assertThat(cluster.reflectors("a")).hasSize(6);

    cluster.remove("a21");

    assertThat(cluster.settle()).isEmpty();
    assertThat(cluster.reflectors("a")).hasSize(6);
  }

  @Test
  void a_cordoned_reflector_is_replaced_before_it_goes() {
    cluster.settle();

    cluster.cordon("b02", true);
    write(cluster.plan());

    assertThat(cluster.reflectors("b")).containsExactly("b01", "b02", "b03", "b04");
    assertThat(cluster.reflectorsOf("b17")).contains("b01", "b02", "b03");
    assertThat(ready().getStatus()).isEqualTo("False");
    assertThat(ready().getReason()).isEqualTo("Settling");
    assertThat(ready().getMessage()).isEqualTo("zone b: b04 is new");

    cluster.pass(SETTLED.minusSeconds(1));
    write(cluster.plan());
    assertThat(cluster.reflectors("b")).contains("b02");
    assertThat(ready().getMessage()).startsWith("zone b: b04 is in settlePeriod until 20");

    cluster.pass(Duration.ofSeconds(1));
    write(cluster.plan());
    assertThat(cluster.reflectors("b")).containsExactly("b01", "b03", "b04");
    assertThat(cluster.reflectorsOf("b17")).containsExactly("b01", "b03", "b04");
    assertThat(ready().getStatus()).isEqualTo("True");
  }

  @Test
  void a_node_that_has_just_come_back_keeps_all_that_it_may_have_sessions_with() {
    cluster.settle();
    cluster.setReady("b17", false);
    cluster.cordon("b02", true);
    write(cluster.plan());
    cluster.pass(SETTLED);

    cluster.setReady("b17", true);

    assertThat(cluster.plan().isSettled()).isTrue();
    cluster.pass(SETTLED);
    assertThat(cluster.plan().changes()).anyMatch(Change.Unlabel.class::isInstance);
  }

  @Test
  void a_reflector_that_helps_a_lost_zone_stays_one() {
    cluster.add("d", 1);
    cluster.settle();
    String helper =
        cluster.reflectorsOf("d01").stream()
            .filter(it -> peersOf("d").toString().contains(cluster.node(it).clusterId()))
            .filter(it -> !it.equals("d01"))
            .findFirst()
            .orElseThrow();

    cluster.setReady("d01", false);
    cluster.cordon(helper, true);
    cluster.settle();

    assertThat(cluster.reflectors()).contains(helper).hasSize(11);
    cluster.setReady("d01", true);
    cluster.settle();
    assertThat(cluster.reflectors()).doesNotContain(helper).hasSize(10);
  }

  @Test
  void a_cordoned_reflector_stays_while_there_is_no_other() {
    SampleCluster small = SampleCluster.ofThreeZones(0);
    small.spec = SampleCluster.spec(20, 2, 10);
    small.add("a", 2);
    small.settle();

    small.cordon("a01", true);
    small.settle();

    assertThat(small.reflectors()).containsExactly("a01", "a02");
    assertThat(small.status().conditions().getFirst().getReason()).isEqualTo("TooFewNodes");
  }

  @Test
  void cordoned_and_unready_nodes_and_those_not_selected_are_not_chosen() {
    cluster.cordon("a01", true);
    cluster.setReady("a02", false);
    cluster.label("a03", "bgp", "no");
    cluster.spec =
        new RouteReflectorsSpec(
            new LabelSelectorBuilder()
                .addNewMatchExpression()
                .withKey("bgp")
                .withOperator("DoesNotExist")
                .endMatchExpression()
                .build(),
            SampleCluster.ZONE,
            20,
            3,
            10,
            "244.0",
            "60s");

    cluster.settle();

    assertThat(cluster.reflectors("a")).containsExactly("a04", "a05", "a06");
  }

  @Test
  void a_reflector_that_somebody_else_made_is_left_alone() {
    cluster.annotate("a01", "10.0.0.1");

    cluster.settle();

    assertThat(cluster.reflectors("a")).containsExactly("a02", "a03", "a04");
    assertThat(cluster.node("a01").clusterId()).isEqualTo("10.0.0.1");
  }

  @Test
  void a_zone_with_too_few_nodes_uses_reflectors_of_others() {
    cluster.add("d", 1);

    cluster.settle();

    assertThat(cluster.reflectors("d")).containsExactly("d01");
    cluster.add("d", 1);
    cluster.cordon("d02", true);
    cluster.settle();
    assertThat(cluster.reflectorsOf("d02")).hasSize(3).contains("d01");
    assertThat(ready().getStatus()).isEqualTo("True");
  }

  @Test
  void the_help_ends_once_a_zone_has_nodes_of_its_own() {
    cluster.add("d", 1);
    cluster.settle();
    assertThat(peersOf("d")).hasSize(3);

    cluster.add("d", 4);
    cluster.settle();

    assertThat(cluster.reflectorsOf("d05")).containsExactly("d01", "d02", "d03");
    assertThat(peersOf("d")).hasSize(3);
  }

  @Test
  void a_lost_zone_keeps_its_reflectors_and_no_other_is_drained_meanwhile() {
    cluster.settle();
    Set<String> before = cluster.reflectors();

    cluster.setReadyInZone("a", false);

    assertThat(cluster.settle()).isEmpty();
    assertThat(cluster.reflectors()).isEqualTo(before);
    assertThat(ready().getReason()).isEqualTo("ZoneLost");
    assertThat(ready().getMessage())
        .isEqualTo("zone a: none of 20 nodes is Ready; its route reflectors stay as they are");

    cluster.setReadyInZone("a", true);
    assertThat(cluster.settle()).isEmpty();
    assertThat(ready().getStatus()).isEqualTo("True");
  }

  @Test
  void peers_of_a_zone_whose_nodes_are_deleted_go() {
    cluster.settle();

    for (int number = 1; number <= 20; number++) {
      cluster.remove("a%02d".formatted(number));
    }
    cluster.settle();

    assertThat(peersOf("a")).isEmpty();
    assertThat(cluster.peers()).hasSize(7);
    assertThat(ready().getStatus()).isEqualTo("True");
  }

  @Test
  void a_node_that_comes_back_under_its_name_is_settled_anew() {
    cluster.settle();
    cluster.remove("a01");
    cluster.add("a", 1);
    assertThat(cluster.node("a01").isReflector()).isFalse();

    List<Change> first = cluster.plan().changes();

    assertThat(first).filteredOn(Change.Label.class::isInstance).hasSize(1);
    assertThat(first).filteredOn(Change.DeletePeer.class::isInstance).hasSize(1);
    cluster.settle();
    assertThat(cluster.reflectors("a")).hasSize(3);
  }

  @Test
  void a_session_that_calico_does_not_report_keeps_the_old_reflector() {
    cluster.settle();
    cluster.observe("c04");

    cluster.cordon("c01", true);
    write(cluster.plan());
    // Long after settlePeriod, and one node of the zone is stuck.
    String address = cluster.node("c20").address();
    cluster.pass(Duration.ofHours(1));
    Snapshot seen = cluster.seen();
    Snapshot.Sessions all = seen.sessions().get("c04");
    Set<String> without = new TreeSet<>(all.established());
    without.remove(address);
    Snapshot stuck =
        new Snapshot(
            seen.spec(),
            seen.generation(),
            seen.status(),
            seen.nodes(),
            seen.peers(),
            java.util.Map.of("c04", new Snapshot.Sessions(all.updated(), without)),
            seen.now());

    assertThat(TopologyPlan.of(stuck).changes())
        .singleElement()
        .isInstanceOfSatisfying(
            Change.Report.class,
            it ->
                assertThat(it.status().conditions().getFirst().getMessage())
                    .isEqualTo("zone c: c04 has no session with c20"));

    // And with it, settlePeriod does not count.
    assertThat(TopologyPlan.of(seen).changes()).anyMatch(Change.Unlabel.class::isInstance);
  }

  @Test
  void a_report_from_before_the_peer_says_nothing() {
    cluster.settle();
    cluster.cordon("c01", true);
    cluster.observe("c04");
    Snapshot.Sessions early = cluster.seen().sessions().get("c04");
    cluster.pass(Duration.ofSeconds(1));
    write(cluster.plan());
    cluster.pass(Duration.ofHours(1));
    Snapshot seen = cluster.seen();
    Snapshot stale =
        new Snapshot(
            seen.spec(),
            seen.generation(),
            seen.status(),
            seen.nodes(),
            seen.peers(),
            java.util.Map.of(
                "c04",
                new Snapshot.Sessions(early.updated(), seen.sessions().get("c04").established())),
            seen.now());

    assertThat(TopologyPlan.of(stale).changes()).noneMatch(Change.Unlabel.class::isInstance);
  }

  @Test
  void a_peer_and_an_annotation_that_somebody_changed_are_put_right() {
    cluster.settle();
    String peer = peersOf("a").iterator().next();

    cluster.change(peer, "has(nothing)");
    cluster.annotate("b01", null);

    assertThat(cluster.plan().changes().stream().map(it -> it.getClass().getSimpleName()))
        .containsExactly("Label", "CorrectPeer", "Report");
    cluster.settle();
    assertThat(cluster.reflectorsOf("a17")).containsExactly("a01", "a02", "a03");
    assertThat(cluster.reflectors("b")).containsExactly("b01", "b02", "b03");
  }

  @Test
  void another_topology_key_exchanges_all_peers_new_ones_first() {
    cluster.nodes().forEach(it -> cluster.label(it.name(), "rack", it.name().substring(1)));
    cluster.settle();
    cluster.spec = new RouteReflectorsSpec(null, "kind-of-node", 30, 3, 10, "244.0", "60s");
    Set<String> old = Set.copyOf(cluster.peers());

    write(cluster.plan());

    assertThat(cluster.peers()).containsAll(old);
    cluster.settle();
    assertThat(cluster.peers()).doesNotContainAnyElementsOf(withoutMesh(old)).hasSize(4);
    assertThat(cluster.reflectorsOf("c20")).hasSize(3);
  }

  private static Set<String> withoutMesh(Set<String> peers) {
    Set<String> some = new TreeSet<>(peers);
    some.remove(Peering.MESH.name());
    return some;
  }

  private Set<String> peersOf(String zone) {
    Set<String> peers = new TreeSet<>(cluster.peers());
    peers.removeIf(it -> !it.startsWith("chaperone-%s-".formatted(zone)));
    return peers;
  }

  private void write(TopologyPlan plan) {
    plan.changes().forEach(cluster::write);
  }

  private Condition ready() {
    return cluster.status().conditions().getFirst();
  }
}
