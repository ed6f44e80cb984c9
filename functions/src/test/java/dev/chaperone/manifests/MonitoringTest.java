package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// That the files of `knative/monitoring`, and those like them, agree with each other and with the
/// rest.
class MonitoringTest {
  private static final String FOLDER = "knative/monitoring/";

  @Test
  void alertmanager_is_configured_the_same_as_a_file_and_as_an_object() {
    JsonNode file = Manifests.file(FOLDER + "alertmanager.yaml");
    JsonNode object = Manifests.file(FOLDER + "alertmanager-config.yaml").path("spec");

    assertThat(texts(file.at("/route/routes/0/matchers")))
        .isEqualTo(matchers(object.at("/route/matchers")));
    JsonNode rule = file.at("/inhibit_rules/0");
    JsonNode ruleOfObject = object.at("/inhibitRules/0");
    assertThat(texts(rule.path("source_matchers")))
        .isEqualTo(matchers(ruleOfObject.path("sourceMatch")));
    assertThat(texts(rule.path("target_matchers")))
        .isEqualTo(matchers(ruleOfObject.path("targetMatch")));
    assertThat(rule.path("equal")).isEqualTo(ruleOfObject.path("equal"));
    assertThat(file.path("inhibit_rules")).hasSize(1);
    assertThat(object.path("inhibitRules")).hasSize(1);
  }

  @ParameterizedTest
  @CsvSource({
    "knative/monitoring/silences.yaml, silences",
    "triggers/examples/cluster-api/pre-drain-hooks.yaml, pre-drain-hooks"
  })
  void a_job_looks_when_an_answer_turns_and_at_each_pulse(String file, String name)
      throws IOException {
    Manifests manifests = Manifests.in(home().resolve(file));
    JsonNode trigger = manifests.only("Trigger", name);
    TriggerFilter filter = new TriggerFilter(trigger);
    JsonNode pulse = Wiring.DEFAULT.manifests().only("PingSource", "chaperone-pulse");

    for (String type : ManifestsTest.REPLIES) {
      assertThat(filter.lets(Map.of("type", type, "source", "/apis/chaperone.dev/…")))
          .as(type)
          .isEqualTo(type.startsWith("dev.chaperone.disruption."));
    }
    assertThat(
            filter.lets(
                Map.of(
                    "type",
                    "dev.knative.sources.ping",
                    "source",
                    "/apis/v1/namespaces/%s/pingsources/%s"
                        .formatted(Manifests.namespace(pulse), Manifests.name(pulse)))))
        .isTrue();
    assertThat(filter.lets(Map.of("type", "dev.knative.sources.ping", "source", "/other")))
        .isFalse();
    assertThat(filter.letsSome("dev.knative.apiserver.ref.update")).isFalse();

    assertThat(manifests.has(trigger.at("/spec/subscriber/ref"), trigger)).isTrue();
    assertThat(trigger.at("/spec/broker"))
        .isEqualTo(Wiring.DEFAULT.triggers().getFirst().trigger().at("/spec/broker"));
    assertThat(
            manifests
                .only("JobSink", name)
                .at("/spec/job/spec/template/spec/serviceAccountName")
                .asText())
        .isEqualTo(Manifests.name(manifests.only("ServiceAccount", name)));
  }

  @Test
  void whoever_only_asks_whether_chaperone_lives_may_open_nothing() {
    Manifests heartbeat = Manifests.of("knative/overlays/heartbeat");
    Manifests deadMan = Manifests.of("knative/overlays/dead-man");

    assertThat(heartbeat.ofKind("ClusterRole", "ClusterRoleBinding")).isEmpty();
    assertThat(heartbeat.only("Role", "chaperone-dead-man"))
        .isEqualTo(deadMan.only("Role", "chaperone-dead-man"));
    assertThat(heartbeat.only("Hold", "dead-man")).isEqualTo(deadMan.only("Hold", "dead-man"));
    assertThat(heartbeat.ofKind("CronJob")).hasSize(1);
    assertThat(heartbeat.ofKind("ValidatingAdmissionPolicy"))
        .extracting(Manifests::name)
        .containsExactly("chaperone-dead-man-question");
  }

  /// As a file has them.
  private static List<String> matchers(JsonNode objects) {
    List<String> matchers = new ArrayList<>();
    objects.forEach(
        it -> {
          String value = it.path("value").asText();
          matchers.add(
              "%s %s %s"
                  .formatted(
                      it.path("name").asText(),
                      it.path("matchType").asText(),
                      value.matches("\\w+") ? value : '"' + value + '"'));
        });
    return matchers;
  }

  private static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(it -> texts.add(it.asText()));
    return texts;
  }

  private static Path home() {
    return Path.of(System.getProperty("chaperone.home"));
  }
}
