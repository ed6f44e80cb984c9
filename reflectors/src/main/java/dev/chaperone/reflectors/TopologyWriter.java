package dev.chaperone.reflectors;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// The only writes, all under one field manager, and each only on what was seen.
@ApplicationScoped
class TopologyWriter {
  static final String FIELD_MANAGER = "chaperone-reflectors";

  private static final Logger LOG = Logger.getLogger(TopologyWriter.class);
  private static final int NOT_FOUND = 404;
  private static final int CONFLICT = 409;

  private static final PatchContext MERGE =
      new PatchContext.Builder()
          .withPatchType(PatchType.JSON_MERGE)
          .withFieldManager(FIELD_MANAGER)
          .build();

  private final KubernetesClient client;
  private final Calico calico;

  TopologyWriter(KubernetesClient client, Calico calico) {
    this.client = client;
    this.calico = calico;
  }

  /// Writes the changes, one after the other. One that fails keeps none of the others from being
  /// written, but for labels that would be taken away, and the status says so.
  ///
  /// @param asked whose status is written, on the version that was seen
  /// @return what could not be written, and why
  /// @throws LostRace when an object is no longer as it was when the change was decided; none of
  ///     the changes after it is written
  List<String> write(RouteReflectors asked, List<Change> changes, Instant now) throws LostRace {
    List<String> failed = new ArrayList<>();
    RouteReflectorsStatus status = asked.getStatus();
    for (Change change : changes) {
      if (change instanceof Change.Report(RouteReflectorsStatus decided)) {
        status = decided;
      } else if (failed.isEmpty() || !(change instanceof Change.Unlabel)) {
        write(asked, change, now).ifPresent(failed::add);
      }
    }
    RouteReflectorsStatus told = TopologyStatus.with(failed, status, now);
    if (told != null && !told.equals(asked.getStatus())) {
      write(asked, new Change.Report(told), now).ifPresent(failed::add);
    }
    return failed;
  }

  /// @return why it could not be written
  private Optional<String> write(RouteReflectors asked, Change change, Instant now)
      throws LostRace {
    try {
      apply(asked, change, now);
      LOG.infof("Wrote %s", describe(change));
      return Optional.empty();
    } catch (KubernetesClientException e) {
      if (e.getCode() == NOT_FOUND && change instanceof Change.DeletePeer) {
        return Optional.empty();
      }
      if (e.getCode() == CONFLICT || e.getCode() == NOT_FOUND) {
        throw new LostRace(describe(change) + ": " + e.getMessage(), e);
      }
      String why =
          e.getStatus() == null || e.getStatus().getMessage() == null
              ? e.getMessage()
              : e.getStatus().getMessage();
      return Optional.of(describe(change) + ": " + why);
    }
  }

  private void apply(RouteReflectors asked, Change change, Instant now) {
    switch (change) {
      case Change.Label label -> mark(label.node(), label.clusterId());
      case Change.Unlabel unlabel -> mark(unlabel.node(), null);
      case Change.CreatePeer create -> create(create.peering(), now);
      case Change.CorrectPeer correct -> correct(correct, now);
      case Change.DeletePeer delete -> delete(delete.peer());
      case Change.Report report -> {
        asked.setStatus(report.status());
        client.resource(asked).updateStatus();
      }
    }
  }

  private void mark(Snapshot.Node node, @Nullable String clusterId) {
    // As a resource, not by its name: that would read it first, which takes another right.
    client
        .nodes()
        .resource(new NodeBuilder().withNewMetadata().withName(node.name()).endMetadata().build())
        .patch(
            MERGE,
            json(
                Map.of(
                    "metadata",
                    Map.of(
                        "resourceVersion",
                        node.version(),
                        "labels",
                        entry(Peering.LABEL, clusterId),
                        "annotations",
                        entry(Snapshot.CLUSTER_ID, clusterId)))));
  }

  /// Null takes it away.
  private static Map<String, @Nullable String> entry(String key, @Nullable String value) {
    Map<String, @Nullable String> entry = new HashMap<>();
    entry.put(key, value);
    return entry;
  }

  private void create(Peering peering, Instant now) {
    GenericKubernetesResource peer = named(peering.name());
    peer.setMetadata(
        new ObjectMetaBuilder()
            .withName(peering.name())
            .addToLabels(TopologyReader.MANAGED_BY, FIELD_MANAGER)
            .addToAnnotations(TopologyReader.WRITTEN_AT, now.toString())
            .build());
    peer.setAdditionalProperty("spec", spec(peering));
    client.genericKubernetesResources(calico.peers()).resource(peer).create();
  }

  private void correct(Change.CorrectPeer correct, Instant now) {
    client
        .genericKubernetesResources(calico.peers())
        .resource(named(correct.peer().name()))
        .patch(
            MERGE,
            json(
                Map.of(
                    "metadata",
                    Map.of(
                        "resourceVersion",
                        correct.peer().version(),
                        "annotations",
                        Map.of(TopologyReader.WRITTEN_AT, now.toString())),
                    "spec",
                    spec(correct.peering()))));
  }

  private static Map<String, Object> spec(Peering peering) {
    return Map.of("nodeSelector", peering.nodeSelector(), "peerSelector", peering.peerSelector());
  }

  private void delete(Snapshot.Peer peer) {
    client
        .genericKubernetesResources(calico.peers())
        .resource(named(peer.name()))
        .lockResourceVersion(peer.version())
        .delete();
  }

  private GenericKubernetesResource named(String peer) {
    GenericKubernetesResource named = new GenericKubernetesResource();
    named.setApiVersion(calico.apiVersion());
    named.setKind("BGPPeer");
    named.setMetadata(new ObjectMetaBuilder().withName(peer).build());
    return named;
  }

  private String json(Object patch) {
    return client.getKubernetesSerialization().asJson(patch);
  }

  private static String describe(Change change) {
    return switch (change) {
      case Change.Label label ->
          "node %s: route reflector %s".formatted(label.node().name(), label.clusterId());
      case Change.Unlabel unlabel ->
          "node %s: no route reflector any more".formatted(unlabel.node().name());
      case Change.CreatePeer create -> "create BGPPeer " + create.peering().name();
      case Change.CorrectPeer correct -> "correct BGPPeer " + correct.peer().name();
      case Change.DeletePeer delete -> "delete BGPPeer " + delete.peer().name();
      case Change.Report _ -> "status of RouteReflectors " + RouteReflectors.NAME;
    };
  }
}
