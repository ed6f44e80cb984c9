package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.programs.Kubectl;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The API server itself refuses what Chaperone could not act on. Each `invalid-*.yaml` breaks one
/// rule and says in its first line what the refusal must say; each `valid-*.yaml` is admitted.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class ValidationIT {
  private static final Path FOLDER = Path.of("src/test/resources/validation");
  private static final String SAYS = "# refused: ";

  private Installation chaperone;

  static Stream<String> valid() {
    return files("valid-");
  }

  static Stream<String> invalid() {
    return files("invalid-");
  }

  @ParameterizedTest
  @MethodSource("valid")
  void is_admitted(String file) {
    assertThat(dryRun(file)).satisfies(it -> assertThat(it.exit()).as(it.err()).isZero());
  }

  @ParameterizedTest
  @MethodSource("invalid")
  void is_refused_with_a_message_that_says_what_to_write(String file) throws IOException {
    List<String> lines = Files.readAllLines(FOLDER.resolve(file));
    assertThat(lines.getFirst()).startsWith(SAYS);

    Kubectl.Result result = dryRun(file);

    assertThat(result.exit()).isNotZero();
    assertThat(result.err()).contains(lines.getFirst().substring(SAYS.length()));
  }

  private Kubectl.Result dryRun(String file) {
    return chaperone
        .lab()
        .kubectl("create", "--dry-run=server", "-f", FOLDER.resolve(file).toString());
  }

  private static Stream<String> files(String prefix) {
    try (Stream<Path> files = Files.list(FOLDER)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.startsWith(prefix))
          .sorted()
          .toList()
          .stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
