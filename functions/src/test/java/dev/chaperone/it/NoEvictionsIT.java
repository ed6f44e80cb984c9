package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import io.quarkus.test.junit.QuarkusTestProfile;
import io.quarkus.test.junit.TestProfile;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// With the overlay `eviction-responder` on an API server that serves no Evictions, as it is by
/// default: everything is as ever.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
@TestProfile(NoEvictionsIT.Responding.class)
class NoEvictionsIT {
  private static final Path RIGHTS =
      Path.of(
          System.getProperty("chaperone.home"), "knative/overlays/eviction-responder/rbac.yaml");

  private Installation chaperone;

  /// As the overlay sets it.
  public static final class Responding implements QuarkusTestProfile {
    @Override
    public Map<String, String> getConfigOverrides() {
      return Map.of("chaperone.eviction-responder", "true");
    }
  }

  @Test
  void guards_name_no_responder_and_nothing_is_written_again_and_again() {
    chaperone.lab().apply(RIGHTS);
    try (Scene scene = new Scene(chaperone, "no-evictions", 2).withCompanion("{}")) {
      scene.awaitPods("target", 2);
      scene.awaitPods("follower", 2);
      scene.pulseUntilGuarded();
      scene.settle();
      assertThat(scene.guards())
          .hasSize(2)
          .allMatch(it -> EvictionController.responders(it).isEmpty());

      int before = chaperone.settledCalls().size();
      assertThat(chaperone.changed("Companion", scene.name, "agent").statusCode()).isLessThan(300);
      assertThat(chaperone.settledCalls().stream().skip(before))
          .extracting(it -> it.verb() + " " + it.resource())
          .contains("list evictions")
          .noneMatch(it -> it.startsWith("patch ") || it.startsWith("create "));

      scene.hold("rebuild");
      chaperone.changed("Hold", scene.name, "rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitEnforced("rebuild");
    }
  }
}
