package dev.chaperone.lab.release;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion.VersionFlag;
import com.networknt.schema.ValidationMessage;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The JSON schemas that a release has, held against what users copy and what they get wrong.
class SchemasTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Pattern KIND = Pattern.compile("(?m)^kind: (Companion|Hold)\\s");

  @TempDir private static Path folder;

  @BeforeAll
  static void write() throws IOException {
    assertThat(new Schemas(HOME).write(folder))
        .containsExactly(schemaOf("Companion"), schemaOf("Hold"), schemaOf("EventKey"));
  }

  @Test
  void every_sample_is_valid() throws IOException {
    List<String> samples;
    try (Stream<Path> files = Files.list(HOME.resolve("knative/examples"))) {
      samples =
          files
              .map(SchemasTest::read)
              .flatMap(text -> Stream.of(text.split("(?m)^---\n")))
              .filter(text -> KIND.matcher(text).find())
              .toList();
    }
    assertThat(samples).hasSizeGreaterThan(6);
    assertThat(samples).allSatisfy(sample -> assertThat(errors(sample)).as(sample).isEmpty());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "{targetRef: {name: a}, disruption: {maxUnavailable: 2, settlePeriod: 60s}} |",
        "{targetRef: {name: a}, disruption: {maxUnavailable: 10%}} |",
        "{targetRef: {name: a}, disruption: {maxUnavailabel: 2}} | maxUnavailabel",
        "{targetRef: {name: a}, disruption: {maxUnavailable: [2]}} | maxUnavailable",
        "{targetRef: {name: a}, disruption: {policy: Always}} | policy",
        "{targetRef: {name: 7}} | targetRef.name",
        "{followerRef: {name: a}} | targetRef",
      })
  void what_a_companion_may_not_say_is_an_error_that_names_the_field(String spec, String field)
      throws IOException {
    List<String> errors =
        errors(
            "apiVersion: chaperone.dev/v1alpha1\nkind: Companion\nmetadata: {name: a}\nspec: "
                + spec);

    if (field == null) {
      assertThat(errors).isEmpty();
    } else {
      assertThat(errors).isNotEmpty().anySatisfy(it -> assertThat(it).contains(field));
    }
  }

  @Test
  void a_hold_has_to_say_what_and_why_and_is_of_its_own_version() throws IOException {
    assertThat(
            errors(
                "apiVersion: chaperone.dev/v2\nkind: Hold\nmetadata: {name: a}\nspec: {companionRef: {name: a}}"))
        .hasSize(2)
        .anySatisfy(it -> assertThat(it).contains("reason"))
        .anySatisfy(it -> assertThat(it).contains("apiVersion"));
    assertThat(errors("apiVersion: chaperone.dev/v1alpha1\nkind: Hold\nmetadata: {name: a}"))
        .singleElement()
        .asString()
        .contains("spec");
  }

  private static List<String> errors(String yaml) throws IOException {
    JsonNode object = Serialization.unmarshal(yaml, JsonNode.class);
    return JsonSchemaFactory.getInstance(VersionFlag.V7)
        .getSchema(new ObjectMapper().readTree(schemaOf(object.path("kind").asText()).toFile()))
        .validate(object)
        .stream()
        .map(ValidationMessage::getMessage)
        .toList();
  }

  private static Path schemaOf(String kind) {
    return folder.resolve(
        "chaperone.dev/%s_v1alpha1.json".formatted(kind.toLowerCase(Locale.ROOT)));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
