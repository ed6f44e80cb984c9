package dev.chaperone.lab.programs;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// The programs of the cluster, each built from its pinned Go module once per machine and kept
/// outside the checkout.
public final class Binaries {
  /// What is built at a time, from a Go module under lab/go.
  @SuppressWarnings("ImmutableEnumChecker") // its lists are immutable
  public enum Module {
    /// etcd's clients: API server, controllers, scheduler; and kubectl.
    CONTROLPLANE("4 to 7 minutes"),
    /// etcd.
    ETCD("about 1 minute"),
    /// Nodes that are played.
    KWOK("1 to 2 minutes"),
    /// Every part of Knative Eventing in one program, and manifests.
    KNATIVE("2 to 5 minutes", "", "eventing", "serving"),
    /// Kubelet, kube-proxy and the agent for network policies, of the control plane's version.
    NODE("3 to 7 minutes", "controlplane", List.of("./node"), ""),
    /// What surrounds nodes, `nodes`, and what their pods run, `pod`.
    NODES("a moment", "nodes", List.of(".", "./pod"), ""),
    /// Knative Serving as it is released: a program for each image.
    SERVING(
        "5 to 13 minutes",
        "knative",
        cmd("serving", "activator", "autoscaler", "controller", "queue", "webhook"),
        "",
        "networking",
        "caching"),
    /// Knative Eventing as it is released: a program for each image.
    EVENTING(
        "2 to 5 minutes",
        "knative",
        cmd(
            "eventing",
            "apiserver_receive_adapter",
            "broker/filter",
            "broker/ingress",
            "controller",
            "in_memory/channel_controller",
            "in_memory/channel_dispatcher",
            "mtchannel_broker",
            "mtping",
            "webhook"),
        ""),
    /// CoreDNS, and Knative's ingress by Envoy.
    ADDONS(
        "5 to 13 minutes",
        "addons",
        List.of("./coredns", "knative.dev/net-kourier/cmd/kourier"),
        "",
        "net-kourier"),
    /// For a chart that is rendered without a cluster it takes this version of Kubernetes, or 1.20.
    HELM(
        "1 to 3 minutes",
        "",
        List.of("helm.sh/helm/v3/cmd/helm"),
        " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1"
            + " -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=35"),
    /// Metrics of any object, as most clusters have it.
    KUBE_STATE_METRICS(
        "1 to 3 minutes", "kube-state-metrics", List.of("k8s.io/kube-state-metrics/v2"), ""),
    /// Karpenter, with its provider for nodes that are played; only thorough tests ask for it.
    KARPENTER("2 to 5 minutes"),
    /// Prometheus' query engine, for alerts and dashboards.
    PROMQL("about 1 minute");

    private final String expected;
    private final String folder;
    private final List<String> packages;
    private final String linkerFlags;
    private final List<String> manifests;

    Module(String expected) {
      this(expected, "");
    }

    Module(String expected, String moreLinkerFlags, String... manifests) {
      this(expected, "", List.of("."), moreLinkerFlags, manifests);
    }

    /// @param folder below lab/go; nothing: of the same name
    /// @param packages what is built: a program for each
    /// @param manifests modules of Knative whose manifests are kept beside it
    Module(
        String expected,
        String folder,
        List<String> packages,
        String moreLinkerFlags,
        String... manifests) {
      this.expected = expected;
      this.folder = folder.isEmpty() ? title() : folder;
      this.packages = packages;
      this.linkerFlags = moreLinkerFlags;
      this.manifests = List.of(manifests);
    }

    private String title() {
      return name().toLowerCase(Locale.ROOT);
    }

    private static List<String> cmd(String module, String... programs) {
      return Stream.of(programs)
          .map("knative.dev/%s/cmd/%%s".formatted(module)::formatted)
          .toList();
    }
  }

  private static final String LINKER_FLAGS = "-s -w";
  private static final String CACHE = "chaperone";
  private static final Duration PROGRESS = Duration.ofSeconds(20);
  private static final Object ONE_BUILD_PER_JVM = new Object();

  private final Path sources;
  private final Path cache;

  /// Those of this machine's user.
  public Binaries() {
    this(home().resolve("lab/go"), cacheFolder());
  }

  Binaries(Path sources, Path cache) {
    this.sources = sources;
    this.cache = cache;
  }

