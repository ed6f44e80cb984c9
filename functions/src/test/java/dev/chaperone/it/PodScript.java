package dev.chaperone.it;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Kubectl;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// The script of a manifest's pod, run by the programs of this machine, with the rights of the
/// pod's ServiceAccount.
///
/// @param pod spec of the pod
record PodScript(JsonNode pod) {
  private static final YAMLMapper YAML = new YAMLMapper();
  private static final String NAMESPACE = "chaperone";

  /// Installs what a manifest with a JobSink has besides Knative's kinds, and has the API server
  /// check its Job.
  ///
  /// @return the script of that Job
  static PodScript install(Lab lab, Path manifest) throws IOException {
    List<JsonNode> objects = objects(Files.readString(manifest));
    objects.stream()
        .filter(it -> !it.path("apiVersion").asText().contains("knative.dev"))
        .forEach(it -> lab.apply(it.toString()));
    JsonNode job =
        objects.stream()
            .filter(it -> it.path("kind").asText().equals("JobSink"))
            .map(it -> it.at("/spec/job/spec"))
            .findFirst()
            .orElseThrow();
    checkJob(lab, job);
    return new PodScript(job.at("/template/spec"));
  }

  /// The objects of a manifest.
  static List<JsonNode> objects(String yaml) {
    try (var documents = YAML.readerFor(JsonNode.class).<JsonNode>readValues(yaml)) {
      return documents.readAll().stream().filter(JsonNode::isObject).toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// @param otherwise environment variables that have another value than the manifest's
  Kubectl.Result run(Lab lab, Map<String, String> otherwise) {
    JsonNode container = pod.at("/containers/0");
    List<String> command = new ArrayList<>();
    container.path("command").forEach(it -> command.add(it.asText()));
    container.path("args").forEach(it -> command.add(it.asText()));
    Map<String, String> environment = new HashMap<>();
    container
        .path("env")
        .forEach(it -> environment.put(it.path("name").asText(), it.path("value").asText()));
    if (!environment.keySet().containsAll(otherwise.keySet())) {
      throw new AssertionError("the script has no such settings: " + otherwise.keySet());
    }
    environment.putAll(otherwise);
    return lab.runAs(
        NAMESPACE, pod.path("serviceAccountName").asText(), command, Map.copyOf(environment));
  }

  /// Has the API server check a Job, and make none.
  static void checkJob(Lab lab, JsonNode spec) {
    String job =
        """
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "check", "namespace": "%s"}, "spec": %s}
        """
            .formatted(NAMESPACE, spec);
    lab.client().resource(job).dryRun().create();
  }
}
