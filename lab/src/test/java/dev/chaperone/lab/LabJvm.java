package dev.chaperone.lab;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A lab in a JVM of its own, which tests end in every way.
///
/// @param folder where the lab keeps what it has
public record LabJvm(Process process, Path folder) implements AutoCloseable {

  /// Returns once the lab is up.
  ///
  /// @param main prints `export KUBECONFIG=` and a file in the lab's folder
  public static LabJvm start(Class<?> main, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Dchaperone.home=" + System.getProperty("chaperone.home"),
                "-cp",
                System.getProperty("java.class.path"),
                main.getName()));
    command.addAll(List.of(arguments));
    Process process =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
    try (BufferedReader out = process.inputReader(StandardCharsets.UTF_8)) {
      String line = out.readLine();
      assertThat(line).startsWith("export KUBECONFIG=");
      return new LabJvm(process, Path.of(line.substring(line.indexOf('=') + 1)).getParent());
    } catch (IOException | AssertionError e) {
      process.destroyForcibly();
      throw e;
    }
  }

  /// Ends it, or asks it to end.
  ///
  /// @param signal such as `KILL`
  public void send(String signal) throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid())).start().waitFor();
  }

  /// Every process on this machine with this in its command line.
  public static List<String> processesOf(String text) {
    return ProcessHandle.allProcesses()
        .map(process -> process.info().commandLine().orElse(""))
        .filter(command -> command.contains(text))
        .toList();
  }

  @Override
  public void close() {
    process.destroyForcibly();
  }
}
