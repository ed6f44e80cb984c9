package dev.chaperone.functions;

import dev.chaperone.api.Hold;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.HoldRequest;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.SignalEvent.Ask;
import dev.chaperone.decide.Written;
import dev.chaperone.telemetry.Metrics;
import dev.chaperone.telemetry.Metrics.HoldChange;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Clock;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.jboss.logging.Logger;

/// Makes and deletes Holds that events ask for, and has what follows from that done at once. The
/// same request again finds its Hold and changes nothing.
@ApplicationScoped
class HoldKeeper {
  private static final Logger LOG = Logger.getLogger(HoldKeeper.class);

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Reconciler reconciler;
  private final Metrics metrics;
  private final Clock clock = Clock.systemUTC();

  HoldKeeper(ClusterReader reader, ClusterWriter writer, Reconciler reconciler, Metrics metrics) {
    this.reader = reader;
    this.writer = writer;
    this.reconciler = reconciler;
    this.metrics = metrics;
  }

  /// By when an event that came now is to be answered.
  Deadline begin() {
    return reconciler.begin();
  }

  /// The time that one of several Companions has.
  ///
  /// @param among how many they are
  Deadline share(Deadline deadline, int among) {
    return reconciler.share(deadline, among);
  }

  /// Makes the Hold if it is missing, or lets it end later; or deletes it if there is one.
  ///
  /// @param sent when the event was sent, if it says so
  /// @throws Malformed when there is no such Companion
  /// @throws Ineffective when the Hold holds nothing, now and when the event is sent again
  /// @throws Unavailable when it does not hold yet
  void carryOut(Ask ask, Optional<Instant> sent, Deadline deadline) {
    switch (ask) {
      case Ask.ToHold hold -> hold(hold, sent, deadline);
      case Ask.ToRelease(HoldRequest request) -> {
        Optional<Hold> hold = existing(request, deadline);
        checkNewest(request, hold);
        release(request, hold, deadline);
      }
      case Ask.ToForget(HoldRequest request) ->
          release(request, existing(request, deadline).filter(request::wrote), deadline);
    }
  }

  private void hold(Ask.ToHold ask, Optional<Instant> sent, Deadline deadline) {
    HoldRequest request = ask.request();
    deadline.check("reading Companion " + request.companion());
    if (!reader.exists(request.companion())) {
      throw new Malformed("there is no Companion " + request.companion());
    }
    Instant now = clock.instant();
    Optional<Hold> existing = existing(request, deadline);
    if (existing.filter(it -> it.getMetadata().getDeletionTimestamp() != null).isPresent()) {
      throw new Unavailable(
          "Hold %s of Companion %s is being deleted: sent again once it is gone, the event makes it anew"
              .formatted(request.holdName(), request.companion()));
    }
    checkNewest(request, existing);
    Optional<Hold> hold = wanted(ask, existing, sent.orElse(now), now);
    boolean isFirst = request.signedBy() != null && existing.isEmpty();
    hold.ifPresent(it -> write(isFirst ? new Change.Create(it) : new Change.Apply(it), deadline));
    metrics.holdAsked(true, hold.isPresent() ? HoldChange.WRITTEN : HoldChange.UNCHANGED);
    LOG.infof(
        "%s: %s asks to hold: %s; %s",
        request.companion(),
        request.source(),
        ask.reason(),
        hold.map(it -> "Hold " + it.getMetadata().getName() + " written")
            .orElse("nothing to change"));
    Hold written =
        existing(request, deadline)
            .orElseThrow(
                () ->
                    new Unavailable(
                        "Hold %s of Companion %s was deleted meanwhile"
                            .formatted(request.holdName(), request.companion())));
    reconciler.enforce(written, deadline);
  }

  private static Optional<Hold> wanted(
      Ask.ToHold ask, Optional<Hold> existing, Instant sent, Instant now) {
    try {
      return ask.request().hold(existing, ask.reason(), ask.nodeName(), sent, ask.ttl(), now);
    } catch (HoldRequest.Ended e) {
      throw new Ineffective(String.valueOf(e.getMessage()));
    }
  }

  private void release(HoldRequest request, Optional<Hold> hold, Deadline deadline) {
    hold.ifPresent(it -> write(new Change.Delete(it), deadline));
    metrics.holdAsked(false, hold.isPresent() ? HoldChange.DELETED : HoldChange.UNCHANGED);
    LOG.infof(
        "%s: %s releases; %s",
        request.companion(),
        request.source(),
        hold.map(it -> "Hold " + it.getMetadata().getName() + " deleted")
            .orElse("nothing to release"));
    reconciler.react(companion(request), Occasion.CHANGE, deadline);
  }

  private static void checkNewest(HoldRequest request, Optional<Hold> existing) {
    if (existing.filter(request::isOlderThan).isPresent()) {
      throw new Ineffective("Hold " + request.holdName() + " is of a newer event");
    }
  }

  private Optional<Hold> existing(HoldRequest request, Deadline deadline) {
    deadline.check("reading the Hold of " + request.companion());
    return reader.hold(hold(request));
  }

  private static ObjectRef hold(HoldRequest request) {
    return new ObjectRef("Hold", request.companion().namespace(), request.holdName());
  }

  private static ObjectRef companion(HoldRequest request) {
    return new ObjectRef("Companion", request.companion().namespace(), request.companion().name());
  }

  private void write(Change change, Deadline deadline) {
    try {
      Written written = writer.write(List.of(change), deadline);
      written
          .transientFailure()
          .ifPresent(
              failure -> {
                throw new Unavailable("Not written: " + failure);
              });
      if (!written.refused().isEmpty()) {
        throw new Malformed(written.refused().getFirst().message());
      }
    } catch (LostRace e) {
      throw new Unavailable("Somebody wrote the same Hold at the same time: " + e.getMessage());
    }
  }
}
