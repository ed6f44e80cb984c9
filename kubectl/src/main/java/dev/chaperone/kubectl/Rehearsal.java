package dev.chaperone.kubectl;

import java.io.PrintWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;

/// Runs several commands in one process, for the JVM to learn from: what it loads and links goes
/// into the AOT cache that `scripts/plugin` ships.
final class Rehearsal {
  private Rehearsal() {}

  /// Runs them all, and ends with an error at the first that does not end as expected.
  ///
  /// @param commands each the exit code that is expected and the command, separated by spaces, such
  ///     as `2 why node-1`
  public static void main(String[] commands) {
    PrintWriter err = new PrintWriter(System.err, true, StandardCharsets.UTF_8);
    for (String command : commands) {
      String[] words = command.split(" ", 2);
      int code = Plugin.run(new PrintWriter(Writer.nullWriter()), err, words[1].split(" ", -1));
      if (code != Integer.parseInt(words[0])) {
        err.printf("rehearsal: %s ended with %d%n", command, code);
        System.exit(Plugin.ERROR);
      }
    }
  }
}
