package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.api.EventKey;
import dev.chaperone.api.EventKeySpec.Algorithm;
import dev.chaperone.api.EventKeyStatus;
import dev.chaperone.api.EventKeyStatus.Accepted;
import dev.chaperone.api.Hold;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.signature.Signer;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.io.IOException;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;

/// With the overlay `signed-events`: events that hold and release by their own signature.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@TestProfile(SignedEventIT.Signed.class)
class SignedEventIT {
  private static final Path OVERLAY =
      Path.of(System.getProperty("chaperone.home"), "knative/overlays/signed-events");
  private static final String CLUSTER = "cluster-a";
  private static final String HOLD = "dev.chaperone.hold";
  private static final String RELEASE = "dev.chaperone.release";
  private static final int UNAVAILABLE = 503;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<Algorithm, Signer> signers = new EnumMap<>(Algorithm.class);
  private Installation chaperone;
  private Scene scene;

  /// As the overlay sets it.
  public static final class Signed implements QuarkusTestProfile {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("chaperone.signed-events-audience", CLUSTER);
    }
  }

  @BeforeEach
  void keys(TestInfo test) {
    for (String file : List.of("rbac.yaml", "policy.yaml")) {
      chaperone.lab().kubectl("apply", "-f", OVERLAY.resolve(file).toString()).orFail();
    }
    String name = test.getTestMethod().orElseThrow().getName().replace('_', '-');
    scene =
        new Scene(chaperone, name.substring(0, Math.min(24, name.length())) + "-signed", 0)
            .withCompanion("{}");
    scene.awaitCounted();
    chaperone.changed("Companion", scene.name, "agent");
    for (Algorithm algorithm : Algorithm.values()) {
      Signer signer = Signer.with(algorithm);
      signers.put(algorithm, signer);
      key(name(signer), signer, "[Hold, Release]", "");
    }
  }

  @AfterEach
  void end() {
    scene.close();
  }

  @Test
  void a_signed_event_holds_once_and_a_newer_one_releases() {
    for (Signer signer : signers.values()) {
      Instant time = Instant.now();
      HttpRequest.Builder hold = structured(signed(signer, event("1", HOLD, time)));

      HttpResponse<String> held = post(hold);
      assertThat(held.statusCode()).as(held.body()).isEqualTo(200);
      assertThat(held.body()).contains("dev.chaperone.disruption.held");
      assertThat(holds())
          .singleElement()
          .satisfies(
              it ->
                  assertThat(it.getMetadata().getAnnotations())
                      .containsEntry("chaperone.dev/event-key", scene.name + "/" + name(signer)));
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");

      // As a Broker sends it again, in the other binding.
      List<ApiCall> before = chaperone.writes();
      assertThat(post(hold).statusCode()).isEqualTo(204);
      assertThat(post(binary(signed(signer, event("1", HOLD, time)))).statusCode()).isEqualTo(204);
      assertThat(chaperone.writes()).isEqualTo(before);

      HttpRequest.Builder release = binary(signed(signer, event("2", RELEASE, time.plusMillis(1))));
      assertThat(post(release).statusCode()).isEqualTo(200);
      assertThat(holds()).isEmpty();
      assertThat(post(release).statusCode()).isEqualTo(204);
      HttpResponse<String> replayed = post(hold);
      assertThat(replayed.statusCode()).isEqualTo(403);
      assertThat(replayed.body()).contains("comes after a newer one");
      assertThat(holds()).isEmpty();

      HttpResponse<String> anew = post(structured(signed(signer, event("3", HOLD, Instant.now()))));
      assertThat(anew.statusCode()).isEqualTo(200);
      assertThat(post(release).statusCode()).isEqualTo(403);
      assertThat(holds()).hasSize(1);
      assertThat(post(structured(signed(signer, event("4", RELEASE, Instant.now())))).statusCode())
          .isEqualTo(200);
    }
  }

  /// A process that ended between noting the event and doing what it asks for.
  @Test
  void an_event_that_was_noted_and_not_done_is_done_when_it_comes_again() {
    Signer signer = signers.get(Algorithm.EdDSA);
    HttpRequest.Builder hold = structured(signed(signer, event("1", HOLD, Instant.now())));
    assertThat(post(hold).statusCode()).isEqualTo(200);
    EventKey key = read(signer);
    Accepted accepted = key.getStatus().accepted().getFirst();
    assertThat(accepted.done()).isTrue();
    chaperone.lab().kubectl("delete", "hold", "--all", "-n", scene.name).orFail();
    // Somebody took it away, which the same event does not undo.
    assertThat(post(hold).statusCode()).isEqualTo(204);
    assertThat(holds()).isEmpty();

    key = read(signer);
    key.setStatus(
        new EventKeyStatus(
            List.of(new Accepted(accepted.hold(), accepted.time(), accepted.id(), false, false))));
    chaperone.lab().client().resource(key).updateStatus();

    assertThat(post(hold).statusCode()).isIn(200, 204);
    assertThat(holds()).hasSize(1);
    assertThat(read(signer).getStatus().accepted().getFirst().done()).isTrue();
  }

  /// Several processes, a Broker without an order, or both.
  @Test
  void of_events_at_the_same_time_the_newest_counts() throws Exception {
    long seed = Long.getLong("chaperone.seed", System.currentTimeMillis());
    System.out.println("SignedEventIT: events at the same time from seed " + seed);
    Random random = new Random(seed);
    Signer signer = signers.get(Algorithm.EdDSA);
    Instant time = Instant.now();
    try (ExecutorService senders = Executors.newVirtualThreadPerTaskExecutor()) {
      for (int round = 0; round < Thorough.times(10, 60); round++) {
        List<HttpRequest.Builder> events = new ArrayList<>();
        String type = HOLD;
        for (int i = 0; i < 6; i++) {
          type = random.nextBoolean() ? HOLD : RELEASE;
          time = time.plusNanos(1000);
          events.add(structured(signed(signer, event("e" + round + i, type, time))));
        }
        Collections.shuffle(events, random);
        List<Future<HttpResponse<String>>> answers =
            events.stream().map(it -> senders.submit(() -> post(it))).toList();
        for (Future<HttpResponse<String>> answer : answers) {
          assertThat(answer.get().statusCode()).as(answer.get().body()).isIn(200, 204, 403, 422);
        }
        assertThat(holds()).as("seed %d, round %d", seed, round).hasSize(type.equals(HOLD) ? 1 : 0);
      }
    }
  }

  @Test
  void hostile_events_hold_nothing_and_release_nothing() {
    Signer holder = signers.get(Algorithm.EdDSA);
    ObjectNode earlier = event("earlier", HOLD, Instant.now());
    ObjectNode releasing = event("release", RELEASE, Instant.now().plusMillis(1));
    ObjectNode held = event("held", HOLD, Instant.now().plusMillis(2));
    for (ObjectNode event : List.of(earlier, releasing, held)) {
      assertThat(post(structured(signed(holder, event))).statusCode()).isEqualTo(200);
    }
    String hold = holds().getFirst().getMetadata().getName();
    key("only-holds", holder, "[Hold]", "");
    key("ended", holder, "[Hold, Release]", "notAfter: \"2026-01-01T00:00:00Z\"");
    int writes = chaperone.writes().size();

    int sent = 0;
    for (Signer signer : signers.values()) {
      for (String type : List.of(HOLD, RELEASE)) {
        List<HostileEvents.Hostile> hostile =
            new HostileEvents(scene.name, CLUSTER, name(signer), signer, signers, this::event)
                .all(type);
        for (HostileEvents.Hostile each : hostile) {
          HttpResponse<String> answer = post(each.request(chaperone.functions()));
          String what = "%s %s, %s: %s".formatted(signer.algorithm(), type, each, answer.body());
          assertThat(answer.statusCode()).as(what).isEqualTo(each.status());
          if (each.words() != null) {
            assertThat(answer.body()).as(what).contains(each.words());
          }
          sent++;
        }
      }
    }
    for (ObjectNode replay : List.of(earlier, releasing)) {
      assertThat(post(structured(signed(holder, replay))).statusCode()).isEqualTo(403);
      sent++;
    }
    System.out.printf("SignedEventIT: %d hostile events%n", sent);
    assertThat(sent).isGreaterThan(200);
    assertThat(chaperone.writes()).hasSize(writes);
    assertThat(holds())
        .singleElement()
        .satisfies(it -> assertThat(it.getMetadata().getName()).isEqualTo(hold));
  }

  @Test
  void signatures_of_nobody_cost_few_reads_and_keep_nobody_waiting_who_is_known() {
    Signer signer = signers.get(Algorithm.EdDSA);
    assertThat(post(structured(signed(signer, event("1", HOLD, Instant.now())))).statusCode())
        .isEqualTo(200);
    Signer forger = Signer.with(Algorithm.EdDSA);
    int before = keyReads();
    Instant began = Instant.now();
    for (int i = 0; i < 500; i++) {
      ObjectNode forged = event("forged-" + i, HOLD, Instant.now());
      String kid = i % 2 == 0 ? name(signer) : "none-" + i;
      forged.put("jws", forger.sign(Map.of("kid", scene.name + "/" + kid, "aud", CLUSTER), forged));
      assertThat(chaperone.post(structured(forged)).statusCode()).isIn(401, UNAVAILABLE);
      if (i % 100 == 0) {
        ObjectNode known = event("known-" + i, HOLD, Instant.now());
        assertThat(chaperone.post(structured(signed(signer, known))).statusCode()).isIn(200, 204);
      }
    }
    long seconds = ChronoUnit.SECONDS.between(began, Instant.now()) + 2;
    assertThat(keyReads() - before).isBetween(1, (int) (20 * seconds) + 5);
  }

  @Test
  void nobody_gives_a_key_what_they_may_not_do_themselves(@TempDir Path folder) throws IOException {
    scene.apply(
        """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: keys, namespace: %1$s}
        rules:
        - {apiGroups: [chaperone.dev], resources: [eventkeys], verbs: [get, create, patch]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: keys, namespace: %1$s}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: keys}
        subjects: [{kind: User, name: keys, apiGroup: rbac.authorization.k8s.io}]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: holds, namespace: %1$s}
        rules:
        - {apiGroups: [chaperone.dev], resources: [holds], verbs: [create]}
        """
            .formatted(scene.name));
    Path file = folder.resolve("key.yaml");
    Signer signer = signers.get(Algorithm.EdDSA);
    Files.writeString(file, manifest("new", signer, "[Hold]", ""));
    await()
        .atMost(Scene.LONG)
        .untilAsserted(
            () ->
                assertThat(applyAsUser(file).err())
                    .contains("must have the right to create holds"));
    scene.apply(
        """
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: holds, namespace: %1$s}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: holds}
        subjects: [{kind: User, name: keys, apiGroup: rbac.authorization.k8s.io}]
        """
            .formatted(scene.name));
    await().atMost(Scene.LONG).until(() -> applyAsUser(file).exit() == 0);
    Files.writeString(file, manifest("new", signer, "[Hold, Release]", ""));
    assertThat(applyAsUser(file).err()).contains("must have the right to delete holds");
    Files.writeString(
        file, manifest("new", signer, "[Hold]", "").replace("PUBLIC KEY", "PRIVATE KEY"));
    assertThat(applyAsUser(file).err()).contains("publicKey must be a public key in PEM");
  }

  private Kubectl.Result applyAsUser(Path file) {
    return chaperone.lab().kubectl("apply", "--as=keys", "-f", file.toString());
  }

  private int keyReads() {
    return (int)
        chaperone.calls().stream()
            .filter(it -> it.resource().equals("eventkeys") && it.verb().equals("get"))
            .count();
  }

  private EventKey read(Signer signer) {
    return chaperone
        .lab()
        .client()
        .resources(EventKey.class)
        .inNamespace(scene.name)
        .withName(name(signer))
        .get();
  }

  private static String name(Signer signer) {
    return "array-" + signer.algorithm().name().toLowerCase(java.util.Locale.ROOT);
  }

  private void key(String name, Signer signer, String may, String more) {
    scene.apply(manifest(name, signer, may, more));
  }

  private String manifest(String name, Signer signer, String may, String more) {
    return signer.eventKey(scene.name, name, "may: " + may, more);
  }

  /// An event that holds or releases what it may.
  private ObjectNode event(String id, String type, Instant time) {
    ObjectNode data = JSON.createObjectNode();
    data.put("companion", scene.name + "/agent").put("reason", "rebuilding pool 42");
    data.put("key", "pool-42").put("ttl", "2h");
    return Signer.event(id, "/arrays/7", type, shortest(time), data);
  }

  /// As Go writes it.
  private static String shortest(Instant time) {
    return time.toString().replaceAll("(\\.[0-9]*?)0+Z$", "$1Z").replace(".Z", "Z");
  }

  private ObjectNode signed(Signer signer, ObjectNode event) {
    String jws = signer.sign(Map.of("kid", scene.name + "/" + name(signer), "aud", CLUSTER), event);
    return event.deepCopy().put("jws", jws);
  }

  private HttpRequest.Builder structured(ObjectNode event) {
    return HttpRequest.newBuilder(chaperone.functions())
        .header("content-type", "application/cloudevents+json")
        .POST(BodyPublishers.ofString(event.toPrettyString()));
  }

  private HttpRequest.Builder binary(ObjectNode event) {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(chaperone.functions())
            .header("content-type", "application/json")
            .POST(BodyPublishers.ofString(event.get("data").toPrettyString()));
    event
        .properties()
        .forEach(
            it -> {
              if (!it.getKey().equals("data")) {
                request.header("ce-" + it.getKey(), it.getValue().asText());
              }
            });
    return request;
  }

  /// As a Broker does: once more while it is not answered for good.
  private HttpResponse<String> post(HttpRequest.Builder request) {
    return await()
        .atMost(Scene.LONG)
        .pollInterval(Scene.HALF_A_SECOND)
        .pollDelay(java.time.Duration.ZERO)
        .until(() -> chaperone.post(request), it -> it.statusCode() != UNAVAILABLE);
  }

  private List<Hold> holds() {
    return chaperone.lab().client().resources(Hold.class).inNamespace(scene.name).list().getItems();
  }
}
