package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

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
  @Mixin private Listing listing;

  @Override
  public Integer call() {
    return listing.print(Companion.class, StatusTable::lines);
  }
}
