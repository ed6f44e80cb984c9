package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.api.CompanionStatus.NodeMaintenance;
import dev.chaperone.api.CompanionStatus.NodeMaintenance.Phase;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Maintenance that others write on a node, from the Node event to the reply. No source runs here:
/// whatever is told, one event tells.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class MaintenanceIT {
  private static final String TYPE = "ce-type";
  private static final String SUBJECT = "ce-subject";
  private static final String SOURCE = "ce-source";

  /// More than there are turns in any of the tests.
  private static final int EVENTS = 5;

  private Installation chaperone;

  @Test
  void a_node_is_told_of_from_the_plan_to_the_end() throws JsonProcessingException {
    try (Scene scene = told("planned", 2)) {
      condition(scene.node(1), "MaintenancePlanned", "True");

      HttpResponse<String> planned = replies(scene, changed(scene, 1)).getFirst();

      assertThat(planned.headers().firstValue(TYPE)).contains("dev.chaperone.maintenance.planned");
      assertThat(planned.headers().firstValue(SUBJECT)).contains(scene.node(1));
      assertThat(planned.headers().firstValue(SOURCE))
          .contains("/apis/chaperone.dev/v1alpha1/namespaces/planned/companions/agent");
      JsonNode data = JsonMapper.builder().build().readTree(planned.body());
      assertThat(data.get("node").asText()).isEqualTo(scene.node(1));
      assertThat(data.get("companion").asText()).isEqualTo("agent");
      assertThat(data.get("reason").asText()).isEqualTo("MaintenancePlanned");
      assertThat(data.get("allowed").asBoolean()).isTrue();
      assertThat(data.get("message").asText())
          .isEqualTo(
              "Node planned-1: maintenance is planned: condition MaintenancePlanned (AdminRequested: a new kernel)");
      assertThat(maintenance(scene))
          .singleElement()
          .satisfies(it -> assertThat(it.phase()).isEqualTo(Phase.Planned));
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");

      chaperone.lab().kubectl("cordon", scene.node(1)).orFail();
      assertThat(turns(scene, changed(scene, 1))).containsExactly("started planned-1");

      chaperone.lab().kubectl("uncordon", scene.node(1)).orFail();
      condition(scene.node(1), "MaintenancePlanned", "False");
      assertThat(turns(scene, changed(scene, 1))).containsExactly("ended planned-1");
      assertThat(maintenance(scene)).isEmpty();
      assertThat(chaperone.lab().kubectl("get", "events", "-n", scene.name).orFail().out())
          .contains("MaintenancePlanned", "MaintenanceStarted", "MaintenanceEnded");
    }
  }

  /// The events of the writes are posted by hand: sources would send them.
  @Test
  void of_three_nodes_each_has_a_reply_of_its_own() {
    try (Scene scene = told("three", 3)) {
      for (int node = 1; node <= 3; node++) {
        condition(scene.node(node), "MaintenancePlanned", "True");
      }

      assertThat(turns(scene, chaperone.pulse()))
          .containsExactly("planned three-1", "planned three-2", "planned three-3");
    }
  }

  @Test
  void of_a_deleted_node_the_resync_says_that_it_has_ended() {
    try (Scene scene = told("deleted", 2)) {
      condition(scene.node(2), "DrainInProgress", "True");
      assertThat(turns(scene, changed(scene, 2))).containsExactly("started deleted-2");
      scene.deleteNode(2);

      assertThat(turns(scene, chaperone.pulse())).containsExactly("ended deleted-2");
    }
  }

  private List<String> turns(Scene scene, HttpResponse<String> first) {
    return replies(scene, first).stream()
        .map(
            it ->
                "%s %s"
                    .formatted(
                        it.headers().firstValue(TYPE).orElse("").replaceFirst(".*[.]", ""),
                        it.headers().firstValue(SUBJECT).orElse("")))
        .toList();
  }

  /// What the scene's Companion has to say of maintenance. Events of nodes and resyncs concern all
  /// Companions, and one of them has the reply: what is left over, events of the Companion bring.
  private List<HttpResponse<String>> replies(Scene scene, HttpResponse<String> first) {
    return Stream.concat(
            Stream.of(first), IntStream.rangeClosed(1, EVENTS).mapToObj(_ -> own(scene)))
        .filter(it -> it.headers().firstValue(SOURCE).orElse("").contains("/" + scene.name + "/"))
        .filter(it -> it.headers().firstValue(TYPE).orElse("").contains(".maintenance."))
        .toList();
  }

  private Scene told(String name, int nodes) {
    Scene scene = new Scene(chaperone, name, nodes).withCompanion("{}");
    scene.patchCompanion("{\"spec\": {\"maintenance\": {}}}");
    scene.pulseUntilGuarded();
    scene.awaitAllowed("agent-nodes", 1);
    return scene;
  }

  private HttpResponse<String> changed(Scene scene, int node) {
    return chaperone.changed("Node", "", scene.node(node));
  }

  private HttpResponse<String> own(Scene scene) {
    return chaperone.changed("Companion", scene.name, "agent");
  }

  private static List<NodeMaintenance> maintenance(Scene scene) {
    List<NodeMaintenance> said = scene.companion().getStatus().maintenance();
    return said == null ? List.of() : said;
  }

  private void condition(String node, String type, String status) {
    chaperone
        .lab()
        .kubectl(
            "patch",
            "node",
            node,
            "--subresource=status",
            "--type=strategic",
            "-p",
            """
            {"status": {"conditions": [{"type": "%s", "status": "%s",
              "reason": "AdminRequested", "message": "a new kernel"}]}}
            """
                .formatted(type, status))
        .orFail();
  }
}
