package dev.chaperone.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Every link of the documentation that stays in this repository leads to a file that exists, and
/// to a heading of it where it names one. Links to other hosts are not asked for.
class LinksTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// A README is read on one screen or two.
  private static final int LINES_OF_README = 80;

  private static final Pattern FENCE = Pattern.compile("(?ms)^ *```.*?^ *```$");
  private static final Pattern CODE = Pattern.compile("`[^`\n]*`");
  private static final Pattern LINK = Pattern.compile("]\\(([^()\\s]+)\\)");
  private static final Pattern HEADING = Pattern.compile("(?m)^#{1,6} +(.+?) *$");
  private static final Pattern ELSEWHERE = Pattern.compile("[a-z]+:.*");
  private static final Pattern DOCUMENT = Pattern.compile("(?<![\\w/.-])docs/[\\w/.-]+\\.(md|svg)");

  private static final Pattern CLASS = Pattern.compile("`([A-Z][a-z]+[A-Za-z]*)`");

  static List<Path> pages() throws IOException {
    List<Path> pages = new ArrayList<>(List.of(HOME.resolve("lab/README.md")));
    try (Stream<Path> files = Files.list(HOME)) {
      files.filter(LinksTest::isMarkdown).forEach(pages::add);
    }
    for (String folder : List.of("docs", ".github")) {
      try (Stream<Path> files = Files.walk(HOME.resolve(folder))) {
        files.filter(LinksTest::isMarkdown).forEach(pages::add);
      }
    }
    return pages.stream().sorted().toList();
  }

  @ParameterizedTest
  @MethodSource("pages")
  void every_link_of_a_page_leads_somewhere(Path page) throws IOException {
    List<String> broken = new ArrayList<>();
    for (String link : links(page)) {
      int hash = link.indexOf('#');
      Path target = hash == 0 ? page : page.resolveSibling(before(link, hash)).normalize();
      if (!Files.exists(target)) {
        broken.add(link + ": no such file");
      } else if (hash >= 0 && !anchors(target).contains(link.substring(hash + 1))) {
        broken.add(link + ": no such heading, only " + anchors(target));
      }
    }
    assertThat(broken).as("broken links of %s", HOME.relativize(page)).isEmpty();
  }

  @Test
  void every_page_is_reached_from_the_readme_by_links() throws IOException {
    Set<Path> reached = new HashSet<>();
    List<Path> next = new ArrayList<>(List.of(HOME.resolve("README.md")));
    while (!next.isEmpty()) {
      Path page = next.removeLast();
      if (Files.exists(page) && reached.add(page) && isMarkdown(page)) {
        for (String link : links(page)) {
          next.add(page.resolveSibling(before(link, link.indexOf('#'))).normalize());
        }
      }
    }
    assertThat(pages().stream().filter(it -> it.startsWith(HOME.resolve("docs"))))
        .as("pages of docs/")
        .allSatisfy(it -> assertThat(reached).contains(it));
  }

  @Test
  void the_readme_has_at_most_80_lines() throws IOException {
    assertThat(Files.readAllLines(HOME.resolve("README.md")))
        .hasSizeLessThanOrEqualTo(LINES_OF_README);
  }

  @Test
  void every_document_that_manifests_scripts_and_code_name_exists() throws IOException {
    Map<Path, String> missing = new HashMap<>();
    for (String folder :
        List.of(
            "knative", "triggers", "charts", "scripts", ".github", "lab/src", "functions/src")) {
      try (Stream<Path> files = Files.walk(HOME.resolve(folder))) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          DOCUMENT
              .matcher(new String(Files.readAllBytes(file), StandardCharsets.UTF_8))
              .results()
              .map(MatchResult::group)
              .filter(it -> !Files.exists(HOME.resolve(it)))
              .forEach(it -> missing.put(HOME.relativize(file), it));
        }
      }
    }
    assertThat(missing).isEmpty();
  }

  /// In code style and nothing else: `Reason`, `GuardPlanTest`.
  @Test
  void every_class_that_is_named_for_contributors_exists() throws IOException {
    Set<String> classes = new HashSet<>();
    for (String folder : List.of("lab", "functions", "kubectl")) {
      try (Stream<Path> files = Files.walk(HOME.resolve(folder).resolve("src"))) {
        files
            .map(it -> it.getFileName().toString())
            .filter(it -> it.endsWith(".java"))
            .forEach(it -> classes.add(it.substring(0, it.length() - ".java".length())));
      }
    }
    for (String page : List.of("ARCHITECTURE.md", "CONTRIBUTING.md")) {
      assertThat(
              CLASS.matcher(Files.readString(HOME.resolve(page))).results().map(it -> it.group(1)))
          .as(page)
          .isNotEmpty()
          .isSubsetOf(classes);
    }
  }

  /// Those that stay in this repository.
  private static List<String> links(Path page) throws IOException {
    String text = CODE.matcher(withoutFences(page)).replaceAll("");
    return LINK.matcher(text)
        .results()
        .map(it -> it.group(1))
        .filter(it -> !ELSEWHERE.matcher(it).matches())
        .toList();
  }

  /// As GitHub makes them of headings: lower case, without punctuation, with a number from the
  /// second of the same on.
  private static Set<String> anchors(Path page) throws IOException {
    if (!isMarkdown(page)) {
      return Set.of();
    }
    Set<String> anchors = new HashSet<>();
    Map<String, Integer> seen = new HashMap<>();
    HEADING
        .matcher(withoutFences(page))
        .results()
        .map(it -> it.group(1).replaceAll("]\\([^)]*\\)", ""))
        .map(it -> it.toLowerCase(Locale.ROOT).replaceAll("[^\\p{L}\\p{N}_ -]", ""))
        .map(it -> it.replace(' ', '-'))
        .forEach(
            it -> {
              int before = seen.merge(it, 1, Integer::sum) - 1;
              anchors.add(before == 0 ? it : it + "-" + before);
            });
    return anchors;
  }

  private static String withoutFences(Path page) throws IOException {
    return FENCE.matcher(Files.readString(page)).replaceAll("");
  }

  private static String before(String link, int hash) {
    return hash < 0 ? link : link.substring(0, hash);
  }

  private static boolean isMarkdown(Path file) {
    return file.toString().endsWith(".md");
  }
}
