package dev.chaperone.lab;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class LabExampleTest {
  private static final Path SOURCES = Path.of(System.getProperty("chaperone.home"), "lab/src");

  @Test
  void the_package_s_example_is_a_test_that_runs() throws IOException {
    String documentation =
        Files.readString(SOURCES.resolve("main/java/dev/chaperone/lab/package-info.java"))
            .replaceAll("(?m)^/// ?", "");
    String test =
        Files.readString(SOURCES.resolve("test/java/dev/chaperone/lab/LabExampleIT.java"));

    String example = test.substring(test.indexOf("import "));
    assertThat(documentation).contains("```java\n" + example + "```\n");
  }
}
