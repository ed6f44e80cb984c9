package dev.chaperone.lab.programs;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Runs a command that ends with whoever started this: when standard input is closed, which the
/// death of the starting process does in any case, `kill -9` included.
public final class WithParent {
  private WithParent() {}

  /// The program that runs this JVM.
  public static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  /// The command that runs another one like this, in a small JVM of its own.
  public static List<String> command(List<String> command) {
    List<String> whole =
        new ArrayList<>(
            List.of(
                java(),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Xmx16m",
                "-cp",
                System.getProperty("java.class.path"),
                WithParent.class.getName()));
    whole.addAll(command);
    return whole;
  }

  /// Runs the command that the arguments are, and ends with its exit code.
  public static void main(String[] command) throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(List.of(command))
            .redirectInput(ProcessBuilder.Redirect.PIPE)
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    Runtime.getRuntime().addShutdownHook(new Thread(process::destroy));
    Thread.ofPlatform()
        .daemon()
        .start(
            () -> {
              try {
                while (System.in.read() >= 0) {
                  // Nothing is ever written; only the end counts.
                }
              } catch (IOException _) {
                // the same as the end
              }
              process.destroy();
            });
    System.exit(process.waitFor());
  }
}
