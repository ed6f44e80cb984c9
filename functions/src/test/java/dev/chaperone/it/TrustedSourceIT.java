package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// The switch for clusters whose brokers carry no identity.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@TestProfile(TrustedSourceIT.Trusting.class)
class TrustedSourceIT {
  private Installation chaperone;

  /// Trusts one source.
  public static final class Trusting implements QuarkusTestProfile {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("chaperone.trusted-sources", "/storage,https://alerts.example.com/a");
    }
  }

  @Test
  void holds_without_a_token_for_the_sources_that_it_names_and_for_no_other() {
    try (Scene scene = new Scene(chaperone, "trusted", 0).withCompanion("{}")) {
      scene.awaitCounted();
      chaperone.changed("Companion", scene.name, "agent");

      assertThat(hold("/storage/other")).isEqualTo(401);
      assertThat(hold("/by-hand")).isEqualTo(401);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("True NothingHolds");
      assertThat(hold("/storage")).isEqualTo(200);
      assertThat(scene.condition("DisruptionAllowed")).isEqualTo("False Hold");
    }
  }

  private int hold(String source) {
    return chaperone
        .post(
            HttpRequest.newBuilder(chaperone.functions())
                .header("ce-specversion", "1.0")
                .header("ce-id", "1")
                .header("ce-source", source)
                .header("ce-type", "dev.chaperone.hold")
                .header("content-type", "application/json")
                .POST(
                    BodyPublishers.ofString(
                        "{\"companion\": \"trusted/agent\", \"reason\": \"rebuilding\"}")))
        .statusCode();
  }
}
