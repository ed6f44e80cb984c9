package dev.chaperone.cluster;

import java.time.InstantSource;

/// So many in a second, and no more.
public final class Rate {
  private final int most;
  private final InstantSource clock;
  private long second;
  private int taken;

  public Rate(int most, InstantSource clock) {
    this.most = most;
    this.clock = clock;
  }

  /// Whether there is one left in this second, which is then taken.
  public synchronized boolean take() {
    long now = clock.instant().getEpochSecond();
    if (second != now) {
      second = now;
      taken = 0;
    }
    return taken++ < most;
  }
}
