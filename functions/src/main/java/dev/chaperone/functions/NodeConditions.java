package dev.chaperone.functions;

import dev.chaperone.api.Companion;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.telemetry.Metrics;
import io.fabric8.kubernetes.api.model.Node;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Clock;
import java.util.List;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/// Says by conditions of nodes what is for all Companions together. That holds no drain back, so
/// what fails waits for the next resync.
@ApplicationScoped
class NodeConditions {
  private static final Logger LOG = Logger.getLogger(NodeConditions.class);

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Metrics metrics;
  private final Clock clock = Clock.systemUTC();

  NodeConditions(ClusterReader reader, ClusterWriter writer, Metrics metrics) {
    this.reader = reader;
    this.writer = writer;
    this.metrics = metrics;
  }

  /// Where followers are ready, and nothing more of Companions that went while no event told of it.
  void renew(Deadline deadline) {
    write(
        (nodes, everyone) -> {
          Set<CompanionRef> there =
              everyone.stream().map(CompanionRef::of).collect(Collectors.toSet());
          return Stream.concat(
                  DrainBlocked.withoutCompanions(it -> !there.contains(it), nodes).stream(),
                  ready(nodes, everyone).stream())
              .toList();
        },
        deadline);
  }

  /// Where followers are ready.
  void sayReady(Deadline deadline) {
    write(this::ready, deadline);
  }

  private List<Change> ready(List<Node> nodes, List<Companion> everyone) {
    return reader.companionReady(everyone, nodes).changes(clock.instant());
  }

  /// What somebody else writes on a node meanwhile is a reason to look at all of it again.
  private void write(
      BiFunction<List<Node>, List<Companion>, List<Change>> changes, Deadline deadline) {
    for (int conflicts = 0; conflicts < Reconciler.MAX_CONFLICTS; conflicts++) {
      try {
        List<Node> nodes = reader.markedNodes(false);
        if (!nodes.isEmpty()) {
          // After the nodes: who has said something there is in this list, or gone.
          List<Companion> everyone = reader.companions(deadline);
          writer
              .write(changes.apply(nodes, everyone), deadline)
              .refused()
              .forEach(it -> LOG.warnf("Not said on a node: %s", it.message()));
        }
        return;
      } catch (LostRace e) {
        metrics.lostRace();
      } catch (RuntimeException e) {
        LOG.warnf("Conditions of nodes wait for the next resync: %s", e.getMessage());
        return;
      }
    }
    LOG.warn("Conditions of nodes wait for the next resync: others write at the same time");
  }
}
