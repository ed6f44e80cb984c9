package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crdv2.generator.CRDGenerator;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceColumnDefinition;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The CRD is generated from the types, and checked in so that it can be read and installed without
/// a build. With `-Dcrds.write` this test writes it anew.
class CustomResourceDefinitionTest {
  private static final Path CHECKED_IN =
      Path.of(System.getProperty("chaperone.home"), "reflectors", "manifests", "crd.yaml");

  @Test
  void the_checked_in_definition_is_what_the_types_say(@TempDir Path folder) throws IOException {
    new CRDGenerator()
        .inOutputDir(folder.toFile())
        .customResourceClasses(RouteReflectors.class)
        .forCRDVersions("v1")
        .generate();
    CustomResourceDefinition definition;
    try (Stream<Path> files = Files.list(folder)) {
      definition =
          Serialization.unmarshal(
              Files.readString(files.findFirst().orElseThrow()), CustomResourceDefinition.class);
    }
    // The generator sorts columns by path; people read them in the order in which they are
    // declared.
    List<String> declared =
        Stream.of(RouteReflectors.class.getAnnotationsByType(AdditionalPrinterColumn.class))
            .map(AdditionalPrinterColumn::name)
            .toList();
    List<CustomResourceColumnDefinition> columns =
        definition.getSpec().getVersions().getFirst().getAdditionalPrinterColumns();
    columns.sort(Comparator.comparing(column -> declared.indexOf(column.getName())));
    // The API server keeps no 0, and would call a definition that has one changed at each apply.
    columns.stream()
        .filter(column -> Objects.equals(column.getPriority(), 0))
        .forEach(column -> column.setPriority(null));

    String generated = Serialization.asYaml(definition);
    if (Boolean.getBoolean("crds.write")) {
      Files.writeString(CHECKED_IN, generated);
    }
    assertThat(CHECKED_IN).hasContent(generated);
  }
}
