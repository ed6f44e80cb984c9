package dev.chaperone.it;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/// Headless Chromium, where this machine has it: of Debian, the package `chromium-headless-shell`,
/// or `chromium`.
record Browser(Path program) {
  private static final List<String> NAMES = List.of("chromium-headless-shell", "chromium");
  private static final long PATIENCE_SECONDS = 120;

  static Optional<Browser> installed() {
    List<Path> folders =
        Stream.of(System.getenv("PATH").split(File.pathSeparator, -1)).map(Path::of).toList();
    return NAMES.stream()
        .flatMap(name -> folders.stream().map(folder -> folder.resolve(name)))
        .filter(Files::isExecutable)
        .findFirst()
        .map(Browser::new);
  }

  /// Loads the page and writes what it looks like.
  ///
  /// @param url with user and password, where it needs them
  /// @param file in the format that its name says: PNG or WebP
  void screenshot(String url, boolean dark, int width, int height, Path file) {
    try {
      Path log = Files.createTempFile("browser", ".log");
      Process browser =
          new ProcessBuilder(
                  program.toString(),
                  "--headless",
                  // Without it, it does not run as root; it loads our own page alone.
                  "--no-sandbox",
                  "--disable-gpu",
                  "--disable-dev-shm-usage",
                  "--hide-scrollbars",
                  "--blink-settings=preferredColorScheme=" + (dark ? 0 : 1),
                  "--window-size=" + width + "," + height,
                  "--screenshot=" + file.toAbsolutePath(),
                  url)
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      boolean ended = browser.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
      browser.destroyForcibly();
      if (!ended || !Files.exists(file)) {
        throw new AssertionError("no screenshot: " + Files.readString(log));
      }
      Files.delete(log);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
