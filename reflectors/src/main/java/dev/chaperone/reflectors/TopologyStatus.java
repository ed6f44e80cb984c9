package dev.chaperone.reflectors;

import dev.chaperone.reflectors.Snapshot.Node;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ConditionBuilder;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What is reported: `Ready` is true while a route reflector may be drained, since all that there
/// are to be are there and established.
final class TopologyStatus {
  static final String READY = "Ready";
  static final String ESTABLISHED = "Established";
  static final String SETTLING = "Settling";
  static final String TOO_FEW_NODES = "TooFewNodes";
  static final String ZONE_LOST = "ZoneLost";
  static final String WRITE_FAILED = "WriteFailed";

  private static final int MAX_PROBLEMS = 3;

  private TopologyStatus() {}

  /// The status, with the time of the last transition where nothing turned.
  static RouteReflectorsStatus of(Snapshot seen, Topology topology, Established established) {
    List<RouteReflectorsStatus.Zone> zones = new ArrayList<>();
    List<String> lost = new ArrayList<>();
    List<String> tooFew = new ArrayList<>();
    List<String> settling = new ArrayList<>();
    for (Topology.Zone zone : topology.zones()) {
      List<String> missing =
          zone.reflectors().stream().flatMap(it -> established.missing(zone, it).stream()).toList();
      zones.add(
          new RouteReflectorsStatus.Zone(
              zone.name(),
              zone.nodes().size(),
              zone.nodes().size() - zone.own().size(),
              zone.reflectors().stream().map(Node::name).sorted().toList(),
              zone.reflectors().size() - missing.size()));
      String name = zone.name().isEmpty() ? "nodes without a zone" : "zone " + zone.name();
      if (zone.lost()) {
        lost.add(
            "%s: none of %d nodes is Ready; its route reflectors stay as they are"
                .formatted(name, zone.nodes().size()));
      } else if (zone.reflectors().size() < seen.spec().minPerZone()) {
        tooFew.add(
            "%s: %d of %d route reflectors; make more nodes suitable (Ready, not cordoned, selected"
                    .formatted(name, zone.reflectors().size(), seen.spec().minPerZone())
                + " by nodeSelector)");
      } else {
        missing.forEach(it -> settling.add(name + ": " + it));
      }
    }
    if (zones.isEmpty()) {
      tooFew.add("there is no node");
    }
    Condition ready =
        !lost.isEmpty()
            ? ready(seen, ZONE_LOST, problems(lost))
            : !tooFew.isEmpty()
                ? ready(seen, TOO_FEW_NODES, problems(tooFew))
                : !settling.isEmpty()
                    ? ready(seen, SETTLING, problems(settling))
                    : ready(
                        seen,
                        ESTABLISHED,
                        "%d route reflectors serve %d nodes in %d zones"
                            .formatted(
                                topology.reflectors().size(), seen.nodes().size(), zones.size()));
    return new RouteReflectorsStatus(seen.generation(), zones, List.of(ready));
  }

  /// The same where something could not be written.
  ///
  /// @param failed what, and why; empty: nothing
  static @Nullable RouteReflectorsStatus with(
      List<String> failed, @Nullable RouteReflectorsStatus status, Instant now) {
    if (failed.isEmpty() || status == null) {
      return status;
    }
    return new RouteReflectorsStatus(
        status.observedGeneration(),
        status.zones(),
        List.of(
            ready(
                status,
                Objects.requireNonNullElse(status.observedGeneration(), 0L),
                now,
                WRITE_FAILED,
                problems(failed))));
  }

  private static String problems(List<String> all) {
    String some = String.join("; ", all.subList(0, Math.min(MAX_PROBLEMS, all.size())));
    return all.size() <= MAX_PROBLEMS
        ? some
        : "%s; and %d more".formatted(some, all.size() - MAX_PROBLEMS);
  }

  private static Condition ready(Snapshot seen, String reason, String message) {
    return ready(seen.status(), seen.generation(), seen.now(), reason, message);
  }

  private static Condition ready(
      @Nullable RouteReflectorsStatus before,
      long generation,
      Instant now,
      String reason,
      String message) {
    String status = reason.equals(ESTABLISHED) ? "True" : "False";
    String since =
        Stream.ofNullable(before)
            .flatMap(it -> Stream.ofNullable(it.conditions()))
            .flatMap(List::stream)
            .filter(it -> READY.equals(it.getType()) && Objects.equals(status, it.getStatus()))
            .map(Condition::getLastTransitionTime)
            .findFirst()
            .orElseGet(() -> now.truncatedTo(ChronoUnit.SECONDS).toString());
    return new ConditionBuilder()
        .withType(READY)
        .withStatus(status)
        .withReason(reason)
        .withMessage(message)
        .withObservedGeneration(generation)
        .withLastTransitionTime(since)
        .build();
  }
}
