package dev.chaperone.docs;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A Markdown page with blocks that are generated, each between `<!-- NAME: generated -->` and
/// `<!-- end -->`. What stands around them is written by hand.
///
/// @param file the page
public record Page(Path file) {
  private static final String END = "<!-- end -->";

  /// The page at this path.
  ///
  /// @param path below `docs/`
  public static Page of(String path) {
    return new Page(Path.of(System.getProperty("chaperone.home"), "docs").resolve(path));
  }

  /// Fails unless the block is this text. With `-Ddocs.write=true`, writes it there first.
  ///
  /// @param text ends with a line break
  public void assertBlock(String name, String text) throws IOException {
    String begin = "<!-- " + name + ": generated -->\n";
    String page = Files.readString(file);
    int from = page.indexOf(begin) + begin.length();
    int to = page.indexOf(END, from);
    assertThat(page).as("%s", file).contains(begin);
    assertThat(to).as("end of block %s of %s", name, file).isPositive();
    if (Boolean.getBoolean("docs.write")) {
      page = page.substring(0, from) + text + page.substring(to);
      Files.writeString(file, page);
      to = from + text.length();
    }
    assertThat(page.substring(from, to))
        .as("block %s of %s; -Ddocs.write=true writes it anew", name, file)
        .isEqualTo(text);
  }
}
