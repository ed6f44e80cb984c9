package dev.chaperone.docs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// A fenced block of the documentation: commands, or YAML.
///
/// @param page the Markdown file, relative to the repository
/// @param line where its text begins, from 1
/// @param language what the fence says: `sh`, `console`, `yaml`, `text`, or nothing
/// @param mark what the HTML comment above it says, such as `not run: …`; empty without one
/// @param text its lines, without the indentation of a list around it
public record Sample(Path page, int line, String language, String mark, String text) {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  private static final Pattern FENCED =
      Pattern.compile(
          "(?ms)(?:^ *<!-- ((?:not run|run by): [^\n]*?) -->\n)?^( *)```(\\w*)\n(.*?)^ *```$");

  /// Those of the README and of every page of `docs/`, in the order of the pages' names.
  public static List<Sample> all() {
    try (Stream<Path> pages = Files.walk(HOME.resolve("docs"))) {
      return Stream.concat(Stream.of(HOME.resolve("README.md")), pages.sorted())
          .filter(it -> it.toString().endsWith(".md"))
          .flatMap(it -> in(it).stream())
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<Sample> in(Path page) {
    List<Sample> samples = new ArrayList<>();
    String text;
    try {
      text = Files.readString(page);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    Matcher fence = FENCED.matcher(text);
    while (fence.find()) {
      samples.add(
          new Sample(
              HOME.relativize(page),
              (int) text.substring(0, fence.start(4)).lines().count() + 1,
              fence.group(3),
              fence.group(1) == null ? "" : fence.group(1),
              fence.group(4).replaceAll("(?m)^" + fence.group(2), "")));
    }
    return samples;
  }

  /// Whether it is a script, or shows commands with what they print.
  public boolean isCommands() {
    return language.equals("sh") || language.equals("console");
  }

  /// Whether it is YAML.
  public boolean isYaml() {
    return language.equals("yaml");
  }

  /// Its commands as a script; of a `console`, the lines behind a prompt.
  public String script() {
    return language.equals("console")
        ? String.join(
            "\n",
            text.lines().filter(it -> it.startsWith("$ ")).map(it -> it.substring(2)).toList())
        : text;
  }

  @Override
  public String toString() {
    return page + ":" + line;
  }
}
