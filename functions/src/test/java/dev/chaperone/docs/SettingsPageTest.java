package dev.chaperone.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// `docs/reference/settings.md` has every setting that the functions read, with its default.
class SettingsPageTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Pattern PROPERTY =
      Pattern.compile("@ConfigProperty\\(\\s*name = \"(chaperone\\.[a-z.-]+)\"");
  private static final Pattern ROW =
      Pattern.compile("(?m)^\\| `(CHAPERONE_[A-Z_]+)` \\| (.*?) \\|");

  @Test
  void the_page_has_every_setting_with_its_default() throws IOException {
    Properties defaults = new Properties();
    try (InputStream file =
        Files.newInputStream(HOME.resolve("functions/src/main/resources/application.properties"))) {
      defaults.load(file);
    }
    Set<String> expected =
        properties().stream()
            .map(
                it ->
                    variable(it)
                        + " "
                        + (defaults.containsKey(it) ? "`" + defaults.get(it) + "`" : "none"))
            .collect(Collectors.toCollection(TreeSet::new));

    Set<String> documented =
        ROW.matcher(Files.readString(HOME.resolve("docs/reference/settings.md")))
            .results()
            .map(it -> it.group(1) + " " + it.group(2))
            .collect(Collectors.toCollection(TreeSet::new));

    assertThat(documented).containsExactlyElementsOf(expected);
  }

  private static String variable(String property) {
    return property.toUpperCase(Locale.ROOT).replaceAll("[.-]", "_");
  }

  private static Set<String> properties() throws IOException {
    Set<String> properties = new TreeSet<>();
    try (Stream<Path> files = Files.walk(HOME.resolve("functions/src/main/java"))) {
      for (Path file : files.filter(it -> it.toString().endsWith(".java")).toList()) {
        PROPERTY
            .matcher(Files.readString(file))
            .results()
            .forEach(it -> properties.add(it.group(1)));
      }
    }
    return properties;
  }
}
