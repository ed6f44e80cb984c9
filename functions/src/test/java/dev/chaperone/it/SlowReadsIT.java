package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.net.ApiProxy;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// An API server that answers every read, and so slowly that reading takes all the time that an
/// event has, as that of a large cluster may which thousands of nodes join.
@ExtendWith(LabExtension.class)
class SlowReadsIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// A look reads in four rounds at least where every node is to be read.
  private static final Duration READ = Duration.ofMillis(2700);

  private final Lab lab;

  SlowReadsIT(Lab lab) {
    Chaperone.installTypesAndRights(lab, HOME);
    this.lab = lab;
  }

  @Test
  void what_has_been_read_is_written() {
    try (ApiProxy proxy = ApiProxy.start(lab);
        KillableFunctions functions =
            new KillableFunctions(lab, proxy.kubeconfig("chaperone", "functions"));
        Scene scene = new Scene(functions.now(), "slow", 2)) {
      proxy.slowReads(READ);
      scene.withCompanion("{}");
      scene.awaitPods("target", 2);

      await("guards on both nodes")
          .atMost(Scene.LONG)
          .ignoreExceptionsInstanceOf(UncheckedIOException.class)
          .until(
              () -> {
                functions.now().changed("Companion", scene.name, "agent");
                return scene.guardedNodes().size() == 2;
              });
      assertThat(scene.guardedNodes()).isEqualTo(Set.of(scene.node(1), scene.node(2)));
    }
  }
}