  /// The program of a module, built first if this machine does not have it yet.
  ///
  /// @throws LabFailure if it is missing and cannot be built
  public Path program(Module module) {
    return built(module, module.title());
  }

  /// One program of a module that becomes several, by the last part of its package's name.
  ///
  /// @throws LabFailure if it is missing and cannot be built
  public Path program(Module module, String name) {
    return built(module, "bin").resolve(name);
  }

  private Path built(Module module, String name) {
    try {
      Path program = path(module, name);
      if (!Files.isExecutable(program)) {
        Files.createDirectories(program.getParent());
        synchronized (ONE_BUILD_PER_JVM) {
          try (FileChannel file =
                  FileChannel.open(
                      cache.resolve("build.lock"),
                      StandardOpenOption.CREATE,
                      StandardOpenOption.WRITE);
              var _ = file.lock()) {
            if (!Files.isExecutable(program)) {
              build(module, program);
            }
          }
        }
      }
      return program;
    } catch (IOException e) {
      throw new UncheckedIOException("The lab's cache " + cache + " cannot be used", e);
    }
  }

  /// Whether the program of a module was built on this machine.
  boolean has(Module module) {
    try {
      return Files.isExecutable(path(module, module.title()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Path path(Module module, String name) throws IOException {
    return cache.resolve(module.title()).resolve(key(module)).resolve(name);
  }

  /// The versions that a module is built from.
  public Pin pin(Module module) {
    return Pin.of(sources.resolve(module.folder));
  }

  /// The manifests of a module of Knative, by its name after `knative.dev/`, as they are there.
  public Path manifests(String knativeModule) {
    Module module =
        Stream.of(Module.values())
            .filter(it -> it.manifests.contains(knativeModule))
            .findFirst()
            .orElseThrow(() -> new LabFailure("No manifests are kept of " + knativeModule));
    return built(module, module.packages.size() == 1 ? module.title() : "bin")
        .resolveSibling(knativeModule);
  }

  /// Builds what this machine does not have yet.
  ///
  /// @throws LabFailure if something cannot be built
  public void prepare(Module... modules) {
    for (Module module : modules) {
      built(module, module.packages.size() == 1 ? module.title() : "bin");
    }
  }

  /// Where this project keeps what is made once per machine.
  public Path cache() {
    return cache;
  }

  private void build(Module module, Path program) throws IOException {
    requireGo();
    Path partial = program.resolveSibling("partial-" + ProcessHandle.current().pid());
    Path log = program.resolveSibling("build.log");
    Instant begin = Instant.now();
    Pin pin = pin(module);
    String title = "%s %s".formatted(module.title(), pin.version()).strip();
    say("building %s, once (%s)".formatted(title, module.expected));
    List<String> command = new ArrayList<>(List.of("go", "build", "-trimpath", "-buildvcs=false"));
    command.addAll(List.of("-mod=readonly", "-ldflags", linkerFlags(module, pin)));
    for (String name : module.manifests) {
      KnativeModules.copyManifests(download(module, name, log), program.resolveSibling(name));
    }
    if (module == Module.KNATIVE) {
      Path overlay =
          KnativeModules.overlay(
              sources.resolve(module.folder),
              download(module, "eventing", log),
              program.resolveSibling("overlay"));
      command.add("-overlay=" + overlay);
    }
    if (module.packages.size() > 1) {
      // Go then takes it for a folder, and names each program after its package.
      Files.createDirectories(partial);
    }
    command.addAll(List.of("-o", partial.toString()));
    command.addAll(module.packages);
    run(module, log, begin, command);
    Files.move(partial, program, StandardCopyOption.ATOMIC_MOVE);
    say("built %s in %d s".formatted(title, since(begin)));
  }

  /// Where Go keeps a module of Knative, in the version that the program is built from.
  private Path download(Module module, String name, Path log) throws IOException {
    String path = "knative.dev/" + name;
    run(module, log, Instant.now(), List.of("go", "mod", "download", path));
    run(
        module,
        log,
        Instant.now(),
        List.of("go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", path));
    return Path.of(Files.readString(log).strip());
  }

  private void run(Module module, Path log, Instant begin, List<String> command)
      throws IOException {
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.directory(sources.resolve(module.folder).toFile());
    builder.environment().put("CGO_ENABLED", "0");
    builder.environment().put("GOFLAGS", pin(module).goFlags());
    // A module may need a newer Go than this machine's; Go then fetches it, unless told otherwise.
    builder.environment().putIfAbsent("GOTOOLCHAIN", "auto");
    builder.environment().put("GOWORK", "off");
    builder.redirectErrorStream(true).redirectOutput(log.toFile());
    Process build = builder.start();
    try {
      while (!build.waitFor(PROGRESS.toSeconds(), TimeUnit.SECONDS)) {
        say("building %s for %d s".formatted(module.title(), since(begin)));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while building " + module.title());
    } finally {
      build.descendants().forEach(ProcessHandle::destroy);
      build.destroy();
    }
    if (build.exitValue() != 0) {
      throw new LabFailure(
          "go %s of %s failed, see %s%n%s"
              .formatted(command.get(1), module.title(), log, ServerProcess.lastLines(log)));
    }
  }

  /// Everything a program depends on, so that a change is built anew and an old checkout finds its
  /// old program.
  private String key(Module module) throws IOException {
    MessageDigest digest = sha256();
    Pin pin = pin(module);
    List<String> folders = new ArrayList<>(List.of(module.folder, "parent"));
    // What is the module's own beside its folder itself.
    module.packages.stream()
        .filter(it -> it.startsWith("./"))
        .map(it -> module.folder + it.substring(1))
        .forEach(folders::add);
    for (String folder : folders) {
      for (Path source : sourcesIn(sources.resolve(folder), pin)) {
        digest.update(source.getFileName().toString().getBytes(StandardCharsets.UTF_8));
        digest.update(Files.readAllBytes(source));
      }
    }
    if (module.packages.size() > 1) {
      digest.update(module.packages.toString().getBytes(StandardCharsets.UTF_8));
    }
    List<String> target =
        List.of(
            linkerFlags(module, pin), System.getProperty("os.name"), System.getProperty("os.arch"));
    if (module == Module.KNATIVE) {
      digest.update(KnativeModules.CHANGE.getBytes(StandardCharsets.UTF_8));
    }
    digest.update(target.toString().getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest.digest(), 0, 8);
  }

  private static String linkerFlags(Module module, Pin pin) {
    return LINKER_FLAGS + pin.linkerFlags() + module.linkerFlags;
  }

  private static List<Path> sourcesIn(Path folder, Pin pin) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(file -> file.toString().matches(".*\\.(go|mod|sum)") && !pin.excludes(file))
          .sorted()
          .toList();
    }
  }

  private static void requireGo() {
    String install = "The lab is built from source: install Go 1.25 or newer, with go on the PATH.";
    String version;
    try {
      Process process = new ProcessBuilder("go", "env", "GOVERSION").start();
      version = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
    } catch (IOException e) {
      throw new LabFailure(install + " There is no Go here.", e);
    }
    Matcher matcher = Pattern.compile("go1\\.(\\d+).*").matcher(version);
    if (matcher.matches() && Integer.parseInt(matcher.group(1)) < 25) {
      throw new LabFailure(install + " This is " + version + ".");
    }
  }

  private static Path home() {
    List<Path> candidates = new ArrayList<>();
    String configured = System.getProperty("chaperone.home");
    if (configured != null) {
      candidates.add(Path.of(configured).toAbsolutePath().normalize());
    }
    Path folder = Path.of("").toAbsolutePath();
    while (folder != null) {
      candidates.add(folder);
      folder = folder.getParent();
    }
    return candidates.stream()
        .filter(candidate -> Files.isDirectory(candidate.resolve("lab/go/controlplane")))
        .findFirst()
        .orElseThrow(
            () ->
                new LabFailure(
                    "lab/go was not found: run inside the checkout or set -Dchaperone.home"));
  }

  private static Path cacheFolder() {
    String own = System.getenv("CHAPERONE_CACHE");
    if (own != null && !own.isBlank()) {
      return Path.of(own).toAbsolutePath();
    }
    String shared = System.getenv("XDG_CACHE_HOME");
    return shared != null && !shared.isBlank()
        ? Path.of(shared, CACHE).toAbsolutePath()
        : Path.of(System.getProperty("user.home"), ".cache", CACHE);
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("Every Java has SHA-256", e);
    }
  }

  private static long since(Instant begin) {
    return Duration.between(begin, Instant.now()).toSeconds();
  }

  private static void say(String line) {
    System.err.println("lab: " + line);
  }
}
