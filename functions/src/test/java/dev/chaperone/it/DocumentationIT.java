package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.chaperone.docs.Sample;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Kubectl;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The blocks of the README and of each page of `docs/`, in their order, on the cluster that they
/// tell of; not those that say that they are not run, or that another test runs them. The API
/// server has to accept the YAML, and the commands have to end well.
@ExtendWith(OnKnative.class)
class DocumentationIT {
  private static final String NAMESPACE = "storage";
  private static final int NODES = 4;

  /// What readers put in for themselves.
  private static final Map<String, String> OF_THE_READER =
      Map.of(
          "(?<=[ /])NAME\\b", "storage-agent",
          "(?<=[ /])NAMESPACE\\b", NAMESPACE,
          "(?<=[ /])NODE\\b", "node-1",
          "\\$\\{\\{ github\\.\\w+ }}", "7");

  private static final Pattern EXPIRES_AT = Pattern.compile("(expiresAt\"?: ?)\"20[^$\"]*\"");

  /// The machine of a reader is not as busy.
  private static final String PATIENT =
      """
      kubectl() { if [ "$1" = wait ]; then command kubectl "$@" --timeout=90s; else command kubectl "$@"; fi; }
      """;

  private static Lab lab;
  @TempDir private static Path work;

  private final List<Kubectl> drains = new ArrayList<>();

  static List<Path> pages() {
    return run().map(Sample::page).distinct().toList();
  }

  private static Stream<Sample> run() {
    return Sample.all().stream()
        .filter(it -> it.mark().isEmpty() && (it.isCommands() || it.isYaml()));
  }

  @BeforeAll
  static void prepare(OnKnative.Chaperone installed) throws IOException {
    lab = installed.installation().lab();
    IntStream.rangeClosed(1, NODES)
        .forEach(it -> lab.addNode("node-" + it, Map.of("disks", "many")));
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(NAMESPACE));
    lab.addDaemonSet(NAMESPACE, "storage-node", "{disks: many}");
    lab.addDaemonSet(NAMESPACE, "storage-agent", "{}");
    Sample first = run().findFirst().orElseThrow();
    Files.writeString(work.resolve("companion.yaml"), first.text().split("(?m)^---$", -1)[0]);
    Path rebuild = Files.writeString(work.resolve("rebuild.sh"), "#!/bin/sh\n");
    Files.setPosixFilePermissions(rebuild, PosixFilePermissions.fromString("rwx------"));
    lab.apply(Files.readString(work.resolve("companion.yaml")));
  }

  @BeforeEach
  void awaitNothingThatBlocks() {
    await("a guard on each node")
        .atMost(Scene.LONG)
        .until(
            () ->
                lab.kubectl("get", "companion", "storage-agent", "-n", NAMESPACE)
                    .out()
                    .matches("(?s).* True +True +NothingHolds +%1$s +%1$s .*".formatted(NODES)));
  }

  @AfterEach
  void end(OnKnative.Chaperone installed) {
    drains.forEach(Kubectl::close);
    lab.kubectl("delete", "holds", "--all", "-n", NAMESPACE).orFail();
    lab.kubectl("uncordon", "-l", "disks=many").orFail();
    // Nothing watches for a node that is uncordoned.
    installed.pulse();
  }

  @AfterAll
  static void leaveNothing() {
    lab.kubectl("delete", "namespace", NAMESPACE).orFail();
    lab.kubectl("delete", "nodes", "-l", "disks=many").orFail();
  }

  @ParameterizedTest
  @MethodSource("pages")
  void a_page_can_be_followed(Path page) throws IOException {
    List<Sample> samples = run().filter(it -> it.page().equals(page)).toList();
    boolean toldOn = samples.stream().anyMatch(Sample::isCommands);
    for (Sample sample : samples) {
      if (sample.isCommands()) {
        command(sample);
      } else {
        for (JsonNode document : documents(sample)) {
          if (document.has("jobs")) {
            document.findValuesAsText("run").forEach(it -> shell(sample, it));
          } else {
            write(sample, document, toldOn);
          }
        }
      }
    }
    for (Kubectl drain : drains) {
      assertThat(drain.await(Scene.LONG).exit()).as(drain.err()).isZero();
    }
  }

  private void command(Sample sample) {
    String script = sample.script().strip();
    if (script.startsWith("kubectl drain ")) {
      Kubectl drain = lab.startKubectl(script.substring("kubectl ".length()).split(" ", -1));
      drains.add(drain);
      Scene.awaitHeld(drain);
    } else if (sample.language().equals("console")) {
      String out = shell(sample, script);
      heading(sample).ifPresent(it -> assertThat(columns(out)).as("%s", sample).contains(it));
    } else {
      shell(sample, script);
    }
  }

  /// Of the table that the page shows below its first command.
  private static Optional<String> heading(Sample sample) {
    return sample.text().lines().skip(1).findFirst().map(DocumentationIT::columns);
  }

  private static String columns(String table) {
    return table.lines().findFirst().orElse("").replaceAll(" +", " ");
  }

  private static String shell(Sample sample, String script) {
    Kubectl.Result result =
        lab.run("bash", "-euc", PATIENT + "cd '%s'\n".formatted(work) + withValues(script));
    assertThat(result.exit()).as("%s: %s%s", sample, result.err(), result.out()).isZero();
    return result.out();
  }

  /// Companions and Holds, if the page goes on with commands; of all others it is enough that the
  /// API server would take them.
  private static void write(Sample sample, JsonNode document, boolean toldOn) throws IOException {
    JsonNode object = document.has("kind") ? document : companion(document);
    boolean ours = object.path("apiVersion").asText().startsWith("chaperone.dev/");
    Path file = Files.writeString(work.resolve("sample.yaml"), withValues(object.toString()));
    Kubectl.Result result =
        lab.kubectl(
            "apply", "-f", file.toString(), "--dry-run=" + (ours && toldOn ? "none" : "server"));
    assertThat(result.exit()).as("%s: %s", sample, result.err()).isZero();
  }

  /// One that has this part of a spec.
  private static JsonNode companion(JsonNode part) {
    ObjectNode companion = part.deepCopy();
    companion.put("apiVersion", "chaperone.dev/v1alpha1").put("kind", "Companion");
    companion.putObject("metadata").put("name", "part").put("namespace", NAMESPACE);
    companion.withObject("/spec/targetRef").put("name", "storage-node");
    return companion;
  }

  private static String withValues(String text) {
    String result = text;
    for (Map.Entry<String, String> value : OF_THE_READER.entrySet()) {
      result = result.replaceAll(value.getKey(), value.getValue());
    }
    // An end that was in the future when it was written.
    Instant end = Instant.now().plus(1, ChronoUnit.HOURS).truncatedTo(ChronoUnit.SECONDS);
    return EXPIRES_AT.matcher(result).replaceAll("$1\"" + end + "\"");
  }

  private static List<JsonNode> documents(Sample sample) throws IOException {
    return new YAMLMapper().readerFor(JsonNode.class).<JsonNode>readValues(sample.text()).readAll();
  }
}
