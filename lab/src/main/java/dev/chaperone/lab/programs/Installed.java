package dev.chaperone.lab.programs;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// A program that the lab does not build: it comes with the machine, or is missing.
///
/// @param names what it is called, by its makers and by distributions
/// @param debianPackage which of Debian's packages has it
public record Installed(List<String> names, String debianPackage) {
  public static final Installed PROMETHEUS = new Installed(List.of("prometheus"), "prometheus");
  public static final Installed ALERTMANAGER =
      new Installed(List.of("prometheus-alertmanager", "alertmanager"), "prometheus-alertmanager");
  public static final Installed CURL = new Installed(List.of("curl"), "curl");
  public static final Installed JQ = new Installed(List.of("jq"), "jq");

  public Installed {
    names = List.copyOf(names);
  }

  /// What to say where one of these is missing: which, and how to install it. Empty if all are
  /// there.
  public static Optional<String> missing(Installed... programs) {
    List<Installed> missing =
        Stream.of(programs).filter(program -> program.find().isEmpty()).toList();
    return missing.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "not on the PATH: %s; on Debian: apt-get install --no-install-recommends %s"
                .formatted(
                    String.join(", ", missing.stream().map(it -> it.names().getLast()).toList()),
                    String.join(" ", missing.stream().map(Installed::debianPackage).toList())));
  }

  /// Where it is.
  ///
  /// @throws LabFailure if it is missing
  public Path program() {
    return find().orElseThrow(() -> new LabFailure(missing(this).orElseThrow()));
  }

  private Optional<Path> find() {
    String path = Optional.ofNullable(System.getenv("PATH")).orElse("");
    return Arrays.stream(path.split(File.pathSeparator))
        .flatMap(folder -> names.stream().map(Path.of(folder)::resolve))
        .filter(Files::isExecutable)
        .findFirst();
  }
}
