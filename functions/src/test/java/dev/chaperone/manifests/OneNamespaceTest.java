package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.programs.Kubectl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The overlay for one namespace, as its users have to edit it.
class OneNamespaceTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  @TempDir private Path copy;

  @Test
  void the_name_of_the_namespace_is_written_in_one_place() throws IOException {
    copyTo(copy, "ours");

    assertThat(Kubectl.kustomize(copy.resolve("knative/overlays/one-namespace")))
        .doesNotContain("namespace: storage")
        .doesNotContain("namespace: chaperone")
        .doesNotContain("namespaces/chaperone")
        .doesNotContain("value: storage")
        .doesNotContain("value: NAMESPACE")
        .doesNotContain(".storage")
        .contains("value: ours");
  }

  @Test
  void two_installations_have_nothing_in_common() {
    assertThat(Wiring.ONE_NAMESPACE.manifests().ofKind("Namespace", "CustomResourceDefinition"))
        .isEmpty();
    assertThat(Wiring.ONE_NAMESPACE.manifests().objects())
        .filteredOn(it -> Manifests.namespace(it).isEmpty())
        .isNotEmpty()
        .allSatisfy(it -> assertThat(Manifests.name(it)).endsWith(".storage"));
  }

  /// Copies the manifests and names the namespace of the overlay, as its users do.
  static void copyTo(Path folder, String namespace) throws IOException {
    copy("knative", folder);
    copy("triggers", folder);
    Path kustomization = folder.resolve("knative/overlays/one-namespace/kustomization.yaml");
    Files.writeString(
        kustomization,
        Files.readString(kustomization)
            .replaceFirst("\nnamespace: storage\n", "\nnamespace: " + namespace + "\n"));
  }

  private static void copy(String manifests, Path folder) throws IOException {
    try (var files = Files.walk(HOME.resolve(manifests))) {
      for (Path file : files.toList()) {
        Path to = folder.resolve(HOME.relativize(file));
        if (Files.isDirectory(file)) {
          Files.createDirectories(to);
        } else {
          Files.copy(file, to);
        }
      }
    }
  }
}
