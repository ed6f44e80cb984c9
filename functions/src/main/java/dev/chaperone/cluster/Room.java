package dev.chaperone.cluster;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// Room in memory for what is too large to be there any number of times at once.
public final class Room {
  private final Semaphore free;

  /// @param places how many may have it at the same time
  public Room(int places) {
    free = new Semaphore(places, true);
  }

  /// A place for one of them, which is taken only when it is needed.
  public Place place() {
    return new Place();
  }

  /// A place in the room, of one thread; free again once it is closed.
  public final class Place implements AutoCloseable {
    private boolean taken;

    private Place() {}

    /// Waits until there is room, the first time.
    ///
    /// @param next what is to be begun then, for the message
    /// @return whether it had to wait
    /// @throws Unavailable when there is none in time
    public boolean take(Deadline deadline, String next) {
      if (taken) {
        return false;
      }
      boolean waits;
      try {
        // Those who wait already come first.
        waits = !free.tryAcquire(0, TimeUnit.NANOSECONDS);
        taken =
            !waits || free.tryAcquire(Math.max(0, deadline.left().toNanos()), TimeUnit.NANOSECONDS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new Unavailable("Interrupted", e);
      }
      if (!taken) {
        throw new Unavailable("Out of time before: " + next + "; others take as much memory");
      }
      return waits;
    }

    @Override
    public void close() {
      if (taken) {
        taken = false;
        free.release();
      }
    }
  }
}
