package dev.chaperone.lab.bench;

import dev.chaperone.lab.programs.Pin;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// Where and when the figures were seen: without it, times mean nothing.
record Machine(String cpu, int cores, long memoryMib, String kernel, String java, Instant when) {

  static Machine here() {
    return new Machine(
        value("/proc/cpuinfo", "model name"),
        Runtime.getRuntime().availableProcessors(),
        Long.parseLong(value("/proc/meminfo", "MemTotal").replaceAll("[^0-9]", "")) / 1024,
        System.getProperty("os.name") + " " + System.getProperty("os.version"),
        System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"),
        Instant.now().truncatedTo(ChronoUnit.SECONDS));
  }

  /// What belongs to the figures, in the order in which people ask.
  Map<String, String> describe() {
    Map<String, String> all = new LinkedHashMap<>();
    all.put("when", when.toString());
    all.put("machine", "%s, %d cores, %d MiB".formatted(cpu, cores, memoryMib));
    all.put("system", kernel);
    all.put("Java", java);
    all.put("Kubernetes", pinned("controlplane"));
    all.put("KWOK", goModule("kwok", "sigs.k8s.io/kwok"));
    all.put("Knative Eventing", pinned("knative"));
    all.put("Quarkus", jar("functions/target/quarkus-app/lib/main", "io.quarkus.quarkus-core-"));
    all.put("Java Operator SDK", jar("lab/peer/target/lib", "operator-framework-core-"));
    all.put("Kubernetes client", jar("lab/peer/target/lib", "kubernetes-client-api-"));
    return all;
  }

  private static String pinned(String module) {
    return "v" + Pin.of(Contender.home().resolve("lab/go").resolve(module)).version();
  }

  private static String goModule(String module, String dependency) {
    return lines(Contender.home().resolve("lab/go").resolve(module).resolve("go.mod")).stream()
        .map(line -> line.replace("require", "").trim())
        .filter(line -> line.startsWith(dependency + " "))
        .map(line -> line.split(" ", -1)[1])
        .findFirst()
        .orElse("unknown");
  }

  private static String jar(String folder, String prefix) {
    Path of = Contender.home().resolve(folder);
    if (!Files.isDirectory(of)) {
      return "not built";
    }
    try (Stream<Path> files = Files.list(of)) {
      return files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.startsWith(prefix))
          .map(name -> name.substring(prefix.length()).replace(".jar", ""))
          .findFirst()
          .orElse("unknown");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String value(String file, String field) {
    return lines(Path.of(file)).stream()
        .filter(line -> line.startsWith(field))
        .map(line -> line.substring(line.indexOf(':') + 1).trim())
        .findFirst()
        .orElse("unknown");
  }

  private static List<String> lines(Path file) {
    try {
      return Files.readAllLines(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
