package dev.chaperone.lab;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
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
    Process jvm =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dchaperone.home=" + System.getProperty("chaperone.home"),
                "-cp",
                System.getProperty("java.class.path"),
                Main.class.getName(),
                "up",
                "--knative")
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    try {
      Path folder = folder(jvm);
      List<ProcessHandle> processes = jvm.descendants().toList();
      assertThat(processes).hasSizeGreaterThanOrEqualTo(11);

      new ProcessBuilder("kill", "-" + signal, String.valueOf(jvm.pid())).start().waitFor();

      await().atMost(SOON).until(() -> processes.stream().noneMatch(ProcessHandle::isAlive));
      if (!signal.equals("KILL")) {
        await().atMost(SOON).untilAsserted(() -> assertThat(folder).doesNotExist());
      }
    } finally {
      jvm.destroyForcibly();
    }
  }

  @Test
  void closing_ends_every_process_and_deletes_the_folder() {
    Lab lab = Lab.start();
    Path folder = lab.folder();
    assertThat(processesOf(folder)).hasSizeGreaterThanOrEqualTo(5);

    lab.close();

    assertThat(processesOf(folder)).isEmpty();
    assertThat(folder).doesNotExist();
  }

  private static Path folder(Process jvm) throws IOException {
    try (BufferedReader out = jvm.inputReader(StandardCharsets.UTF_8)) {
      String line = out.readLine();
      assertThat(line).startsWith("export KUBECONFIG=");
      return Path.of(line.substring(line.indexOf('=') + 1)).getParent();
    }
  }

  private static List<String> processesOf(Path folder) {
    return ProcessHandle.allProcesses()
        .map(process -> process.info().commandLine().orElse(""))
        .filter(command -> command.contains(folder.toString()))
        .toList();
  }
}
