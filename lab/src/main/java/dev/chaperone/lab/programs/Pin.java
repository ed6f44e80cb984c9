package dev.chaperone.lab.programs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The versions that a Go module under lab/go is built from. `go.mod` pins the default. A file such
/// as `1.36.mod` beside it pins another version for the same sources, with its checksums in
/// `1.36.sum`; `lab/go/pin` writes both.
///
/// `chaperone.kubernetes` and `chaperone.knative` choose one by its minor version, as a system
/// property or in the environment (`CHAPERONE_KUBERNETES`, `CHAPERONE_KNATIVE`).
public final class Pin {
  /// What can be chosen: the folder under lab/go, and the Go module that the choice is about.
  private static final Map<String, Setting> SETTINGS =
      Map.of(
          "controlplane", new Setting("kubernetes", "k8s.io/kubernetes"),
          "knative", new Setting("knative", "knative.dev/eventing"));

  private record Setting(String name, String module) {
    private @Nullable String chosen() {
      String chosen = System.getProperty("chaperone." + name);
      if (chosen == null) {
        chosen = System.getenv("CHAPERONE_" + name.toUpperCase(Locale.ROOT));
      }
      return chosen == null || chosen.isBlank() ? null : chosen.strip();
    }
  }

  private static final String DEFAULT = "go.mod";

  private final Path folder;
  private final String file;
  private final String version;

  private Pin(Path folder, String file, String version) {
    this.folder = folder;
    this.file = file;
    this.version = version;
  }

  /// The chosen versions of a module under lab/go.
  ///
  /// @throws LabFailure if the chosen version is not pinned; the message lists those that are
  public static Pin of(Path folder) {
    Setting setting = SETTINGS.get(folder.getFileName().toString());
    return setting == null ? new Pin(folder, DEFAULT, "") : choose(folder, setting.chosen());
  }

  /// @param chosen a minor version; none: the default
  static Pin choose(Path folder, @Nullable String chosen) {
    List<Pin> all = all(folder);
    return all.stream()
        .filter(pin -> chosen == null ? pin.isDefault() : pin.minor().equals(chosen))
        .findFirst()
        .orElseThrow(
            () ->
                new LabFailure(
                    "The lab has no version %s of %s: choose one of %s, or pin it with lab/go/pin"
                        .formatted(
                            chosen,
                            folder.getFileName(),
                            all.stream().map(Pin::minor).collect(Collectors.joining(", ")))));
  }

  /// Every version that can be chosen for a module under lab/go, in the order of their names; the
  /// default, whose file is go.mod, comes last.
  static List<Pin> all(Path folder) {
    Setting setting = Objects.requireNonNull(SETTINGS.get(folder.getFileName().toString()));
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.endsWith(".mod"))
          .sorted()
          .map(name -> new Pin(folder, name, required(folder.resolve(name), setting.module)))
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot list " + folder, e);
    }
  }

  /// Whether this is what runs when nothing is chosen.
  boolean isDefault() {
    return file.equals(DEFAULT);
  }

  /// Such as `1.37.2`; nothing for a module with one version.
  public String version() {
    return version;
  }

  /// Such as `1.37`.
  String minor() {
    return version.replaceFirst("\\.[^.]*$", "");
  }

  /// What lets Go read this file and its checksums in the place of go.mod and go.sum.
  String goFlags() {
    return isDefault() ? "" : "-modfile=" + file;
  }

  /// Whether a file pins the same module's other versions.
  boolean excludes(Path other) {
    String name = other.getFileName().toString();
    return folder.equals(other.getParent())
        && name.matches(".*\\.(mod|sum)")
        && !stem(name).equals(stem(file));
  }

  /// Only the build scripts of Kubernetes set these; without them its programs report 0.0.0.
  String linkerFlags() {
    if (!folder.endsWith("controlplane")) {
      return "";
    }
    String[] parts = version.split("\\.", -1);
    String variable = "-X k8s.io/component-base/version.";
    return " %sgitVersion=v%s %sgitMajor=%s %sgitMinor=%s"
        .formatted(variable, version, variable, parts[0], variable, parts[1]);
  }

  private static String stem(String name) {
    return name.substring(0, name.lastIndexOf('.'));
  }

  private static String required(Path mod, String module) {
    try {
      Matcher line =
          Pattern.compile(
                  "^(?:require)?\\s*" + Pattern.quote(module) + " v(\\S+)", Pattern.MULTILINE)
              .matcher(Files.readString(mod));
      if (!line.find()) {
        throw new LabFailure(mod + " does not require " + module);
      }
      return line.group(1);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + mod, e);
    }
  }
}
