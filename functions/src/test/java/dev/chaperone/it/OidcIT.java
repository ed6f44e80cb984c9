package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.knative.Serving;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// The overlay for a Knative Eventing that knows who sends, and a team's holds through it: real
/// tokens, that real Brokers and Triggers ask for and verify.
@ExtendWith(LabExtension.class)
class OidcIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Path OVERLAY = HOME.resolve("knative/overlays/oidc");
  private static final Path TEAM = HOME.resolve("triggers/examples/holds-with-oidc");
  private static final String FOR_THE_BROKER = "eventing.knative.dev/broker/chaperone/chaperone";
  private static final Duration SELDOM_IDLE = Duration.ofMinutes(2);

  private static final List<String> READY_TOO =
      List.of(
          "triggers/storage",
          "eventpolicies/sources",
          "eventpolicies/replies",
          "eventpolicies/storage",
          "eventpolicies/storage-replies");

  private final Lab lab;
  private final Eventing eventing;
  private Serving serving;
  private Installation chaperone;

  OidcIT(Lab lab, Eventing eventing) {
    this.lab = lab;
    this.eventing = eventing;
  }

  @BeforeEach
  void install() {
    eventing.authenticate(true);
    lab.apply(HOME.resolve("knative/crds"));
    lab.awaitListed("companions", "holds");
    serving =
        Serving.start(
            eventing,
            new Serving.Program(
                FunctionsCommand.fastest(FunctionsCommand.built(HOME)), Map.of(), SELDOM_IDLE));
    lab.apply(OVERLAY);
    chaperone = new Installation(lab, eventing.broker("chaperone", "chaperone"), OVERLAY);
  }

  @AfterEach
  void remove() {
    lab.kubectl("delete", "--ignore-not-found", "-k", TEAM.toString()).orFail();
    lab.kubectl("delete", "-k", OVERLAY.toString()).orFail();
    // Returns when it is gone, for others who use the name.
    lab.kubectl("delete", "--ignore-not-found", "namespace", "storage").orFail();
    serving.close();
    eventing.authenticate(false);
  }

  @Test
  void holds_come_from_whom_the_broker_knows_and_from_nobody_else() {
    try (Scene other = new Scene(chaperone, "elsewhere", 1).withCompanion("{}");
        Scene scene = new Scene(chaperone, "storage", 2)) {
      serviceAccount("alerts");
      serviceAccount("stranger");
      lab.apply(TEAM);
      Installation.SOURCES_AND_TRIGGERS.forEach(chaperone::requireReady);
      READY_TOO.forEach(chaperone::requireReady);
      eventing.awaitReady();

      // Sources, with tokens of their own.
      scene.withCompanion("{}").awaitGuarded(1, 2);
      scene.awaitAllowed("agent-nodes", 1);

      assertThat(hold("", "storage")).isEqualTo(401);
      assertThat(hold(lab.token("storage", "alerts", "another.audience"), "storage"))
          .isEqualTo(401);
      assertThat(hold(lab.token("storage", "stranger", FOR_THE_BROKER), "storage")).isEqualTo(403);
      String alerts = lab.token("storage", "alerts", FOR_THE_BROKER);
      // The Broker takes it, and the functions refuse it: the Trigger may not hold there.
      assertThat(hold(alerts, "elsewhere")).isEqualTo(202);
      scene.awaitAllowed("agent-nodes", 1);

      assertThat(hold(alerts, "storage")).isEqualTo(202);

      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      await("the dead letter of what was refused")
          .atMost(Scene.LONG)
          .until(
              () -> lab.kubectl("get", "events", "-n", "elsewhere").out().contains("EventRefused"));
      other.awaitAllowed("agent-nodes", 1);
    }
  }

  private void serviceAccount(String name) {
    lab.kubectl("create", "serviceaccount", name, "-n", "storage").orFail();
  }

  /// Posts a team's hold to the Broker.
  private int hold(String token, String namespace) {
    HttpRequest.Builder event =
        chaperone.holdEvent(namespace + "/agent").setHeader("ce-source", "/storage");
    if (!token.isEmpty()) {
      event.header("authorization", "Bearer " + token);
    }
    return chaperone.post(event, Scene.LONG).statusCode();
  }
}
