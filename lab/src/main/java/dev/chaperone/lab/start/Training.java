package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.LabFailure;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Lets functions do their work once, against a real API server, while their JVM writes down what
/// it loads and links: the AOT cache (JEP 483, 514) that later starts find everything ready in.
///
/// A cache is good for the very JVM and the very jars it was made with; any other start ignores it.
public final class Training {
  /// Where the cache is, next to the jar that is started.
  public static final String CACHE = "app.aot";

  private Training() {}

  /// Makes the cache of functions.
  ///
  /// @param java the program that will run them
  /// @param functions the folder of `quarkus-run.jar`
  /// @return the cache
  /// @throws LabFailure if an event is not answered as it should be, or no cache comes of it
  public static Path train(Lab lab, Path home, Path java, Path functions, List<String> flags) {
    Ground ground =
        new Ground(lab, home)
            .prepare(
                """
                {holdWhen: [{name: down, expression: "target.status.numberReady < 1"}],
                 maintenanceWindows: [{schedule: "0 0 * * *", duration: 24h}], settlePeriod: 1s}""");
    Path cache = functions.resolve(CACHE);
    Map<String, String> rights =
        Map.of("KUBECONFIG", lab.kubeconfig("chaperone", "functions").toString());
    delete(cache);
    boolean done = false;
    try {
      Program program =
          Program.launch(
              java,
              functions,
              arguments(flags, "-XX:AOTCacheOutput=" + CACHE),
              rights,
              lab.folder().resolve("training.log"));
      try (program) {
        program.awaitListening();
        work(lab, ground, program);
        System.err.println("training: every event was answered; the JVM writes the cache");
      }
      done = Files.exists(cache);
      if (!done) {
        throw new LabFailure("no AOT cache was made; see " + lab.folder().resolve("training.log"));
      }
      return cache;
    } finally {
      if (!done) {
        delete(cache);
      }
    }
  }

  private static void delete(Path cache) {
    try {
      Files.deleteIfExists(cache);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// The floor's: it knows no cluster and answers everything alike.
  public static Path trainFloor(Lab lab, Path java, Path floor, List<String> flags) {
    try (Program program =
        Program.launch(
            java,
            floor,
            arguments(flags, "-XX:AOTCacheOutput=" + CACHE),
            Map.of(),
            lab.folder().resolve("training-floor.log"))) {
      program.awaitListening();
      for (int i = 0; i < 10; i++) {
        program.expect(204, program.event("update", "Hold", Ground.NAMESPACE, Ground.HOLD));
      }
    }
    return floor.resolve(CACHE);
  }

  static List<String> arguments(List<String> flags, String... more) {
    List<String> arguments = new ArrayList<>(flags);
    arguments.addAll(List.of(more));
    arguments.addAll(List.of("-jar", "quarkus-run.jar"));
    return arguments;
  }

  /// What functions do in their life: every kind of event, every kind of write.
  private static void work(Lab lab, Ground ground, Program program) {
    String namespace = Ground.NAMESPACE;
    program.expect(200, program.request("/q/health/ready").GET());
    program.expect(200, program.event("add", "Companion", namespace, Ground.COMPANION));
    Ground.await(
        "a guard on each node",
        () -> {
          program.expect(204, program.event("add", "Node", "", "node-1"));
          return ground.guards() == 3;
        });
    for (int i = 0; i < 3; i++) {
      program.expect(204, program.event("update", "DaemonSet", namespace, "target"));
      ground.hold();
      program.expect(200, program.event("add", "Hold", namespace, Ground.HOLD));
      program.expect(204, program.event("update", "PodDisruptionBudget", namespace, "agent-nodes"));
      ground.release();
      // Settling: the answer stays for a second.
      Ground.await(
          "an open budget",
          () -> {
            program.send(program.event("delete", "Hold", namespace, Ground.HOLD));
            return !ground.isClosed();
          });
      program.expect(204, program.event("dev.knative.sources.ping"));
    }
    lab.kubectl("cordon", "node-1").orFail();
    program.expect(204, program.event("update", "Node", "", "node-1"));
    lab.kubectl("uncordon", "node-1").orFail();
    program.expect(204, structured(program));
    String token = lab.token("chaperone", "functions", "chaperone.dev");
    program.expect(200, hold(program, "dev.chaperone.hold", token));
    program.send(hold(program, "dev.chaperone.release", token));
    program.expect(
        400, program.event("com.example.unwanted").header("authorization", "Bearer " + token));
    program.expect(200, program.request("/q/metrics").GET());
  }

  private static HttpRequest.Builder structured(Program program) {
    return program
        .request("/")
        .header("content-type", "application/cloudevents+json")
        .POST(
            BodyPublishers.ofString(
                """
                {"specversion": "1.0", "id": "1", "source": "/lab", "kind": "DaemonSet",
                 "type": "dev.knative.apiserver.ref.update", "namespace": "storage", "name": "none"}
                """));
  }

  private static HttpRequest.Builder hold(Program program, String type, String token) {
    return program
        .event(type)
        .header("authorization", "Bearer " + token)
        .header("content-type", "application/json")
        .POST(
            BodyPublishers.ofString(
                "{\"companion\": \"storage/agent\", \"reason\": \"training\", \"key\": \"1\"}"));
  }
}
