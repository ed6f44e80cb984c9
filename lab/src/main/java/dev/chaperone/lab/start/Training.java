package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// Lets functions do their work once, against a real API server, while their JVM writes down what
/// it loads and links: the AOT cache (JEP 483, 514) that later starts find everything ready in.
///
/// A cache is good for the very JVM and the very jars it was made with; any other start ignores it.
public final class Training {
  private Training() {}

  /// `scripts/train`: trains the functions that were built, or those for route reflectors.
  ///
  /// @param arguments the module, `functions` or `reflectors`
  public static void main(String[] arguments) {
    Path home = Path.of(System.getProperty("chaperone.home", "."));
    System.err.println("training: starting a control plane");
    try (Lab lab = Lab.start()) {
      System.out.println(
          List.of(arguments).contains("reflectors")
              ? ReflectorsTraining.train(lab, home)
              : train(lab, home));
    }
  }

  /// Makes the cache of the functions that were built, next to their jar.
  ///
  /// @param home the checkout
  /// @return the cache
  /// @throws LabFailure if an event is not answered as it should be, or no cache comes of it
  public static Path train(Lab lab, Path home) {
    Ground ground =
        new Ground(lab, home)
            .prepare(
                """
                {holdWhen: [{name: down, expression: "target.status.numberReady < 1"}],
                 maintenanceWindows: [{schedule: "0 0 * * *", duration: 24h}], settlePeriod: 1s}""");
    return train(
        lab,
        FunctionsCommand.built(home),
        lab.podEnvironment("chaperone", "functions"),
        program -> work(lab, ground, program));
  }

  /// The floor's: it knows no cluster and answers everything alike.
  static Path trainFloor(Lab lab, Path floor) {
    return train(
        lab,
        floor,
        Map.of(),
        program -> {
          for (int i = 0; i < 10; i++) {
            program.expect(204, program.event("update", "Hold", Ground.NAMESPACE, Ground.HOLD));
          }
        });
  }

  /// Makes the cache of any functions, with what they are given to do.
  static Path train(
      Lab lab, Path functions, Map<String, String> environment, Consumer<Program> work) {
    Path cache = FunctionsCommand.cache(functions);
    Path log = lab.folder().resolve("training.log");
    List<String> flags = new ArrayList<>(FunctionsCommand.FLAGS);
    flags.add("-XX:AOTCacheOutput=" + cache);
    delete(cache);
    boolean done = false;
    try {
      try (Program program =
          Program.launch(FunctionsCommand.of(functions, flags), environment, log)) {
        program.awaitListening();
        work.accept(program);
        System.err.println("training: every event was answered; the JVM writes the cache");
      }
      done = Files.exists(cache);
      if (!done) {
        throw new LabFailure("no AOT cache was made; see " + log);
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

  /// What functions do in their life: every kind of event, every kind of write.
  private static void work(Lab lab, Ground ground, Program program) {
    String namespace = Ground.NAMESPACE;
    program.expect(200, program.request("/q/health/ready").GET());
    program.expect(200, program.event("add", "Companion", namespace, Ground.COMPANION));
    Ground.await(
        "a guard on each node",
        () ->
            program.send(program.event("add", "Node", "", "node-1")).statusCode() == 204
                && ground.guards() == 3);
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
