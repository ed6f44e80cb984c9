package dev.chaperone.lab;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.cli.Main;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whatever ends a lab, nothing of it is left running.
class LabEndIT {
  private static final Duration SOON = Duration.ofSeconds(20);

  /// Ctrl-C takes the way of TERM; a JVM that was started in the background ignores it.
  @ParameterizedTest
  @ValueSource(strings = {"TERM", "KILL"})
  void a_signal_ends_every_process(String signal) throws Exception {
    try (LabJvm jvm = LabJvm.start(Main.class, "up", "--knative")) {
      List<ProcessHandle> processes = jvm.process().descendants().toList();
      assertThat(processes).hasSizeGreaterThanOrEqualTo(11);

      jvm.send(signal);

      await().atMost(SOON).until(() -> processes.stream().noneMatch(ProcessHandle::isAlive));
      if (!signal.equals("KILL")) {
        await().atMost(SOON).untilAsserted(() -> assertThat(jvm.folder()).doesNotExist());
      }
    }
  }

  @Test
  void closing_ends_every_process_and_deletes_the_folder() {
    Lab lab = Lab.start();
    Path folder = lab.folder();
    assertThat(LabJvm.processesOf(folder.toString())).hasSizeGreaterThanOrEqualTo(5);

    lab.close();

    assertThat(LabJvm.processesOf(folder.toString())).isEmpty();
    assertThat(folder).doesNotExist();
  }
}
