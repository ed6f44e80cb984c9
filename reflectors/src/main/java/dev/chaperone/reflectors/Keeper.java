package dev.chaperone.reflectors;

import jakarta.enterprise.context.ApplicationScoped;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import org.jboss.logging.Logger;

/// Reads, decides and writes, once for all events that wait.
@ApplicationScoped
class Keeper {
  private static final Logger LOG = Logger.getLogger(Keeper.class);
  private static final int MAX_CONFLICTS = 5;

  private final TopologyReader reader;
  private final TopologyWriter writer;
  private final Clock clock = Clock.systemUTC();
  private final ReentrantLock one = new ReentrantLock();
  private final AtomicLong begun = new AtomicLong();
  private long done;

  Keeper(TopologyReader reader, TopologyWriter writer) {
    this.reader = reader;
    this.writer = writer;
  }

  /// Returns once a look has ended that began after this was called. A node pool that grows sends
  /// as many events as it has nodes, and each look is about all of them.
  void look() {
    long before = begun.get();
    one.lock();
    try {
      if (done > before) {
        return;
      }
      long number = begun.incrementAndGet();
      keep();
      done = number;
    } finally {
      one.unlock();
    }
  }

  private void keep() {
    for (int conflicts = 0; ; conflicts++) {
      Optional<RouteReflectors> asked = reader.asked();
      if (asked.isEmpty()) {
        return;
      }
      try {
        Instant now = clock.instant();
        Snapshot seen = reader.read(asked.get(), now);
        List<String> failed = writer.write(asked.get(), TopologyPlan.of(seen).changes(), now);
        if (!failed.isEmpty()) {
          throw new IllegalStateException("Not written: " + String.join("; ", failed));
        }
        return;
      } catch (LostRace e) {
        if (conflicts == MAX_CONFLICTS) {
          throw new IllegalStateException(
              "gave up after %d write conflicts".formatted(conflicts), e);
        }
        LOG.debugf("Once more: %s", e.getMessage());
      }
    }
  }
}
