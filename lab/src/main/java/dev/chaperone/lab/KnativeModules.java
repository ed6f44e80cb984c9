package dev.chaperone.lab;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// What the lab takes from the Go modules of Knative besides their code: the manifests, so that a
/// later start needs no Go, and one package of which it builds a changed copy.
final class KnativeModules {
  /// The in-memory channel listens on 8080, always. Two labs on one machine need two ports.
  private static final String DISPATCHER = "pkg/reconciler/inmemorychannel/dispatcher";

  private static final String FIXED_PORTS = "\thttpPort      = 8080\n\thttpsPort     = 8443\n";

  private static final String OWN_PORTS =
      """
      package dispatcher

      import (
      	"os"
      	"strconv"
      )

      var httpPort, httpsPort = ownPort("CHANNEL_PORT", 8080), ownPort("CHANNEL_PORT_HTTPS", 8443)

      func ownPort(name string, otherwise int) int {
      	if port, err := strconv.Atoi(os.Getenv(name)); err == nil {
      		return port
      	}
      	return otherwise
      }
      """;

  /// Identifies the change, for those who keep what was built with it.
  static final String CHANGE = FIXED_PORTS + OWN_PORTS;

  private KnativeModules() {}

  /// Writes what `go build -overlay` needs for a dispatcher with ports of its own, and returns the
  /// file to name to it.
  ///
  /// @param program the lab's own module, which gets the copy
  /// @param eventing Knative's module in Go's cache, which stays as it is
  static Path overlay(Path program, Path eventing, Path folder) throws IOException {
    Files.createDirectories(folder);
    Map<String, String> replacements = new TreeMap<>();
    Path copy = program.resolve("dispatcher");
    try (Stream<Path> files = Files.list(eventing.resolve(DISPATCHER))) {
      for (Path file : files.filter(KnativeModules::isBuilt).toList()) {
        replacements.put(copy.resolve(file.getFileName()).toString(), file.toString());
      }
    }
    replacements.put(
        copy.resolve("controller.go").toString(),
        changed(eventing.resolve(DISPATCHER).resolve("controller.go"), FIXED_PORTS, "", folder));
    replacements.put(
        copy.resolve("ports.go").toString(),
        Files.writeString(folder.resolve("ports.go"), OWN_PORTS).toString());
    Path chosen = program.resolve("dispatcher.go");
    replacements.put(
        chosen.toString(),
        changed(chosen, "knative.dev/eventing/" + DISPATCHER, "lab/kn/dispatcher", folder));
    Path overlay = folder.resolve("overlay.json");
    new ObjectMapper().writeValue(overlay.toFile(), Map.of("Replace", replacements));
    return overlay;
  }

  private static String changed(Path original, String from, String to, Path folder)
      throws IOException {
    String source = Files.readString(original);
    if (!source.contains(from)) {
      throw new LabFailure(
          "%s does not have what the lab changes: adapt it to this version of Knative"
              .formatted(original));
    }
    return Files.writeString(folder.resolve(original.getFileName()), source.replace(from, to))
        .toString();
  }

  private static boolean isBuilt(Path file) {
    return file.toString().endsWith(".go") && !file.toString().endsWith("_test.go");
  }

  /// Copies the manifests of a module.
  static void copyManifests(Path module, Path folder) throws IOException {
    Path config = module.resolve("config");
    try (Stream<Path> files = Files.walk(config)) {
      for (Path file : files.filter(it -> it.toString().endsWith(".yaml")).toList()) {
        Path copy = folder.resolve(config.relativize(file).toString());
        Files.createDirectories(copy.getParent());
        // Not a copy of the file itself: in Go's cache it is read-only.
        Files.write(copy, Files.readString(file).getBytes(StandardCharsets.UTF_8));
      }
    }
  }
}
