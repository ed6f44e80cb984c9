package dev.chaperone.lab.nodes;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.knative.KnativeManifests;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.function.Function;

/// Knative whole, from its own manifests: Serving with webhook, autoscaler and activator, Kourier
/// with Envoy as its ingress, and Eventing with webhooks, Broker and sources. All of it in pods, on
/// the first node, because only that one has their images; what users' pods need is on all.
final class KnativeInPods {
  private static final String KO = "ko://";
  private static final String CONTROL_PLANE = "node-role.kubernetes.io/control-plane";

  private final Lab lab;
  private final Function<String, Path> manifests;

  /// @param manifests where those of a module of Knative are
  KnativeInPods(Lab lab, Function<String, Path> manifests) {
    this.lab = lab;
    this.manifests = manifests;
  }

  void installServing() {
    apply(
        "serving",
        "core/100-namespace.yaml",
        "core/300-resources/*.yaml",
        "core/200-serviceaccount.yaml",
        "core/200-roles/*.yaml",
        "core/configmaps/*.yaml",
        "core/webhooks/secret.yaml");
    apply(
        "networking",
        "{certificate,domain-claim,ingress,serverlessservice}.yaml",
        "config-network.yaml");
    apply("caching", "image.yaml");
    lab.awaitListed(
        "services.serving.knative.dev",
        "images.caching.internal.knative.dev",
        "ingresses.networking.internal.knative.dev");
    set(
        "knative-serving",
        "config-network",
        "ingress-class",
        "kourier.ingress.networking.knative.dev");
    // No registry can be asked what its tag stands for.
    set(
        "knative-serving",
        "config-deployment",
        "registries-skipping-tag-resolving",
        "dev.local,registry.example.com");
    apply(
        "serving",
        "core/deployments/{activator,autoscaler,controller,webhook}.yaml",
        "core/webhooks/{configmap-validation,defaulting,resource-validation}.yaml");
    apply("net-kourier", "100-*.yaml", "200-*.yaml", "300-*.yaml");
  }

  void installEventing() {
    apply(
        "eventing",
        "core/100-namespace.yaml",
        "core/resources/*.yaml",
        "channels/in-memory-channel/resources/*.yaml",
        "core/200-*.yaml",
        "channels/in-memory-channel/200-*.yaml",
        "core/roles/*.yaml",
        "channels/in-memory-channel/roles/*.yaml",
        "brokers/mt-channel-broker/roles/*.yaml",
        "core/configmaps/*.yaml",
        "channels/in-memory-channel/configmaps/*.yaml",
        "{core,channels/in-memory-channel}/webhooks/secret.yaml");
    apply(
        "eventing",
        "core/deployments/{controller,pingsource-mt-adapter,webhook}.yaml",
        "channels/in-memory-channel/deployments/*.yaml",
        "brokers/mt-channel-broker/deployments/{controller,broker-filter,broker-ingress}.yaml",
        "core/webhooks/{config-validation,defaulting,resource-validation,sinkbindings}.yaml",
        "channels/in-memory-channel/webhooks/{defaulting,resource-validation}.yaml");
  }

  /// Waits until every Deployment of a namespace is available.
  ///
  /// @throws AssertionError with kubectl's words, after five minutes
  void awaitAvailable(String namespace) {
    try (var wait =
        lab.startKubectl(
            "wait",
            "--for=condition=Available",
            "deployment",
            "--all",
            "-n",
            namespace,
            "--timeout=300s")) {
      wait.await(Duration.ofMinutes(6)).orFail();
    }
  }

  private void apply(String module, String... files) {
    try {
      KnativeManifests manifest =
          new KnativeManifests(manifests.apply(module), List.of(files), KnativeInPods::adapted);
      Path file = manifest.write(lab.folder().resolve("knative-%s.json".formatted(module)));
      lab.kubectl("apply", "--server-side", "--force-conflicts", "-f", file.toString()).orFail();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void set(String namespace, String map, String key, String value) {
    lab.kubectl(
            "patch",
            "configmap",
            map,
            "-n",
            namespace,
            "--type=merge",
            "-p",
            "{\"data\":{\"%s\":\"%s\"}}".formatted(key, value))
        .orFail();
  }

  /// Images are the lab's, and pods go to where these are.
  private static ObjectNode adapted(ObjectNode item) {
    renameImages(item);
    if (item.path("kind").asText().equals("Deployment")) {
      ObjectNode pod = item.withObject("/spec/template/spec");
      pod.withObject("/nodeSelector").put("kubernetes.io/hostname", RealCluster.FIRST);
      ArrayNode tolerations = pod.withArray("/tolerations");
      tolerations.addObject().put("key", CONTROL_PLANE).put("operator", "Exists");
      for (JsonNode container : pod.path("containers")) {
        // Kourier's gateway wants a shell and curl to end, which an image of one program has not.
        if (container.at("/lifecycle/preStop/exec/command/0").asText().equals("/bin/sh")) {
          ((ObjectNode) container).remove("lifecycle");
        }
      }
    }
    return item;
  }

  private static void renameImages(JsonNode node) {
    if (node instanceof ObjectNode object) {
      for (var field : object.properties()) {
        if (field.getValue().isTextual() && field.getValue().asText().startsWith(KO)) {
          object.put(
              field.getKey(), Images.ofKnative(field.getValue().asText().substring(KO.length())));
        } else {
          renameImages(field.getValue());
        }
      }
    } else {
      node.forEach(KnativeInPods::renameImages);
    }
  }
}
