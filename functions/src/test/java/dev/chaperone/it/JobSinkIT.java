package dev.chaperone.it;

import static java.util.stream.Collectors.toSet;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.lab.Lab;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.NonNamespaceOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import java.io.IOException;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Triggers that start a Job, by Knative's real Broker and JobSink: what is written in the
/// documentation and in the examples. No pod of a Job runs on nodes that are played; its script is
/// run here, with what the Job gives it.
@ExtendWith(OnKnative.class)
class JobSinkIT {
  private static final String NAMESPACE = "chaperone";
  private static final String COMPANION =
      "/apis/chaperone.dev/v1alpha1/namespaces/storage/companions/storage-agent";
  private static final Pattern YAML = Pattern.compile("(?s)```yaml\n(.*?)```");
  private static final int ACCEPTED = 202;

  private final Installation chaperone;

  JobSinkIT(OnKnative.Chaperone installed) {
    this.chaperone = installed.installation();
  }

  @BeforeAll
  static void startJobSinks(OnKnative.Chaperone installed) {
    var _ = installed.eventing().startJobSinks();
  }

  @Test
  void a_job_before_a_drain_knows_the_node(@TempDir Path folder) throws IOException {
    String manifest = fromThePage("docs/how-to/work-before-a-drain.md", "kind: JobSink");
    lab().apply(manifest);
    try {
      awaitReady("prepare-node");

      String id = post("dev.chaperone.maintenance.planned", "{\"node\":\"n-1\",\"allowed\":true}");

      Secret event = awaitEvent("prepare-node", id);
      assertThat(JsonMapper.builder().build().readTree(text(event)).at("/data/node").asText())
          .isEqualTo("n-1");
      Files.writeString(folder.resolve("event"), text(event));
      Job job = client().batch().v1().jobs().inNamespace(NAMESPACE).withName(name(event)).require();
      JsonNode pod =
          JsonMapper.builder().build().valueToTree(job.getSpec().getTemplate().getSpec());
      assertThat(pod.at("/volumes/0/secret/secretName").asText()).isEqualTo(name(event));
      assertThat(
              new PodScript(pod)
                  .run(lab(), Map.of("K_EVENT_PATH", folder.toString()))
                  .orFail()
                  .out())
          .isEqualTo("Preparing node n-1\n");
    } finally {
      delete(manifest);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "knative/monitoring/silences.yaml",
        "triggers/examples/cluster-api/pre-drain-hooks.yaml"
      })
  void a_job_is_made_when_an_answer_turns(String file) throws IOException {
    String manifest = Files.readString(OnKnative.HOME.resolve(file));
    String name = Path.of(file).getFileName().toString().replace(".yaml", "");
    lab().apply(manifest);
    try {
      awaitReady(name);

      String id = post("dev.chaperone.disruption.held", "{\"allowed\":false}");

      assertThat(
              client()
                  .batch()
                  .v1()
                  .jobs()
                  .inNamespace(NAMESPACE)
                  .withName(name(awaitEvent(name, id)))
                  .require()
                  .getSpec()
                  .getTemplate()
                  .getSpec()
                  .getServiceAccountName())
          .isEqualTo(name);
    } finally {
      delete(manifest);
    }
  }

  private void awaitReady(String name) {
    chaperone.requireReady("jobsinks.sinks.knative.dev/" + name);
    chaperone.requireReady("triggers.eventing.knative.dev/" + name);
  }

  /// Posts a reply of the functions, and returns its id.
  private String post(String type, String data) {
    var event =
        chaperone
            .event(type)
            .setHeader("ce-source", COMPANION)
            .header("content-type", "application/json")
            .POST(BodyPublishers.ofString(data));
    assertThat(chaperone.post(event, Scene.LONG).statusCode()).isEqualTo(ACCEPTED);
    return event.build().headers().firstValue("ce-id").orElseThrow();
  }

  /// What the Job for the event gets to read.
  private Secret awaitEvent(String jobSink, String id) {
    return await("a Job for the event")
        .atMost(Scene.LONG)
        .until(
            () ->
                client()
                    .secrets()
                    .inNamespace(NAMESPACE)
                    .withLabel("sinks.knative.dev/job-sink-name", jobSink)
                    .list()
                    .getItems()
                    .stream()
                    .filter(it -> text(it).contains(id))
                    .findFirst(),
            Optional::isPresent)
        .orElseThrow();
  }

  private static String text(Secret event) {
    return new String(
        Base64.getDecoder().decode(event.getData().get("event")), StandardCharsets.UTF_8);
  }

  /// The Job's too.
  private static String name(Secret event) {
    return event.getMetadata().getName();
  }

  private static String fromThePage(String page, String what) throws IOException {
    return YAML.matcher(Files.readString(OnKnative.HOME.resolve(page)))
        .results()
        .map(it -> it.group(1))
        .filter(it -> it.contains(what))
        .findFirst()
        .orElseThrow();
  }

  private void delete(String manifest) {
    List<JsonNode> objects = PodScript.objects(manifest);
    for (JsonNode object : objects) {
      client().resource(object.toString()).delete();
    }
    objects.stream()
        .filter(it -> it.path("kind").asText().equals("Trigger"))
        .map(it -> it.at("/metadata/name").asText())
        .forEach(this::awaitNoDelivery);
  }

  /// Until then the Broker tries to deliver each event to the Trigger, with longer and longer
  /// pauses, and does not answer who sent it.
  private void awaitNoDelivery(String trigger) {
    await("no Subscription of Trigger " + trigger)
        .atMost(Scene.LONG)
        .until(
            () ->
                knative("messaging.knative.dev/v1", "Subscription")
                    .withLabel("eventing.knative.dev/trigger", trigger)
                    .list()
                    .getItems()
                    .isEmpty());
    await("channels that deliver to nobody else")
        .atMost(Scene.LONG)
        .until(
            () ->
                knative("messaging.knative.dev/v1", "InMemoryChannel").list().getItems().stream()
                    .allMatch(it -> subscribers(it, "spec").equals(subscribers(it, "status"))));
  }

  private NonNamespaceOperation<
          GenericKubernetesResource,
          GenericKubernetesResourceList,
          Resource<GenericKubernetesResource>>
      knative(String apiVersion, String kind) {
    return client().genericKubernetesResources(apiVersion, kind).inNamespace(NAMESPACE);
  }

  /// Their UIDs: those that it should have, or those that it has.
  private static Set<String> subscribers(GenericKubernetesResource channel, String part) {
    List<Map<String, Object>> subscribers = channel.get(part, "subscribers");
    return subscribers == null
        ? Set.of()
        : subscribers.stream().map(it -> String.valueOf(it.get("uid"))).collect(toSet());
  }

  private KubernetesClient client() {
    return lab().client();
  }

  private Lab lab() {
    return chaperone.lab();
  }
}
