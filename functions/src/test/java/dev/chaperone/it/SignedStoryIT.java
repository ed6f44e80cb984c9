package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.EventKeySpec.Algorithm;
import dev.chaperone.api.Hold;
import dev.chaperone.signature.Signer;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.erdtman.jcs.JsonCanonicalizer;
import org.jose4j.jws.JsonWebSignature;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.Logger;

/// The overlay `signed-events` as users have it: the example programs, in Go and in Java, through a
/// real Broker that knows nobody.
@ExtendWith(OnKnative.class)
class SignedStoryIT {
  private static final Path OVERLAY = OnKnative.HOME.resolve("knative/overlays/signed-events");
  private static final Path EXAMPLES = OnKnative.HOME.resolve("examples/signed-events");
  private static final String SOURCE = "/arrays/7";
  private static final String HOLD = "dev.chaperone.hold";
  private static final String RELEASE = "dev.chaperone.release";
  private static final int ACCEPTED = 202;
  private static final Duration LONG_ENOUGH_FOR_A_HOLD = Duration.ofSeconds(5);

  private final OnKnative.Chaperone installed;
  private final Installation chaperone;
  private final URI broker;

  @TempDir private Path folder;

  SignedStoryIT(OnKnative.Chaperone installed) {
    this.installed = installed;
    this.chaperone = installed.installation();
    this.broker = chaperone.functions();
  }

  @BeforeEach
  void install() {
    chaperone.lab().apply(OVERLAY);
    installed.eventing().awaitReady();
  }

  @AfterEach
  void remove() {
    for (String file : List.of("rbac.yaml", "policy.yaml")) {
      chaperone.lab().kubectl("delete", "-f", OVERLAY.resolve(file).toString()).orFail();
    }
    chaperone.lab().apply(OnKnative.HOME.resolve("knative"));
  }

  @Test
  void an_array_outside_the_cluster_holds_and_releases_in_go_and_in_java() throws Exception {
    run(EXAMPLES, "", "go", "build", "-o", folder.toString() + "/", "./sign", "./verify");
    try (Scene scene = new Scene(chaperone, "knative-signed", 1).withCompanion("{}")) {
      scene.awaitGuarded(1);
      scene.awaitAllowed("agent-nodes", 1);
      key(scene, "go", Signer.with(Algorithm.EdDSA));
      key(scene, "java", Signer.with(Algorithm.PS256));

      String held = go(scene, HOLD);
      post(held);
      scene.awaitAllowed("agent-nodes", 0);
      assertThat(holds(scene)).hasSize(1);
      java(scene, RELEASE, broker.toString());
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(holds(scene)).isEmpty();

      // Another process, which has seen nothing.
      installed.functions().kill();
      int before = installed.functions().requests();
      post(held);
      await("the replay, which does nothing")
          .atMost(Scene.LONG)
          .during(LONG_ENOUGH_FOR_A_HOLD)
          .until(() -> installed.functions().requests() > before && holds(scene).isEmpty());
      scene.awaitAllowed("agent-nodes", 1);

      String another = java(scene, HOLD);
      assertThat(run(folder, another, folder.resolve("verify").toString(), "java.pub"))
          .startsWith("verified: " + HOLD);
      post(another);
      scene.awaitAllowed("agent-nodes", 0);
      go(scene, RELEASE, "-post", broker.toString());
      scene.awaitAllowed("agent-nodes", 1);
      assertThat(holds(scene)).isEmpty();
    }
  }

  private void key(Scene scene, String name, Signer signer) throws IOException {
    Files.writeString(folder.resolve(name + ".pem"), signer.privateKey());
    Files.writeString(folder.resolve(name + ".pub"), signer.publicKey());
    scene.apply(signer.eventKey(scene.name, name));
  }

  private String go(Scene scene, String type, String... more) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of(folder.resolve("sign").toString(), "-key", "go.pem", "-aud", "cluster-a"));
    command.addAll(List.of("-kid", scene.name + "/go", "-source", SOURCE, "-type", type));
    command.addAll(List.of(more));
    command.add(data(scene));
    return run(folder, "", command.toArray(String[]::new));
  }

  private String java(Scene scene, String type, String... more) throws Exception {
    String libraries =
        Stream.of(JsonWebSignature.class, JsonCanonicalizer.class, Logger.class)
            .map(it -> it.getProtectionDomain().getCodeSource().getLocation().getPath())
            .collect(Collectors.joining(":"));
    String java = ProcessHandle.current().info().command().orElseThrow();
    List<String> command =
        new ArrayList<>(
            List.of(java, "-cp", libraries, EXAMPLES.resolve("Sign.java").toString(), "PS256"));
    command.addAll(List.of("java.pem", scene.name + "/java", "cluster-a", SOURCE, type));
    command.add(data(scene));
    command.addAll(List.of(more));
    return run(folder, "", command.toArray(String[]::new));
  }

  private static String data(Scene scene) {
    return "{\"companion\": \"%s/agent\", \"reason\": \"rebuilding <42> é\", \"ttl\": \"2h\"}"
        .formatted(scene.name);
  }

  private void post(String event) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(broker)
            .header("content-type", "application/cloudevents+json")
            .POST(BodyPublishers.ofString(event));
    assertThat(chaperone.post(request, Scene.LONG).statusCode()).isEqualTo(ACCEPTED);
  }

  private List<Hold> holds(Scene scene) {
    return chaperone.lab().client().resources(Hold.class).inNamespace(scene.name).list().getItems();
  }

  /// What the program prints.
  private static String run(Path folder, String input, String... command) throws Exception {
    Process program = new ProcessBuilder(command).directory(folder.toFile()).start();
    try (var in = program.outputWriter()) {
      in.write(input);
    }
    String out = new String(program.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    String err = new String(program.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(program.waitFor()).as("%s: %s %s", String.join(" ", command), out, err).isZero();
    return out;
  }
}
