package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.ExtendWith;

/// One story on a real API server: three zones with 60 nodes, and what becomes of them. The
/// function runs as it is built and with the rights that it is given, the real source sends what
/// happens to Nodes, and Calico's part is played here.
@ExtendWith(LabExtension.class)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class RouteReflectorsIT {
  private static final Duration LONG = Duration.ofMinutes(3);
  private static final Duration PULSE = Duration.ofSeconds(2);

  private static final String ACCOUNT = "system:serviceaccount:chaperone:reflectors";

  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private static Lab lab;
  private static FunctionsOnDemand function;
  private static ApiServerSource sources;

  @BeforeAll
  static void install(Lab given) {
    lab = given;
    InLab.install(lab);
    for (String zone : List.of("a", "b", "c")) {
      IntStream.rangeClosed(1, 20).forEach(it -> addNode(zone, it));
    }
    await("nodes that are Ready")
        .atMost(LONG)
        .until(() -> nodes().stream().filter(RouteReflectorsIT::isReady).count() == 60);
    function =
        FunctionsOnDemand.start(
            FunctionsCommand.fastest(InLab.HOME.resolve("reflectors/target/quarkus-app")),
            Map.of("KUBECONFIG", lab.kubeconfig("chaperone", "reflectors").toString()),
            Duration.ofMinutes(10),
            lab.folder().resolve("reflectors.log"));
    sources =
        ApiServerSource.start(
            lab,
            function.address(),
            InLab.HOME.resolve("triggers/base/sources.yaml"),
            InLab.MANIFESTS.resolve("source.yaml"));
  }

  @AfterAll
  static void end() {
    sources.close();
    function.close();
  }

  @Test
  @Order(1)
  void what_cannot_be_meant_is_refused() {
    assertThatThrownBy(() -> ask("other", "{}"))
        .isInstanceOf(KubernetesClientException.class)
        .hasMessageContaining("write metadata.name default");
    assertThatThrownBy(() -> ask("default", "{minPerZone: 4, maxPerZone: 3}"))
        .hasMessageContaining("maxPerZone must be at least minPerZone");
    assertThatThrownBy(() -> ask("default", "{minPerZone: 1}")).hasMessageContaining("minPerZone");
    assertThatThrownBy(() -> ask("default", "{settlePeriod: soon}"))
        .hasMessageContaining("settlePeriod must be a duration");
  }

  @Test
  @Order(1)
  void what_the_documentation_says_to_write_is_admitted() throws IOException {
    String page = Files.readString(InLab.HOME.resolve("docs/how-to/route-reflectors.md"));
    String sample = page.replaceFirst("(?s).*run by: RouteReflectorsIT -->\\s*```yaml\n", "");

    lab.apply(sample.replaceFirst("(?s)```.*", "").stripIndent());

    assertThat(
            lab.client().resources(RouteReflectors.class).withName("default").require().getSpec())
        .extracting(RouteReflectorsSpec::minPerZone, RouteReflectorsSpec::settlePeriod)
        .containsExactly(3, "60s");
  }

  @Test
  @Order(2)
  void labels_and_peers_arrive() {
    ask("default", "{nodesPerReflector: 20, settlePeriod: 5s}");

    awaitReady();

    assertThat(reflectors("a")).hasSize(3);
    assertThat(reflectors("b")).hasSize(3);
    assertThat(reflectors("c")).hasSize(3);
    assertThat(peers()).hasSize(10);
    Node one = node(reflectors("b").iterator().next());
    String id = one.getMetadata().getLabels().get("chaperone.dev/route-reflector");
    assertThat(one.getMetadata().getAnnotations())
        .containsEntry("projectcalico.org/RouteReflectorClusterID", id);
    assertThat(peers())
        .filteredOn(it -> peerSelector(it).contains(id))
        .singleElement()
        .satisfies(
            it ->
                assertThat((Map<?, ?>) it.get("spec"))
                    .isEqualTo(
                        Map.of(
                            "nodeSelector",
                            "topology.kubernetes.io/zone == 'b'",
                            "peerSelector",
                            "chaperone.dev/route-reflector == '" + id + "'")));
    assertThat(status().zones()).hasSize(3);
    assertThat(ready().map(Condition::getMessage))
        .contains("9 route reflectors serve 60 nodes in 3 zones");
  }

  @Test
  @Order(3)
  void the_probes_of_the_service_are_answered() throws Exception {
    GenericKubernetesResource service =
        Serialization.unmarshal(
            Files.readString(InLab.MANIFESTS.resolve("service.yaml")),
            GenericKubernetesResource.class);
    for (String probe : List.of("readinessProbe", "livenessProbe")) {
      String path =
          service.get("spec", "template", "spec", "containers", 0, probe, "httpGet", "path");
      HttpRequest request = HttpRequest.newBuilder(function.address().resolve(path)).build();
      assertThat(HTTP.send(request, BodyHandlers.ofString()).statusCode()).as(path).isEqualTo(200);
    }
  }

  @Test
  @Order(3)
  void what_is_settled_is_not_written_again() throws Exception {
    int before = writes().size();

    pulse();
    pulse();

    assertThat(writes().subList(before, writes().size())).isEmpty();
  }

  @Test
  @Order(4)
  void a_function_that_is_killed_goes_on_where_it_was() {
    ask("default", "{nodesPerReflector: 4, settlePeriod: 5s}");
    await("the first new route reflector")
        .atMost(LONG)
        .pollInterval(Duration.ofMillis(20))
        .until(() -> InLab.reflectors(lab).size() > 9);
    function.kill();

    await("five in each zone")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(InLab.reflectors(lab)).hasSize(15);
              assertThat(peers()).hasSize(16);
            });
    awaitReady();
  }

  @Test
  @Order(5)
  void a_lower_ratio_takes_the_peers_away_and_then_the_labels() {
    int before = writes().size();

    ask("default", "{nodesPerReflector: 20, settlePeriod: 5s}");
    await("three in each zone")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(InLab.reflectors(lab)).hasSize(9);
              assertThat(peers()).hasSize(10);
            });

    List<String> order =
        writes().subList(before, writes().size()).stream()
            .filter(it -> !it.contains("/status"))
            .toList();
    assertThat(order).hasSize(12);
    assertThat(order.subList(0, 6)).allMatch(it -> it.startsWith("delete bgppeers"));
    assertThat(order.subList(6, 12)).allMatch(it -> it.startsWith("patch nodes"));
  }

  @Test
  @Order(6)
  void a_cordoned_reflector_goes_once_calico_reports_every_session_of_the_new_one() {
    Set<String> before = reflectors("c");
    String old = before.iterator().next();
    giveAddresses();
    int written = writes().size();

    lab.kubectl("cordon", old).orFail();
    await("another one").atMost(LONG).until(() -> reflectors("c").size() == 4);
    Set<String> now = new TreeSet<>(reflectors("c"));
    now.removeAll(before);
    String added = now.iterator().next();
    report(added, 19);
    await("what is missing")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(ready().map(Condition::getMessage).orElse(""))
                  .contains("zone c: " + added + " has no session with ");
            });
    assertThat(reflectors("c")).contains(old);

    report(added, 60);
    await("the old one to go")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(reflectors("c")).doesNotContain(old).hasSize(3);
            });
    awaitReady();

    assertThat(
            writes().subList(written, writes().size()).stream()
                .filter(it -> !it.contains("/status")))
        .extracting(it -> it.replaceAll(" (nodes|bgppeers).*", " $1"))
        .containsExactly("patch nodes", "create bgppeers", "delete bgppeers", "patch nodes");
    lab.kubectl("uncordon", old).orFail();
  }

  @Test
  @Order(7)
  void a_peer_that_somebody_changes_is_put_right_and_those_of_others_stay() {
    lab.apply(
        """
        apiVersion: crd.projectcalico.org/v1
        kind: BGPPeer
        metadata: {name: top-of-rack}
        spec: {nodeSelector: all(), peerIP: 192.0.2.1, asNumber: 64512}
        """);
    lab.kubectl(
            "patch",
            "bgppeers",
            "chaperone-reflectors",
            "--type=merge",
            "-p",
            "{\"spec\": {\"nodeSelector\": \"none()\"}}")
        .orFail();

    await("the selector")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(peers())
                  .filteredOn(it -> it.getMetadata().getName().equals("chaperone-reflectors"))
                  .extracting(it -> text(it, "nodeSelector"))
                  .containsExactly("has(chaperone.dev/route-reflector)");
            });
    assertThat(peers()).hasSize(11);
    lab.kubectl("delete", "bgppeers", "top-of-rack").orFail();
  }

  @Test
  @Order(8)
  void a_node_that_cannot_be_written_keeps_no_other_zone_waiting() {
    String ofA = reflectors("a").iterator().next();
    String ofB = reflectors("b").iterator().next();
    String idOfB = node(ofB).getMetadata().getLabels().get("chaperone.dev/route-reflector");
    policy(
        """
        failurePolicy: Fail
        matchConstraints:
          resourceRules:
          - {apiGroups: [""], apiVersions: [v1], operations: [UPDATE], resources: [nodes]}
        validations:
        - expression: "request.userInfo.username != '%s' || !object.metadata.name.startsWith('a')"
          message: zone a is not to be touched
        """
            .formatted(ACCOUNT));
    lab.kubectl("cordon", ofA, ofB).orFail();

    await("another one in zone b")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              ask();
              assertThat(reflectors("b")).hasSize(4);
              assertThat(peers()).noneMatch(it -> peerSelector(it).contains(idOfB));
            });
    assertThat(reflectors("a")).contains(ofA).hasSize(3);
    assertThat(ready())
        .get()
        .satisfies(
            it -> {
              assertThat(it.getStatus() + " " + it.getReason()).isEqualTo("False WriteFailed");
              assertThat(it.getMessage()).contains("node a", "zone a is not to be touched");
            });

    lab.kubectl("delete", "validatingadmissionpolicybinding", "zone-a").orFail();
    lab.kubectl("delete", "validatingadmissionpolicy", "zone-a").orFail();
    await("another one in zone a")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              ask();
              assertThat(reflectors("a")).doesNotContain(ofA).hasSize(3);
              assertThat(reflectors("b")).doesNotContain(ofB).hasSize(3);
            });
    lab.kubectl("uncordon", ofA, ofB).orFail();
    awaitReady();
  }

  /// In force when this returns.
  private static void policy(String spec) {
    lab.apply(
        """
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicy
        metadata: {name: zone-a}
        spec:
        %s
        ---
        apiVersion: admissionregistration.k8s.io/v1
        kind: ValidatingAdmissionPolicyBinding
        metadata: {name: zone-a}
        spec: {policyName: zone-a, validationActions: [Deny]}
        """
            .formatted(spec.indent(2).stripTrailing()));
    await("the policy")
        .atMost(LONG)
        .until(
            () ->
                lab.kubectl(
                            "annotate",
                            "node",
                            "a20",
                            "asked=now",
                            "--dry-run=server",
                            "--as=" + ACCOUNT,
                            "--as-group=system:masters")
                        .exit()
                    != 0);
  }

  /// A pulse, whatever the answer.
  private static void ask() throws IOException, InterruptedException {
    HTTP.send(pulseEvent(), BodyHandlers.ofString());
  }

  @Test
  @Order(9)
  void a_zone_whose_nodes_are_deleted_leaves_no_peers() {
    lab.kubectl("delete", "nodes", "-l", SampleCluster.ZONE + "=a", "--wait=false").orFail();

    await("zone a to be forgotten")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(peers()).hasSize(7);
              assertThat(status().zones()).hasSize(2);
            });
    assertThat(reflectors("b")).hasSize(3);
    assertThat(reflectors("c")).hasSize(3);
    awaitReady();
  }

  @Test
  @Order(10)
  void every_right_that_it_has_is_used() {
    Set<String> used =
        lab.apiCalls().stream()
            .filter(it -> it.user().equals(ACCOUNT))
            .map(
                it ->
                    "%s %s%s"
                        .formatted(
                            it.verb(),
                            it.resource(),
                            it.subresource().isEmpty() ? "" : "/" + it.subresource()))
            .collect(Collectors.toCollection(TreeSet::new));
    Set<String> granted = new TreeSet<>();
    lab.client()
        .rbac()
        .clusterRoles()
        .withName("chaperone-reflectors")
        .require()
        .getRules()
        .forEach(
            rule ->
                rule.getVerbs()
                    .forEach(
                        verb -> rule.getResources().forEach(it -> granted.add(verb + " " + it))));

    assertThat(used).isEqualTo(granted);
  }

  private static void addNode(String zone, int number) {
    lab.addNode("%s%02d".formatted(zone, number), Map.of(SampleCluster.ZONE, zone));
  }

  private static void ask(String name, String spec) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: RouteReflectors
        metadata: {name: %s}
        spec: %s
        """
            .formatted(name, spec));
  }

  private static void pulse() throws IOException, InterruptedException {
    assertThat(HTTP.send(pulseEvent(), BodyHandlers.ofString()).statusCode()).isBetween(200, 204);
  }

  private static HttpRequest pulseEvent() {
    return InLab.pulse(function, "reflectors-pulse");
  }

  private static void awaitReady() {
    await("established route reflectors")
        .atMost(LONG)
        .pollInterval(PULSE)
        .untilAsserted(
            () -> {
              pulse();
              assertThat(ready().map(Condition::getStatus)).contains("True");
            });
  }

  /// As calico-node notes them.
  private static void giveAddresses() {
    int number = 0;
    for (Node node : nodes()) {
      number++;
      String address = "10.0.0.%d/24".formatted(number);
      lab.client()
          .nodes()
          .withName(node.getMetadata().getName())
          .patch(
              PatchContext.of(PatchType.JSON_MERGE),
              "{\"metadata\": {\"annotations\": {\"projectcalico.org/IPv4Address\": \"%s\"}}}"
                  .formatted(address));
    }
  }

  /// As calico-node reports its first sessions.
  private static void report(String node, int sessions) {
    String peers =
        nodes().stream()
            .limit(sessions)
            .map(it -> it.getMetadata().getAnnotations().get("projectcalico.org/IPv4Address"))
            .map(
                it ->
                    "{\"peerIP\": \"%s\", \"state\": \"Established\", \"type\": \"NodePeer\"}"
                        .formatted(it.replace("/24", "")))
            .collect(Collectors.joining(", "));
    lab.apply(
        """
        apiVersion: crd.projectcalico.org/v1
        kind: CalicoNodeStatus
        metadata: {name: %1$s}
        spec: {node: %1$s, classes: [BGP], updatePeriodSeconds: 10}
        """
            .formatted(node));
    lab.kubectl(
            "patch",
            "caliconodestatuses",
            node,
            "--subresource=status",
            "--type=merge",
            "-p",
            """
            {"status": {"lastUpdated": "%s", "bgp": {"numberEstablishedV4": %d,
            "numberEstablishedV6": 0, "numberNotEstablishedV4": 0, "numberNotEstablishedV6": 0,
            "peersV4": [%s]}}}
            """
                .formatted(Instant.now(), sessions, peers))
        .orFail();
  }

  private static List<Node> nodes() {
    return lab.client().nodes().list().getItems();
  }

  private static Node node(String name) {
    return lab.client().nodes().withName(name).require();
  }

  private static boolean isReady(Node node) {
    return node.getStatus().getConditions().stream()
        .anyMatch(it -> it.getType().equals("Ready") && it.getStatus().equals("True"));
  }

  private static Set<String> reflectors(String zone) {
    return InLab.reflectors(lab).stream()
        .filter(it -> it.startsWith(zone))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static List<GenericKubernetesResource> peers() {
    return lab.client()
        .genericKubernetesResources("crd.projectcalico.org/v1", "BGPPeer")
        .list()
        .getItems();
  }

  private static String peerSelector(GenericKubernetesResource peer) {
    return text(peer, "peerSelector");
  }

  private static String text(GenericKubernetesResource peer, String field) {
    Object value = peer.get("spec", field);
    return String.valueOf(value);
  }

  private static RouteReflectorsStatus status() {
    return InLab.status(lab).orElseGet(() -> new RouteReflectorsStatus(null, List.of(), List.of()));
  }

  /// Of the present generation.
  private static Optional<Condition> ready() {
    long generation =
        lab.client()
            .resources(RouteReflectors.class)
            .withName("default")
            .require()
            .getMetadata()
            .getGeneration();
    return Stream.ofNullable(status().conditions())
        .flatMap(List::stream)
        .filter(it -> it.getObservedGeneration() == generation)
        .findFirst();
  }

  /// What the function wrote, in its order, as verb, resource and name.
  private static List<String> writes() {
    return lab.apiCalls().stream()
        .filter(it -> it.user().equals(ACCOUNT))
        .filter(it -> Set.of("create", "patch", "update", "delete").contains(it.verb()))
        .map(RouteReflectorsIT::words)
        .toList();
  }

  private static String words(ApiCall call) {
    String subresource = call.subresource().isEmpty() ? "" : "/" + call.subresource();
    return "%s %s%s %s".formatted(call.verb(), call.resource(), subresource, call.name());
  }
}
