package dev.chaperone.decide;

import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/// Drains of single nodes of a world, and which nodes are out by them.
final class Drains {
  private final World world;
  private final Set<String> out = new TreeSet<>();

  Drains(World world) {
    this.world = world;
  }

  /// Cordons the node and tries to evict its guard; where that passes, which nodes were out before.
  /// Where two processes have bound one each, the drain waits for the other. Guards that were
  /// deleted by force ask no budget; they count once that was seen.
  Optional<Set<String>> evict(String node, List<String> told) {
    if (!isGuarded(node)) {
      return Optional.empty();
    }
    seeGuards();
    Set<String> before = Set.copyOf(out);
    world.cordon(node);
    if (!world.evict(node)) {
      return Optional.empty();
    }
    told.add("evicted " + node);
    if (isGuarded(node)) {
      return Optional.empty();
    }
    out.add(node);
    return Optional.of(before);
  }

  /// A node that has a running guard again is no longer out, whatever becomes of that.
  void seeGuards() {
    out.removeIf(this::isGuarded);
  }

  private boolean isGuarded(String node) {
    return world.findGuard(node).filter(Roster::isRunning).isPresent();
  }
}
