package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.api.Hold;
import dev.chaperone.lab.controlplane.ApiCall;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.security.KeyFactory;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.IntFunction;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;

/// Events that hold and release: what they make of Holds, and who may send them.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class HoldEventIT {
  private static final String AUDIENCE = "chaperone.dev";

  /// So many posts of nobody come between two of somebody who may.
  private static final int BETWEEN = 500;

  private static final ObjectMapper JSON = new ObjectMapper();

  private Installation chaperone;
  private Scene scene;
  private String token;

  @BeforeEach
  void somebodyMayHold(TestInfo test) {
    String name = test.getTestMethod().orElseThrow().getName().replace('_', '-');
    scene =
        new Scene(chaperone, name.substring(0, Math.min(40, name.length())), 0).withCompanion("{}");
    scene.apply(
        """
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: alerts, namespace: %1$s}
        ---
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: nobody, namespace: %1$s}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata: {name: hold, namespace: %1$s}
        rules:
        - {apiGroups: [chaperone.dev], resources: [holds], verbs: [create, delete]}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata: {name: hold, namespace: %1$s}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: hold}
        subjects: [{kind: ServiceAccount, name: alerts, namespace: %1$s}]
        ---
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent, namespace: %1$s}
        spec:
          targetRef: {name: target}
          followerRef: {name: follower}
          signals:
          - type: com.example.rebuild.%1$s
            holdWhen: data.state == 'started'
            releaseWhen: data.state == 'finished'
            key: data.pool
            ttl: 2h
        """
            .formatted(scene.name));
    scene.awaitCounted();
    chaperone.changed("Companion", scene.name, "agent");
    token = chaperone.lab().token(scene.name, "alerts", AUDIENCE);
  }

  @AfterEach
  void nobodyAnyMore() {
    scene.close();
  }

  @Test
  void the_same_event_again_is_the_same_hold() {
    HttpResponse<String> held = send("dev.chaperone.hold", token, data("pool-42", "1h"));
    assertThat(held.statusCode()).as(held.body()).isEqualTo(200);
    assertThat(held.headers().firstValue("ce-type")).contains("dev.chaperone.disruption.held");
    assertThat(holds())
        .singleElement()
        .satisfies(
            it -> {
              assertThat(it.getSpec().reason()).isEqualTo("rebuilding");
              assertThat(Instant.parse(it.getSpec().expiresAt()))
                  .isBetween(Instant.now().plusSeconds(3000), Instant.now().plusSeconds(3700));
            });
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");

    String time = Instant.now().minusSeconds(30).toString();
    List<ApiCall> before = holdWrites();
    assertThat(send("dev.chaperone.hold", token, data("pool-42", "1h"), time).statusCode())
        .isEqualTo(204);
    assertThat(holdWrites()).isEqualTo(before);

    send("dev.chaperone.hold", token, data("pool-43", "1h"));
    assertThat(holds()).hasSize(2);
    send("dev.chaperone.release", token, data("pool-43", null));
    assertThat(holds()).hasSize(1);

    HttpResponse<String> released = send("dev.chaperone.release", token, data("pool-42", null));
    assertThat(released.headers().firstValue("ce-type"))
        .contains("dev.chaperone.disruption.allowed");
    assertThat(holds()).isEmpty();
    assertThat(send("dev.chaperone.release", token, data("pool-42", null)).statusCode())
        .isEqualTo(204);
  }

  @Test
  void who_has_no_right_changes_nothing() throws Exception {
    send("dev.chaperone.hold", token, data("pool-42", null));
    String nobody = chaperone.lab().token(scene.name, "nobody", AUDIENCE);
    String forTheApiServer = chaperone.lab().token(scene.name, "alerts");
    int before = holdWrites().size();

    for (String type : List.of("dev.chaperone.hold", "dev.chaperone.release")) {
      for (String key : List.of("pool-42", "pool-43")) {
        assertThat(send(type, null, data(key, null)).statusCode()).isEqualTo(401);
        assertThat(send(type, "garbage", data(key, null)).statusCode()).isEqualTo(401);
        assertThat(send(type, forTheApiServer, data(key, null)).statusCode()).isEqualTo(401);
        assertThat(send(type, signed(-60), data(key, null)).statusCode()).isEqualTo(401);
        HttpResponse<String> forbidden = send(type, nobody, data(key, null));
        assertThat(forbidden.statusCode()).isEqualTo(403);
        assertThat(forbidden.body()).contains(scene.name + ":nobody").contains("holds");
      }
    }
    assertThat(send(signalType(), nobody, "{\"state\": \"started\", \"pool\": \"1\"}").statusCode())
        .isEqualTo(403);
    assertThat(send(signalType(), null, "{\"state\": \"started\", \"pool\": \"1\"}").statusCode())
        .isEqualTo(401);

    assertThat(holdWrites()).hasSize(before);
    assertThat(holds()).hasSize(1);
    // What was signed here would have been good for a minute more.
    assertThat(send("dev.chaperone.release", signed(60), data("pool-42", null)).statusCode())
        .isEqualTo(200);
  }

  @Test
  void tokens_of_nobody_cost_little_however_many_there_are() throws Exception {
    assertThat(send("dev.chaperone.hold", token, data("known", null)).statusCode()).isEqualTo(200);
    String forTheApiServer = chaperone.lab().token(scene.name, "alerts");
    String expired = signed(-3600);

    int before = tokenReviews();
    for (String cheap : List.of("garbage", forTheApiServer, expired)) {
      assertThat(flood(2000, _ -> cheap)).containsOnlyKeys(401);
    }
    assertThat(tokenReviews() - before).isEqualTo(3 * 2000 / BETWEEN);

    before = tokenReviews();
    // Fifty senders may be before the first answer; 20 are asked about in a second.
    assertThat(flood(1000, _ -> forged("the same")).keySet()).isSubsetOf(401, 503);
    assertThat(tokenReviews() - before - 1000 / BETWEEN).isBetween(1, 40);

    before = tokenReviews();
    long began = System.nanoTime();
    int posts = Thorough.times(3000, 10_000);
    Map<Integer, Integer> answers = flood(posts, i -> forged(String.valueOf(i)));
    double seconds = (System.nanoTime() - began) / 1e9;
    int asked = tokenReviews() - before - posts / BETWEEN;
    System.out.printf(
        "HoldEventIT: %d forged in %.1f s: %d asked, %s%n", posts, seconds, asked, answers);
    assertThat(answers.keySet()).isSubsetOf(401, 503);
    // 20 in each second, of which there is one more than have passed.
    assertThat(asked).isBetween(1, (int) (20 * (seconds + 2)));

    String newcomer = chaperone.lab().token(scene.name, "alerts", AUDIENCE);
    await()
        .atMost(Scene.LONG)
        .pollInterval(Scene.HALF_A_SECOND)
        .until(
            () -> send("dev.chaperone.release", newcomer, data("known", null)).statusCode() == 200);
  }

  /// Posts so many, fifty at a time, and now and then an event of somebody who may.
  ///
  /// @return how often it was answered with what
  private Map<Integer, Integer> flood(int posts, IntFunction<String> tokens) {
    Map<Integer, Integer> answers = new ConcurrentHashMap<>();
    try (ExecutorService senders = Executors.newFixedThreadPool(50)) {
      for (int i = 0; i < posts; i++) {
        String bogus = tokens.apply(i);
        senders.execute(
            () ->
                answers.merge(
                    send("dev.chaperone.hold", bogus, data("bogus", null)).statusCode(),
                    1,
                    Integer::sum));
        if (i % BETWEEN == 0) {
          assertThat(send("dev.chaperone.hold", token, data("known", null)).statusCode())
              .isEqualTo(204);
        }
      }
    }
    return answers;
  }

  /// As good as the real one to whoever cannot verify it.
  private String forged(String signature) {
    return token.substring(0, token.lastIndexOf('.') + 1)
        + Base64.getUrlEncoder()
            .withoutPadding()
            .encodeToString(signature.getBytes(StandardCharsets.UTF_8));
  }

  private int tokenReviews() {
    return (int)
        chaperone.calls().stream().filter(it -> it.resource().equals("tokenreviews")).count();
  }

  @Test
  void signals_of_any_team_hold_and_release() {
    assertThat(send(signalType(), token, "{\"state\": \"started\", \"pool\": \"1\"}").statusCode())
        .isEqualTo(200);
    assertThat(send(signalType(), token, "{\"state\": \"started\", \"pool\": \"2\"}").statusCode())
        .isEqualTo(204);
    assertThat(holds()).hasSize(2);
    assertThat(send(signalType(), token, "{\"state\": \"running\", \"pool\": \"1\"}").statusCode())
        .isEqualTo(204);
    send(signalType(), token, "{\"state\": \"finished\", \"pool\": \"2\"}");
    assertThat(holds()).hasSize(1);
    send(signalType(), token, "{\"state\": \"finished\", \"pool\": \"1\"}");
    assertThat(holds()).isEmpty();
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");

    HttpResponse<String> wrong = send(signalType(), token, "{\"pool\": 7}");
    assertThat(wrong.statusCode()).isEqualTo(400);
    assertThat(wrong.body()).contains("state");
  }

  /// Alertmanager's groupKey, as the example for it takes it.
  @Test
  void a_key_of_any_length_is_the_same_hold_again() {
    String key = "{}/{namespace=~\"storage\"}:{alertname=\"" + "r".repeat(290) + "\"}";
    assertThat(key).hasSize(330);

    assertThat(send("dev.chaperone.hold", token, data(key, null)).statusCode()).isEqualTo(200);
    assertThat(send("dev.chaperone.hold", token, data(key, null)).statusCode()).isEqualTo(204);
    assertThat(send("dev.chaperone.hold", token, data(key + "x", null)).statusCode())
        .isEqualTo(204);
    assertThat(holds()).hasSize(2);
    send("dev.chaperone.release", token, data(key + "x", null));
    assertThat(holds()).hasSize(1);

    assertThat(send("dev.chaperone.release", token, data(key, null)).statusCode()).isEqualTo(200);
    assertThat(holds()).isEmpty();
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
  }

  @Test
  void a_hold_that_somebody_gave_to_another_companion_is_taken_back() {
    send("dev.chaperone.hold", token, data("pool-42", null));
    Hold hold = holds().getFirst();
    kubectl(
        "patch",
        "hold",
        hold.getMetadata().getName(),
        "-n",
        scene.name,
        "--type=merge",
        "-p",
        "{\"spec\": {\"companionRef\": {\"name\": \"another\"}}}");
    chaperone.changed("Companion", scene.name, "agent");
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");

    HttpResponse<String> held = send("dev.chaperone.hold", token, data("pool-42", null));

    assertThat(held.statusCode()).as(held.body()).isEqualTo(200);
    assertThat(held.headers().firstValue("ce-type")).contains("dev.chaperone.disruption.held");
    assertThat(holds())
        .singleElement()
        .satisfies(it -> assertThat(it.getSpec().companionRef().name()).isEqualTo("agent"));
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
    scene.awaitAllowed("agent-nodes", 0);
  }

  @Test
  void a_hold_that_is_being_deleted_is_not_counted_on() {
    send("dev.chaperone.hold", token, data("pool-42", null));
    String hold = holds().getFirst().getMetadata().getName();
    finalizers(hold, "[\"example.com/slow\"]");
    kubectl("delete", "hold", hold, "-n", scene.name, "--wait=false");

    HttpResponse<String> refused = send("dev.chaperone.hold", token, data("pool-42", null));

    assertThat(refused.statusCode()).isEqualTo(503);
    assertThat(refused.headers().firstValue("Retry-After")).isPresent();
    assertThat(refused.body()).contains(hold).contains("is being deleted");

    finalizers(hold, "null");
    assertThat(holds()).isEmpty();
    assertThat(send("dev.chaperone.hold", token, data("pool-42", null)).statusCode())
        .isIn(200, 204);
    assertThat(holds()).hasSize(1);
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
  }

  @Test
  void who_asks_to_hold_what_holds_nothing_is_told_so() {
    String hourAgo = Instant.now().minusSeconds(3600).toString();
    HttpResponse<String> over = send("dev.chaperone.hold", token, data("late", "30m"), hourAgo);
    assertThat(over.statusCode()).isEqualTo(422);
    assertThat(over.body()).contains("its ttl had passed");
    assertThat(holds()).isEmpty();
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");

    scene.companion("{policy: AlwaysAllow}");
    HttpResponse<String> ignored = send("dev.chaperone.hold", token, data("pool-42", null));
    assertThat(ignored.statusCode()).isEqualTo(422);
    assertThat(ignored.body()).contains("blocks nothing").contains("AlwaysAllow");
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True AlwaysAllow");

    scene.companion("{maxHoldDuration: 1s}");
    HttpResponse<String> overdue =
        await()
            .atMost(Scene.LONG)
            .pollInterval(Scene.HALF_A_SECOND)
            .until(
                () -> send("dev.chaperone.hold", token, data("pool-42", null)),
                it -> it.statusCode() == 422);
    assertThat(overdue.body()).contains("blocks nothing").contains("maxHoldDuration");
    assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True MaxHoldDurationExceeded");
  }

  private void finalizers(String hold, String finalizers) {
    kubectl(
        "patch",
        "hold",
        hold,
        "-n",
        scene.name,
        "--type=merge",
        "-p",
        "{\"metadata\": {\"finalizers\": %s}}".formatted(finalizers));
  }

  private void kubectl(String... arguments) {
    chaperone.lab().kubectl(arguments).orFail();
  }

  /// A thousand events that a fuzzer, a bug or an enemy might send, with a good token.
  @Test
  void hostile_events_make_no_hold_and_take_none_away() {
    send("dev.chaperone.hold", token, data("pool-42", null));
    Set<String> before = names();
    long seed = Long.getLong("chaperone.seed", System.currentTimeMillis());
    System.out.println("HoldEventIT: hostile events from seed " + seed);
    Random random = new Random(seed);
    long memory = memory();
    for (int i = 0; i < 1000; i++) {
      String type =
          List.of("dev.chaperone.hold", "dev.chaperone.release", signalType())
              .get(random.nextInt(3));
      String data = hostile(random, type);
      HttpRequest.Builder event =
          random.nextInt(5) == 0 ? structured(random, type, data) : binary(random, type, data);
      HttpResponse<String> answer = chaperone.post(event);
      assertThat(answer.statusCode())
          .as("seed %d: %s %s", seed, type, cut(data))
          .isBetween(200, 499);
      assertThat(names()).as("seed %d: %s %s", seed, type, cut(data)).isEqualTo(before);
    }
    // In the same JVM as the functions; what a thousand events of up to 1 MB leave behind.
    assertThat(memory() - memory).isLessThan(64L << 20);
  }

  private HttpRequest.Builder binary(Random random, String type, String data) {
    HttpRequest.Builder event =
        HttpRequest.newBuilder(chaperone.functions())
            .header("ce-specversion", "1.0")
            .header("ce-id", String.valueOf(random.nextInt()))
            .header("ce-source", "/hostile/" + random.nextInt(5))
            .header("ce-type", type)
            .header("content-type", "application/json")
            .header("authorization", "Bearer " + token)
            .POST(BodyPublishers.ofString(data));
    if (random.nextInt(4) == 0) {
      event.header(
          "ce-time",
          List.of("yesterday", "0001-01-01T00:00:00Z", "2999-12-31T23:59:59Z", "2026-13-01")
              .get(random.nextInt(4)));
    }
    return event;
  }

  /// With numbers and booleans where Funqy expects text.
  private HttpRequest.Builder structured(Random random, String type, String data) {
    return HttpRequest.newBuilder(chaperone.functions())
        .header("content-type", "application/cloudevents+json")
        .header("authorization", "Bearer " + token)
        .POST(
            BodyPublishers.ofString(
                """
                {"specversion": "1.0", "id": %s, "source": "/hostile", "type": "%s", "time": %s,
                 "subject": %s, "numeric": %d, "flag": true, "datacontenttype": "application/json",
                 "data": %s}
                """
                    .formatted(
                        random.nextBoolean() ? "7" : "\"7\"",
                        type,
                        random.nextBoolean() ? "12" : "\"2026-11-24T06:00:00Z\"",
                        random.nextBoolean() ? "3.5" : "\"s\"",
                        random.nextInt(),
                        data)));
  }

  private String hostile(Random random, String type) {
    String own = scene.name + "/agent";
    String[] companions = {
      "../" + own,
      own + "/../other",
      "kube-system/agent",
      scene.name + "/agent%00",
      scene.name + "//agent",
      "/" + own,
      scene.name,
      "",
      scene.name + "/ágent",
      scene.name + "/AGENT",
      own + "\\u0000",
      own + " ",
      scene.name + "/" + "a".repeat(5000),
      "default/../" + own,
      "*/*",
      scene.name + "/*",
      own + "\\n"
    };
    String companion = companions[random.nextInt(companions.length)];
    String wrongTypes =
        List.of("42", "true", "null", "[\"" + own + "\"]", "{\"name\": \"" + own + "\"}", "1e999")
            .get(random.nextInt(6));
    return switch (random.nextInt(9)) {
      case 0 ->
          "{\"companion\": \"%s\", \"reason\": \"x\", \"key\": \"pool-42\"}".formatted(companion);
      case 1 ->
          "{\"companion\": %s, \"reason\": \"x\", \"state\": %s}".formatted(wrongTypes, wrongTypes);
      case 2 ->
          type.endsWith("release")
              ? "{\"companion\": \"%s\", \"key\": %s}"
                  .formatted(own, wrongTypes.equals("null") ? "7" : wrongTypes)
              : "{\"companion\": \"%s\", \"reason\": \"%s\"}"
                  .formatted(own, " ".repeat(random.nextInt(300)));
      case 3 -> "[".repeat(1 + random.nextInt(100_000));
      case 4 ->
          "{\"a\":".repeat(1 + random.nextInt(5_000)) + "1" + "}".repeat(random.nextInt(5_000));
      case 5 ->
          "{\"companion\": \"%s\", \"reason\": \"%s\"}"
              .formatted(own, "y".repeat(257 + random.nextInt(1 << 20)));
      case 6 ->
          "{\"companion\": \"%s\", \"reason\": \"x\", \"ttl\": \"%s\", \"key\": \"%s\"}"
              .formatted(
                  own,
                  List.of("-1h", "1d", "1h ", "0s", "99999999h", "PT1H", "1h1h", "١h")
                      .get(random.nextInt(8)),
                  "k".repeat(random.nextInt(300)))
              .replace(
                  type.endsWith("release") ? "\"key\": \"" : "\u0000", "\"key\": \"none-such-");
      case 7 -> "\"" + "\uD83D\uDE00".repeat(random.nextInt(1000)) + "\"";
      default -> "{\"state\": \"\\u0000started\", \"pool\": " + wrongTypes + "}";
    };
  }

  private static String cut(String text) {
    return text.length() <= 200 ? text : text.substring(0, 200) + "…";
  }

  private static long memory() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }

  private String signalType() {
    return "com.example.rebuild." + scene.name;
  }

  private String data(String key, String ttl) {
    ObjectNode data = JSON.createObjectNode();
    data.put("companion", scene.name + "/agent").put("reason", "rebuilding").put("key", key);
    if (ttl != null) {
      data.put("ttl", ttl);
    }
    return data.toString();
  }

  private HttpResponse<String> send(String type, String bearer, String data) {
    return send(type, bearer, data, null);
  }

  private HttpResponse<String> send(String type, String bearer, String data, String time) {
    HttpRequest.Builder event =
        chaperone
            .event(type)
            .header("content-type", "application/json")
            .POST(BodyPublishers.ofString(data));
    if (bearer != null) {
      event.header("Authorization", "Bearer " + bearer);
    }
    if (time != null) {
      event.header("ce-time", time);
    }
    return chaperone.post(event);
  }

  /// The token of `alerts`, signed by the cluster's own key, with another end.
  private String signed(long secondsFromNow) throws Exception {
    String[] parts = token.split("\\.", -1);
    ObjectNode claims =
        (ObjectNode)
            JSON.readTree(
                new String(Base64.getUrlDecoder().decode(parts[1]), StandardCharsets.UTF_8));
    claims.put("exp", Instant.now().getEpochSecond() + secondsFromNow);
    String body =
        parts[0]
            + "."
            + Base64.getUrlEncoder()
                .withoutPadding()
                .encodeToString(JSON.writeValueAsBytes(claims));
    String pem =
        Files.readString(chaperone.lab().tokenKey())
            .replaceAll("-----[A-Z ]+-----", "")
            .replaceAll("\\s", "");
    Signature signature = Signature.getInstance("SHA256withRSA");
    signature.initSign(
        KeyFactory.getInstance("RSA")
            .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem))));
    signature.update(body.getBytes(StandardCharsets.US_ASCII));
    return body + "." + Base64.getUrlEncoder().withoutPadding().encodeToString(signature.sign());
  }

  private Set<String> names() {
    return holds().stream()
        .map(it -> it.getMetadata().getName())
        .collect(java.util.stream.Collectors.toSet());
  }

  private List<Hold> holds() {
    return client().resources(Hold.class).inNamespace(scene.name).list().getItems();
  }

  private List<ApiCall> holdWrites() {
    return chaperone.writes().stream()
        .filter(it -> it.resource().equals("holds") && it.subresource().isEmpty())
        .toList();
  }

  private KubernetesClient client() {
    return chaperone.lab().client();
  }
}
