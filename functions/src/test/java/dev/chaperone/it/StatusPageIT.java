package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.chaperone.api.Companion;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// With the overlay `status-page`: who sees it, what it shows, and what it costs.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@TestProfile(StatusPageIT.Shown.class)
class StatusPageIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Path RIGHTS = HOME.resolve("knative/overlays/status-page/rbac.yaml");
  private static final String AUDIENCE = "chaperone.dev";

  private static final int OK = 200;
  private static final int UNAUTHORIZED = 401;
  private static final int FORBIDDEN = 403;
  private static final int UNAVAILABLE = 503;

  /// What only a change has on the page.
  private static final String LAST_CHANGE = "<td class=\"when\">";

  /// At the same time; far more than there are pages a second.
  private static final int VISITORS = 40;

  /// What a screenshot in the documentation may take.
  private static final int MAX_BYTES = 60 << 10;

  private static final int WHITE = 0xffffff;

  private Installation chaperone;

  @TempDir private Path folder;

  /// As the overlay sets it.
  public static final class Shown implements QuarkusTestProfile {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("chaperone.status-page", "true");
    }
  }

  @BeforeEach
  void install() {
    chaperone.lab().kubectl("apply", "-f", RIGHTS.toString()).orFail();
    chaperone
        .lab()
        .addServiceAccount(
            "default",
            "everywhere",
            "{apiGroups: [chaperone.dev], resources: [companions], verbs: [list]}",
            "{apiGroups: [''], resources: [events], verbs: [list]}");
    chaperone.lab().addServiceAccount("default", "nobody");
    await("the page")
        .atMost(Scene.LONG)
        .until(
            () -> {
              HttpResponse<String> page = get("", bearer("everywhere"));
              return page.statusCode() == OK && !page.body().contains("forbidden");
            });
  }

  @Test
  void the_page_shows_what_blocks_since_when_until_when_which_drain_waits_and_what_changed() {
    Instant end = Instant.now().plus(2, ChronoUnit.HOURS).truncatedTo(ChronoUnit.SECONDS);
    try (Scene scene = new Scene(chaperone, "shown", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.pulseUntilGuarded();
      scene.hold("rebuild", end);
      chaperone.lab().kubectl("cordon", scene.node(1)).orFail();
      changedUntilHeld(scene, "rebuild");
      await("the drain waits")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.changed("Node", "", scene.node(1));
                return page("").contains("Drain waits: shown-1.");
              });

      assertThat(page(""))
          .contains("shown/agent <span class=\"state\">Blocked</span>")
          .contains("Hold rebuild: a test")
          .containsPattern("<span class=\"distance\">in [0-9]+m</span> <time>" + end + "</time>")
          .contains("2 of 2 nodes have a running guard")
          .contains("<th scope=\"row\">shown-1</th>")
          // The condition, and the Kubernetes Event, in its words.
          .contains(escaped(scene.message("DisruptionAllowed")))
          .contains("DisruptionBlocked")
          .doesNotContain("Kubernetes Events: ");

      scene.release("rebuild");
      await("the page shows the end of it")
          .atMost(Scene.LONG)
          .until(
              () -> {
                chaperone.changed("Hold", scene.name, "rebuild");
                return page("?namespace=shown")
                    .contains("shown/agent <span class=\"state\">Allowed</span>");
              });
    }
  }

  @Test
  void what_users_write_is_shown_as_text() {
    String odd = "</title></td><script>alert(1)</script>&<img src=x onerror=alert(2)>";
    try (Scene scene = new Scene(chaperone, "odd", 1).withCompanion("{}")) {
      scene.awaitPods("target", 1);
      scene.pulseUntilGuarded();
      scene.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Hold
          metadata: {name: odd, namespace: odd}
          spec: {companionRef: {name: agent}, reason: "%s"}
          """
              .formatted(odd));
      changedUntilHeld(scene, "odd");

      assertThat(page("?namespace=odd"))
          .contains("Hold odd: " + escaped(odd))
          .doesNotContain("<script")
          .doesNotContain("<img");
    }
  }

  @Test
  void nobody_sees_anything_without_a_token_that_is_meant_for_chaperone() {
    try (Scene scene = new Scene(chaperone, "hidden", 0).withCompanion("{}")) {
      for (String authorization :
          List.of(
              "",
              "Bearer ",
              "Basic ",
              "Basic %%%",
              "Bearer x.y.z",
              basic("admin", "admin"),
              // Meant for the API server: whoever gets hold of it must not be able to use it there.
              "Bearer " + chaperone.lab().token("default", "everywhere"))) {
        HttpResponse<String> refused =
            get("", Optional.of(authorization).filter(it -> !it.isEmpty()));

        assertThat(refused.statusCode()).as(authorization).isEqualTo(UNAUTHORIZED);
        assertThat(refused.headers().firstValue("WWW-Authenticate"))
            .contains("Basic realm=\"Chaperone\", charset=\"UTF-8\"");
        assertThat(refused.body()).doesNotContain(scene.name).contains("--audience chaperone.dev");
        assertSafe(refused);
      }
    }
  }

  @Test
  void a_user_sees_companions_where_they_may_list_them() {
    try (Scene mine = new Scene(chaperone, "mine", 0).withCompanion("{}");
        Scene other = new Scene(chaperone, "others", 0).withCompanion("{}")) {
      mine.apply(
          """
          apiVersion: rbac.authorization.k8s.io/v1
          kind: RoleBinding
          metadata: {name: sees-companions, namespace: mine}
          roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: default-everywhere}
          subjects: [{kind: ServiceAccount, name: team, namespace: mine}]
          ---
          apiVersion: v1
          kind: ServiceAccount
          metadata: {name: team, namespace: mine}
          """);
      String token = "Bearer " + chaperone.lab().token("mine", "team", AUDIENCE);
      await("the team's right")
          .atMost(Scene.LONG)
          .until(() -> get("?namespace=mine", Optional.of(token)).statusCode() == OK);

      assertThat(answered("?namespace=mine", token).body()).contains("mine/agent");
      for (String query : List.of("", "?namespace=others", "?namespace=mine2")) {
        HttpResponse<String> refused = answered(query, token);
        assertThat(refused.statusCode()).as(query).isEqualTo(FORBIDDEN);
        assertThat(refused.body())
            .contains("system:serviceaccount:mine:team may not list companions")
            .doesNotContain(other.name + "/agent")
            .doesNotContain(mine.name + "/agent");
        assertSafe(refused);
      }
      assertThat(answered("", bearer("nobody").orElseThrow()).statusCode()).isEqualTo(FORBIDDEN);
      assertThat(page("")).contains("mine/agent").contains("others/agent");
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"?namespace=", "?namespace=..", "?namespace=a%2Fb", "?namespace=a%3Fx%3D1"})
  void a_namespace_that_cannot_be_one_is_refused(String query) {
    HttpResponse<String> refused = get(query, bearer("everywhere"));

    assertThat(refused.statusCode()).isEqualTo(400);
    assertSafe(refused);
  }

  @Test
  void a_browser_sends_the_token_as_a_password_and_gets_headers_that_let_nothing_run() {
    String token = chaperone.lab().token("default", "everywhere", AUDIENCE);

    HttpResponse<String> page = answered("", basic("whoever", token));

    assertThat(page.statusCode()).isEqualTo(OK);
    assertThat(page.headers().firstValue("Content-Type")).contains("text/html; charset=utf-8");
    assertThat(page.headers().firstValue("Content-Security-Policy"))
        .hasValueSatisfying(
            policy ->
                assertThat(policy)
                    .startsWith("default-src 'none'; ")
                    .contains("style-src 'sha256-")
                    .doesNotContain("unsafe"));
    assertSafe(page);
  }

  @Test
  void a_head_request_gets_the_headers_alone_and_events_are_answered_as_before() {
    String token = bearer("everywhere").orElseThrow();

    HttpResponse<String> head =
        await("a page")
            .atMost(Scene.LONG)
            .until(
                () -> chaperone.post(request("", Optional.of(token)).HEAD()),
                it -> it.statusCode() != UNAVAILABLE);

    assertThat(head.statusCode()).isEqualTo(OK);
    assertThat(head.body()).isEmpty();
    assertSafe(head);
    await("an event")
        .atMost(Scene.LONG)
        .until(() -> chaperone.pulse().statusCode(), it -> it < 300);
    assertThat(
            chaperone
                .post(request("", Optional.of(token)).PUT(BodyPublishers.ofString("x")))
                .statusCode())
        .isGreaterThanOrEqualTo(400);
    assertThat(chaperone.post(request("", Optional.empty()).POST(BodyPublishers.noBody())).body())
        .contains("not a CloudEvent");
  }

  @Test
  void without_the_right_to_list_kubernetes_events_the_page_says_so_and_shows_the_rest() {
    try (Scene scene = new Scene(chaperone, "without", 0).withCompanion("{}")) {
      chaperone.lab().kubectl("delete", "-f", RIGHTS.toString()).orFail();

      await("a page without Kubernetes Events")
          .atMost(Scene.LONG)
          .untilAsserted(
              () ->
                  assertThat(page(""))
                      .contains("Cannot read Kubernetes Events: events is forbidden")
                      .contains(scene.name + "/agent"));
    }
  }

  @Test
  void a_visitor_who_may_not_list_kubernetes_events_sees_none() {
    try (Scene scene = new Scene(chaperone, "untold", 1).withCompanion("{}")) {
      scene.awaitPods("target", 1);
      scene.pulseUntilGuarded();
      scene.apply(
          """
          apiVersion: rbac.authorization.k8s.io/v1
          kind: Role
          metadata: {name: companions-alone, namespace: untold}
          rules: [{apiGroups: [chaperone.dev], resources: [companions], verbs: [list]}]
          ---
          apiVersion: rbac.authorization.k8s.io/v1
          kind: RoleBinding
          metadata: {name: companions-alone, namespace: untold}
          roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: companions-alone}
          subjects: [{kind: ServiceAccount, name: nobody, namespace: default}]
          """);
      String query = "?namespace=" + scene.name;
      String token = bearer("nobody").orElseThrow();
      await("the right to list Companions")
          .atMost(Scene.LONG)
          .until(() -> answered(query, token).statusCode() == OK);

      assertThat(page(query)).contains(LAST_CHANGE);
      assertThat(answered(query, token).body())
          .contains(scene.name + "/agent")
          .contains(
              "system:serviceaccount:default:nobody may not list Kubernetes Events in namespace untold")
          .doesNotContain(LAST_CHANGE);
    }
  }

  @Test
  void a_page_reads_twice_whatever_there_is_and_writes_nothing() {
    try (Scene scene = new Scene(chaperone, "cost-of-a-page", 3).withCompanion("{}")) {
      scene.awaitPods("target", 3);
      scene.pulseUntilGuarded();
      scene.settle();
      String token = bearer("everywhere").orElseThrow();
      int before = chaperone.settledCalls().size();

      assertThat(answered("", token).statusCode()).isEqualTo(OK);

      assertThat(
              chaperone.settledCalls().stream()
                  .skip(before)
                  .map(it -> it.verb() + " " + it.resource()))
          .containsExactlyInAnyOrder(
              "create tokenreviews",
              "create subjectaccessreviews",
              "create subjectaccessreviews",
              "list companions",
              "list events");
    }
  }

  @Test
  void many_visitors_are_refused_and_events_are_not() {
    String token = bearer("everywhere").orElseThrow();
    AtomicBoolean enough = new AtomicBoolean();
    Set<Integer> codes = ConcurrentHashMap.newKeySet();
    try (var visitors = Executors.newFixedThreadPool(VISITORS)) {
      try {
        for (int visitor = 0; visitor < VISITORS; visitor++) {
          visitors.execute(
              () -> {
                while (!enough.get()) {
                  codes.add(get("", Optional.of(token)).statusCode());
                }
              });
        }
        await("more visitors than pages")
            .atMost(Scene.LONG)
            .until(() -> codes.containsAll(Set.of(OK, UNAVAILABLE)));
        await("an event")
            .atMost(Scene.LONG)
            .until(() -> chaperone.pulse().statusCode(), it -> it < 300);
      } finally {
        enough.set(true);
      }
    }
    assertThat(codes).containsOnly(OK, UNAVAILABLE);
  }

  @Test
  void a_browser_shows_it_in_light_in_dark_and_on_a_phone() throws IOException {
    Optional<Browser> browser = Browser.installed();
    assumeTrue(
        browser.isPresent(),
        "no Chromium on this machine: apt-get install chromium-headless-shell, or chromium");
    chaperone.lab().client().resources(Companion.class).inAnyNamespace().delete();
    // What other tests left would be among the last changes.
    chaperone.lab().client().v1().events().inAnyNamespace().delete();
    Instant end = Instant.now().plus(6, ChronoUnit.HOURS).truncatedTo(ChronoUnit.HOURS);
    try (Scene storage = new Scene(chaperone, "storage", 3).withCompanion("{}");
        Scene gpu =
            new Scene(chaperone, "gpu", 2)
                .withCompanion(
                    "{holdWhen: [{name: training, expression: target.status.numberReady > 1, message: Training jobs run}]}");
        Scene logs = new Scene(chaperone, "logs", 2).withCompanion("{}")) {
      for (Scene scene : List.of(storage, gpu, logs)) {
        scene.awaitPods("target", scene.equals(storage) ? 3 : 2);
        scene.pulseUntilGuarded();
      }
      storage.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Hold
          metadata: {name: rebuild-42, namespace: storage}
          spec: {companionRef: {name: agent}, reason: rebuilding pool 42, expiresAt: "%s"}
          """
              .formatted(end));
      chaperone.lab().kubectl("cordon", storage.node(1)).orFail();
      changedUntilHeld(storage, "rebuild-42");
      chaperone.changed("Node", "", storage.node(1));

      String token = chaperone.lab().token("default", "everywhere", AUDIENCE);
      String url =
          chaperone.functions().toString().replace("http://", "http://viewer:" + token + "@");
      for (Look look : Look.values()) {
        BufferedImage seen =
            ImageIO.read(look.screenshot(browser.get(), url, folder, "png").toFile());

        // Its own style, which the policy lets through by its hash alone, and no other page.
        assertThat(seen.getWidth()).isEqualTo(look.width);
        assertThat(seen.getRGB(2, 2) & WHITE).as("%s: background", look).isEqualTo(look.background);
        assertThat(pixels(seen)).as("%s: what blocks", look).contains(look.blocked);
        if (Boolean.getBoolean("docs.write")) {
          Path file = look.screenshot(browser.get(), url, HOME.resolve("docs/how-to"), "webp");
          assertThat(Files.size(file)).as("%s", file).isLessThan(MAX_BYTES);
        }
      }
    }
  }

  /// As somebody sees it.
  private enum Look {
    LIGHT(false, 900, WHITE, 0x8a5a00),
    DARK(true, 900, 0x0f1318, 0xf0b64a),
    PHONE(false, 390, WHITE, 0x8a5a00);

    private static final int HEIGHT = 1200;

    private final boolean dark;
    private final int width;
    private final int background;
    private final int blocked;

    Look(boolean dark, int width, int background, int blocked) {
      this.dark = dark;
      this.width = width;
      this.background = background;
      this.blocked = blocked;
    }

    Path screenshot(Browser browser, String url, Path folder, String format) {
      Path file = folder.resolve("status-page-" + name().toLowerCase(Locale.ROOT) + "." + format);
      browser.screenshot(url, dark, width, HEIGHT, file);
      return file;
    }
  }

  private void changedUntilHeld(Scene scene, String hold) {
    await("held")
        .atMost(Scene.LONG)
        .until(
            () -> {
              chaperone.changed("Hold", scene.name, hold);
              return scene.condition("DisruptionAllowed").equals("False Hold");
            });
  }

  /// The page for somebody who may see everything.
  private String page(String query) {
    HttpResponse<String> page = answered(query, bearer("everywhere").orElseThrow());
    assertThat(page.statusCode()).as(page.body()).isEqualTo(OK);
    return page.body();
  }

  /// Asks again while there are too many pages.
  private HttpResponse<String> answered(String query, String authorization) {
    return await("an answer")
        .atMost(Scene.LONG)
        .until(() -> get(query, Optional.of(authorization)), it -> it.statusCode() != UNAVAILABLE);
  }

  private HttpResponse<String> get(String query, Optional<String> authorization) {
    return chaperone.post(request(query, authorization).GET());
  }

  private HttpRequest.Builder request(String query, Optional<String> authorization) {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(chaperone.functions() + query));
    authorization.ifPresent(it -> request.header("Authorization", it));
    return request;
  }

  private Optional<String> bearer(String serviceAccount) {
    return Optional.of("Bearer " + chaperone.lab().token("default", serviceAccount, AUDIENCE));
  }

  private static String basic(String user, String password) {
    return "Basic "
        + Base64.getEncoder()
            .encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("'", "&#39;")
        .replace("\"", "&quot;");
  }

  private static void assertSafe(HttpResponse<String> answer) {
    Map<String, String> wanted =
        Map.of(
            "X-Content-Type-Options", "nosniff",
            "Referrer-Policy", "no-referrer",
            "Cache-Control", "no-store",
            "Cross-Origin-Resource-Policy", "same-origin");
    wanted.forEach(
        (name, value) -> assertThat(answer.headers().firstValue(name)).as(name).contains(value));
    assertThat(answer.headers().firstValue("Content-Security-Policy"))
        .hasValueSatisfying(it -> assertThat(it).startsWith("default-src 'none'"));
  }

  private static Set<Integer> pixels(BufferedImage image) {
    return IntStream.range(0, image.getWidth() * image.getHeight())
        .map(it -> image.getRGB(it % image.getWidth(), it / image.getWidth()) & WHITE)
        .boxed()
        .collect(Collectors.toSet());
  }
}
