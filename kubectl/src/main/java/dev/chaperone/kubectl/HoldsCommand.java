package dev.chaperone.kubectl;

import dev.chaperone.api.Hold;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/// `kubectl chaperone holds`.
@Command(
    name = "holds",
    description = {
      "Lists Holds: which Companion they hold and why, how old they are, and how long they remain.",
      "",
      "-o wide adds the time at which they expire, and what keeps them from being enforced."
    },
    footer = {"", "Rights: list holds."})
@SuppressWarnings("NullAway.Init") // picocli
final class HoldsCommand implements Callable<Integer> {
  @Mixin private Listing listing;

  @Override
  public Integer call() {
    return listing.print(Hold.class, HoldsTable::lines);
  }
}
