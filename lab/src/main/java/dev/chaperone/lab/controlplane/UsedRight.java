package dev.chaperone.lab.controlplane;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// What somebody asked the API server for, and whether RBAC let them: one for all the calls that
/// need the same right.
///
/// A lab writes all that it saw into a folder when it is closed, if the system property
/// `chaperone.used-rights` names one. So the labs of a whole build add up, whatever JVM they ran
/// in.
///
/// @param group of the resource; the core one has no name
/// @param subresource none: the empty string
public record UsedRight(
    String user, String verb, String group, String resource, String subresource, boolean granted) {
  private static final String FOLDER = "chaperone.used-rights";

  /// All that the labs wrote into the folder.
  public static Set<UsedRight> in(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      Set<UsedRight> rights = new LinkedHashSet<>();
      for (Path file : files.sorted().toList()) {
        Files.readAllLines(file).forEach(line -> rights.add(parse(line)));
      }
      return rights;
    } catch (IOException e) {
      throw new UncheckedIOException("No used rights in " + folder, e);
    }
  }

  /// `get apps/deployments`, as people say it.
  public String what() {
    return verb
        + " "
        + (group.isEmpty() ? "" : group + "/")
        + resource
        + (subresource.isEmpty() ? "" : "/" + subresource);
  }

  static void write(Collection<UsedRight> rights) {
    String folder = System.getProperty(FOLDER);
    if (folder == null) {
      return;
    }
    try {
      Files.write(
          Files.createDirectories(Path.of(folder)).resolve(UUID.randomUUID() + ".tsv"),
          rights.stream().map(UsedRight::line).collect(Collectors.toCollection(TreeSet::new)));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String line() {
    return String.join("\t", user, verb, group, resource, subresource, Boolean.toString(granted));
  }

  private static UsedRight parse(String line) {
    String[] parts = line.split("\t", -1);
    return new UsedRight(
        parts[0], parts[1], parts[2], parts[3], parts[4], Boolean.parseBoolean(parts[5]));
  }
}
