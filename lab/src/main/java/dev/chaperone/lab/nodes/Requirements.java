package dev.chaperone.lab.nodes;

import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What a machine must have for real nodes.
final class Requirements {
  private static final List<String> PROGRAMS =
      List.of(
          "containerd",
          "containerd-shim-runc-v2",
          "ctr",
          "runc",
          "nft",
          "conntrack",
          "ethtool",
          "socat",
          "dbus-daemon",
          "iptables",
          "ip",
          "mount",
          "nsenter",
          "setpriv");

  private static final List<String> PLUGIN_FOLDERS = List.of("/usr/lib/cni", "/opt/cni/bin");
  private static final List<String> PLUGINS = List.of("bridge", "host-local", "loopback");
  private static final List<String> KERNEL = List.of("overlay", "cgroup");

  private Requirements() {}

  /// Everything that is missing here, each with what to do about it; nothing if real nodes can run.
  static List<String> missing() {
    if (!System.getProperty("os.name").equals("Linux")) {
      return List.of("Linux: this is " + System.getProperty("os.name"));
    }
    List<String> missing = new ArrayList<>();
    if (!isRoot()) {
      missing.add("root: nodes are made of name spaces, mounts and control groups");
    }
    if (!System.getProperty("os.arch").equals("amd64")) {
      missing.add("an amd64 machine: the images are made for that one");
    }
    List<String> programs = PROGRAMS.stream().filter(it -> find(it) == null).toList();
    if (!programs.isEmpty()) {
      missing.add(String.join(", ", programs) + ": scripts/nodes-prepare installs them");
    }
    if (pluginFolder() == null) {
      missing.add(
          "the CNI plugins %s in one of %s: scripts/nodes-prepare installs them"
              .formatted(PLUGINS, PLUGIN_FOLDERS));
    }
    List<String> filesystems = lines(Path.of("/proc/filesystems"));
    for (String needed : KERNEL) {
      if (filesystems.stream().noneMatch(it -> it.endsWith("\t" + needed))) {
        missing.add("%s in the kernel: modprobe %s".formatted(needed, needed));
      }
    }
    if (isRoot()) {
      namespaces().ifPresent(missing::add);
    }
    return missing;
  }

  /// @throws LabFailure with everything that is missing
  static void require() {
    List<String> missing = missing();
    if (!missing.isEmpty()) {
      throw new LabFailure(
          "Real nodes cannot run on this machine. Missing:\n  " + String.join("\n  ", missing));
    }
  }

  static Path plugins() {
    return Objects.requireNonNull(pluginFolder());
  }

  private static @Nullable Path pluginFolder() {
    return PLUGIN_FOLDERS.stream()
        .map(Path::of)
        .filter(folder -> PLUGINS.stream().allMatch(it -> Files.isExecutable(folder.resolve(it))))
        .findFirst()
        .orElse(null);
  }

  private static boolean isRoot() {
    try {
      return Files.getAttribute(Path.of("/proc/self"), "unix:uid").equals(0);
    } catch (IOException | UnsupportedOperationException _) {
      return false;
    }
  }

  /// In most containers even root may not make them.
  private static Optional<String> namespaces() {
    try {
      Process process =
          new ProcessBuilder("unshare", "--mount", "--net", "--pid", "--uts", "--ipc", "true")
              .redirectErrorStream(true)
              .start();
      String said =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      return process.waitFor() == 0
          ? Optional.empty()
          : Optional.of("the right to make name spaces and mounts: " + said);
    } catch (IOException e) {
      return Optional.of("unshare, of util-linux: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.of("time to look: it was interrupted");
    }
  }

  private static @Nullable Path find(String program) {
    return Stream.concat(
            Stream.of(Objects.requireNonNullElse(System.getenv("PATH"), "").split(":")),
            Stream.of("/usr/sbin", "/sbin"))
        .map(folder -> Path.of(folder, program))
        .filter(Files::isExecutable)
        .findFirst()
        .orElse(null);
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      return List.of();
    }
  }
}
