package dev.chaperone.lab.install;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.nodes.NodeLab;
import dev.chaperone.lab.nodes.RealNode;
import dev.chaperone.lab.programs.LabFailure;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// Installs Chaperone on a cluster of the lab, from the manifests of a checkout as they are.
public final class Chaperone {
  private static final List<String> TYPES_AND_RIGHTS =
      List.of(
          "knative/crds",
          "knative/base/namespace.yaml",
          "knative/base/rbac.yaml",
          "knative/policies/functions.yaml",
          "triggers/base/rbac.yaml");

  /// As `knative/` names it.
  private static final String IMAGE = "registry.example.com/chaperone/functions:0.1";

  /// A JSON patch of one of its CRDs: without rules it takes anything, as one of another version
  /// may, but for what the functions select by.
  public static final String WITHOUT_RULES =
      """
      [{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": {
        "type": "object",
        "properties": {
          "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {
            "targetRef": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"name": {"type": "string"}}},
            "followerRef": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"name": {"type": "string"}}},
            "companionRef": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"name": {"type": "string"}}}}},
          "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}]
      """;

  private Chaperone() {}

  /// Installs its types, namespace and rights: all but what is of Knative's own kinds, which a lab
  /// need not know.
  ///
  /// @param home the checkout
  public static void installTypesAndRights(Lab lab, Path home) {
    TYPES_AND_RIGHTS.forEach(part -> lab.apply(home.resolve(part)));
    awaitTypes(lab);
  }

  /// Starts real nodes that have the functions' image, if scripts/image has built it.
  ///
  /// @param home the checkout
  /// @param workers how many nodes there are besides the control plane's, at most 9
  /// @throws LabFailure as [NodeLab#start(int)]
  public static NodeLab startNodes(Path home, int workers) {
    List<RealNode.Archive> images =
        Files.exists(image(home))
            ? List.of(
                new RealNode.Archive(
                    image(home), "docker.io/library/chaperone-functions:latest", IMAGE))
            : List.of();
    return NodeLab.start(workers, images);
  }

  /// Installs it as its users do, from `knative/` and `triggers/`, and returns when all of it is
  /// Ready.
  ///
  /// @param nodes that [#startNodes] started, with Knative on them
  /// @param home the checkout, where scripts/image has built the image
  /// @throws LabFailure if there is no image
  public static void install(NodeLab nodes, Path home) {
    if (!Files.exists(image(home))) {
      throw new LabFailure("There is no image of the functions: run scripts/image");
    }
    Lab lab = nodes.lab();
    lab.apply(home.resolve("knative"));
    awaitTypes(lab);
    lab.apply(home.resolve("triggers"));
    for (String kinds : List.of("ksvc", "broker,trigger,apiserversource,pingsource")) {
      try (var wait =
          lab.startKubectl(
              "wait",
              "--for=condition=Ready",
              kinds,
              "--all",
              "-n",
              "chaperone",
              "--timeout=180s")) {
        wait.await(Duration.ofMinutes(4)).orFail();
      }
    }
  }

  private static void awaitTypes(Lab lab) {
    lab.awaitListed("companions", "holds");
  }

  private static Path image(Path home) {
    return home.resolve("functions/target/image.tar");
  }
}
