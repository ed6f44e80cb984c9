package dev.chaperone.functions;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;

/// Nodes of which an event said lately that they are new. The target starts on them some time
/// later, and the events that follow do not name them. Only a hint: whoever has not heard of a node
/// reads them all.
final class NewNodes {
  /// A node that needs longer until the target runs there is named by the target's pod that waits.
  private static final Duration LATELY = Duration.ofMinutes(10);

  /// With more of them, nobody looks at each.
  private final int few;

  private final Map<String, Instant> heard = new HashMap<>();

  NewNodes(int few) {
    this.few = few;
  }

  /// @param gone names of nodes that are said to be gone
  synchronized void add(Set<String> names, Set<String> gone, Instant now) {
    heard.keySet().removeAll(gone);
    heard.values().removeIf(since -> since.plus(LATELY).isBefore(now));
    names.stream().limit(few + 1).forEach(name -> heard.put(name, now));
    while (heard.size() > few + 1) {
      heard.remove(heard.keySet().iterator().next());
    }
  }

  /// Their names; none if they are more than a few.
  synchronized Set<String> names(Instant now) {
    heard.values().removeIf(since -> since.plus(LATELY).isBefore(now));
    return heard.size() > few ? Set.of() : Set.copyOf(heard.keySet());
  }
}
