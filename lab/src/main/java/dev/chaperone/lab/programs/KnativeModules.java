package dev.chaperone.lab.programs;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// What the lab takes from the Go modules of Knative besides their code: the manifests, so that a
/// later start needs no Go, and two packages of which it builds a changed copy.
final class KnativeModules {
  /// The in-memory channel listens on 8080, always. Two labs on one machine need two ports.
  private static final String DISPATCHER = "pkg/reconciler/inmemorychannel/dispatcher";

  /// So does what makes Jobs for JobSinks, which besides is a program and no package.
  private static final String JOB_SINK = "cmd/jobsink";

  private static final String FIXED_PORTS = "\thttpPort      = 8080\n\thttpsPort     = 8443\n";

  private static final String OWN_PORTS =
      """
      package %s

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

  private static final Map<String, String> AS_PACKAGE =
      Map.of(
          "package main\n", "package jobsink\n",
          "func main() {\n", "func Main() {\n",
          "NewHTTPEventReceiver(8080)", "NewHTTPEventReceiver(httpPort)",
          "NewHTTPEventReceiver(8443,", "NewHTTPEventReceiver(httpsPort,");

  private static final Map<String, String> CHOSEN =
      Map.of(
          "package main\n", "package main\n\nimport \"lab/kn/jobsink\"\n",
          "var jobSink func()", "var jobSink = jobsink.Main");

  /// Identifies the change, for those who keep what was built with it.
  static final String CHANGE =
      FIXED_PORTS + OWN_PORTS + new TreeMap<>(AS_PACKAGE) + new TreeMap<>(CHOSEN);

  private KnativeModules() {}

  /// Writes what `go build -overlay` needs for these two with ports of their own, and returns the
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
        changed(
            eventing.resolve(DISPATCHER).resolve("controller.go"),
            Map.of(FIXED_PORTS, ""),
            folder.resolve("controller.go")));
    replacements.put(copy.resolve("ports.go").toString(), ports("dispatcher", folder));
    Path chosen = program.resolve("dispatcher.go");
    replacements.put(
        chosen.toString(),
        changed(
            chosen,
            Map.of("knative.dev/eventing/" + DISPATCHER, "lab/kn/dispatcher"),
            folder.resolve("dispatcher.go")));
    Path jobSink = program.resolve("jobsink");
    replacements.put(
        jobSink.resolve("main.go").toString(),
        changed(
            eventing.resolve(JOB_SINK).resolve("main.go"),
            AS_PACKAGE,
            folder.resolve("jobsink-main.go")));
    replacements.put(jobSink.resolve("ports.go").toString(), ports("jobsink", folder));
    Path part = program.resolve("jobsink.go");
    replacements.put(part.toString(), changed(part, CHOSEN, folder.resolve("jobsink.go")));
    Path overlay = folder.resolve("overlay.json");
    new ObjectMapper().writeValue(overlay.toFile(), Map.of("Replace", replacements));
    return overlay;
  }

  private static String ports(String name, Path folder) throws IOException {
    return Files.writeString(folder.resolve(name + "-ports.go"), OWN_PORTS.formatted(name))
        .toString();
  }

  private static String changed(Path original, Map<String, String> changes, Path copy)
      throws IOException {
    String source = Files.readString(original);
    for (Map.Entry<String, String> change : changes.entrySet()) {
      if (!source.contains(change.getKey())) {
        throw new LabFailure(
            "%s does not have what the lab changes: adapt it to this version of Knative"
                .formatted(original));
      }
      source = source.replace(change.getKey(), change.getValue());
    }
    return Files.writeString(copy, source).toString();
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
