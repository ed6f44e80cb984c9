package dev.chaperone.api;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crdv2.generator.CRDGenerator;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceColumnDefinition;
import io.fabric8.kubernetes.api.model.apiextensions.v1.CustomResourceDefinition;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// `knative/crds/` is generated from the types of this package, and checked in so that it can be
/// read and installed without a build. With `-Dcrds.write` this test writes it anew.
class CustomResourceDefinitionsTest {
  private static final Path CHECKED_IN =
      Path.of(System.getProperty("chaperone.home"), "knative", "crds");

  @ParameterizedTest
  @ValueSource(classes = {Companion.class, Hold.class, EventKey.class})
  void the_checked_in_definition_is_what_the_types_say(
      Class<? extends CustomResource<?, ?>> type, @TempDir Path folder) throws IOException {
    String generated = Serialization.asYaml(generate(type, folder));
    Path checkedIn = CHECKED_IN.resolve(HasMetadata.getPlural(type) + ".yaml");
    if (Boolean.getBoolean("crds.write")) {
      Files.createDirectories(CHECKED_IN);
      Files.writeString(checkedIn, generated);
    }
    assertThat(checkedIn).hasContent(generated);
  }

  private static CustomResourceDefinition generate(
      Class<? extends CustomResource<?, ?>> type, Path folder) {
    new CRDGenerator()
        .inOutputDir(folder.toFile())
        .customResourceClasses(type)
        .forCRDVersions("v1")
        .generate();
    CustomResourceDefinition definition =
        Serialization.unmarshal(onlyFileOf(folder.toFile()), CustomResourceDefinition.class);
    // The generator sorts columns by path; people read them in the order in which they are
    // declared.
    List<String> declared =
        Stream.of(type.getAnnotationsByType(AdditionalPrinterColumn.class))
            .map(AdditionalPrinterColumn::name)
            .toList();
    List<CustomResourceColumnDefinition> columns =
        definition.getSpec().getVersions().getFirst().getAdditionalPrinterColumns();
    columns.sort(
        Comparator.comparing(
            (CustomResourceColumnDefinition column) -> declared.indexOf(column.getName())));
    // The API server keeps no 0, and would call a definition that has one changed at each apply.
    columns.stream()
        .filter(column -> Objects.equals(column.getPriority(), 0))
        .forEach(column -> column.setPriority(null));
    return definition;
  }

  private static String onlyFileOf(File folder) {
    try (Stream<Path> files = Files.list(folder.toPath())) {
      return Files.readString(files.findFirst().orElseThrow());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
