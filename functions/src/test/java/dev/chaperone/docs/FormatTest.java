package dev.chaperone.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// Texts are as `.editorconfig` says, those too that no formatter touches. Of Java, Spotless takes
/// care; Go has tabs, and what Maven and the Go tools write is theirs.
class FormatTest {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Set<String> NOT_OURS = Set.of("target", ".git", ".mvn", ".idea", ".vscode");
  private static final List<String> TEXTS =
      List.of(
          ".md", ".yaml", ".yml", ".json", ".xml", ".properties", ".csv", ".tpl", ".txt", ".py");

  @Test
  void no_text_has_trailing_blanks_or_tabs_or_lacks_its_last_line_break() throws IOException {
    List<String> wrong = new ArrayList<>();
    for (Path file : texts()) {
      String text = Files.readString(file);
      String name = HOME.relativize(file).toString();
      int number = 0;
      for (String line : text.split("\n", -1)) {
        number++;
        if (line.endsWith(" ") || line.contains("\t") || line.contains("\r")) {
          wrong.add(name + ":" + number + ": a blank at its end, a tab or a carriage return");
        }
      }
      if (!text.isEmpty() && !text.endsWith("\n")) {
        wrong.add(name + ": no line break at its end");
      }
    }
    assertThat(wrong).isEmpty();
  }

  private static List<Path> texts() throws IOException {
    List<Path> texts = new ArrayList<>();
    Files.walkFileTree(
        HOME,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            return NOT_OURS.contains(folder.getFileName().toString())
                ? FileVisitResult.SKIP_SUBTREE
                : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            boolean script = file.getParent().equals(HOME.resolve("scripts"));
            if (script || TEXTS.stream().anyMatch(file.toString()::endsWith)) {
              texts.add(file);
            }
            return FileVisitResult.CONTINUE;
          }
        });
    assertThat(texts).hasSizeGreaterThan(100);
    return texts;
  }
}
