package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import java.time.Instant;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/// `kubectl chaperone status`.
@Command(
    name = "status",
    description = {
      "Lists Companions: whether disruptions are allowed, why, and which nodes are out.",
      "",
      "GUARDS: running/desired. UNGUARDED: nodes whose drain no budget blocks. DRAINED: nodes that"
          + " use up maxUnavailable. BLOCKED: cordoned nodes whose drain waits. -o wide adds the message"
          + " of the condition DisruptionAllowed."
    },
    footer = {"", "Rights: list companions."})
@SuppressWarnings("NullAway.Init") // picocli
final class StatusCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Listing listing;

  @Override
  public Integer call() {
    return listing.print(
        spec.commandLine().getOut(),
        spec.commandLine().getErr(),
        Companion.class,
        it -> StatusTable.lines(it, listing.isWide(), Instant.now()));
  }
}
