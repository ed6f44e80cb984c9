package dev.chaperone.lab.nodes;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// A container image of one layer, made of files of this machine.
///
/// @param name with registry and tag, as pods say it
/// @param user who it runs as, as a number
/// @param environment as `KEY=value`
/// @param entrypoint program and arguments
/// @param files where they are in the image → where they are here
record Image(
    String name,
    String user,
    List<String> environment,
    List<String> entrypoint,
    Map<String, Path> files) {
  private static final String NOBODY = "65532";

  Image {
    files = new TreeMap<>(files);
  }

  /// One static program, as Knative's own images have it.
  static Image ofProgram(String name, Path program, String... arguments) {
    String path = "/app/" + program.getFileName();
    List<String> entrypoint = new ArrayList<>(List.of(path));
    entrypoint.addAll(List.of(arguments));
    return new Image(name, NOBODY, List.of("PATH=/app"), entrypoint, Map.of(path, program));
  }

  Image as(String otherUser) {
    return new Image(name, otherUser, environment, entrypoint, files);
  }
}
