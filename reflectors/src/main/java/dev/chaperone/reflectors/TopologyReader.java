package dev.chaperone.reflectors;

import dev.chaperone.reflectors.Snapshot.Sessions;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeCondition;
import io.fabric8.kubernetes.api.model.NodeList;
import io.fabric8.kubernetes.client.KubernetesClient;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.time.format.DateTimeParseException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// The only reads.
@ApplicationScoped
class TopologyReader {
  private static final Logger LOG = Logger.getLogger(TopologyReader.class);

  /// What made a BGPPeer.
  static final String MANAGED_BY = "app.kubernetes.io/managed-by";

  /// When a BGPPeer got its spec.
  static final String WRITTEN_AT = "chaperone.dev/written-at";

  /// Calico notes it on the Node, with the length of its network.
  static final String ADDRESS = "projectcalico.org/IPv4Address";

  /// A Node takes several KiB, and only its labels are kept.
  private static final long PAGE = 500;

  private static final int NOT_FOUND = 404;

  private final KubernetesClient client;
  private final Calico calico;

  TopologyReader(KubernetesClient client, Calico calico) {
    this.client = client;
    this.calico = calico;
  }

  /// The RouteReflectors of the cluster, if there is one.
  Optional<RouteReflectors> asked() {
    return Optional.ofNullable(
        client.resources(RouteReflectors.class).withName(RouteReflectors.NAME).get());
  }

  /// Everything there is to know about them. The nodes are read last: a node that is cordoned
  /// meanwhile is seen.
  Snapshot read(RouteReflectors asked, Instant now) {
    List<Snapshot.Peer> peers = peers();
    Map<String, Sessions> sessions = sessions();
    return new Snapshot(
        asked.getSpec(),
        Objects.requireNonNullElse(asked.getMetadata().getGeneration(), 0L),
        asked.getStatus(),
        nodes(),
        peers,
        sessions,
        now);
  }

  private List<Snapshot.Node> nodes() {
    List<Snapshot.Node> nodes = new ArrayList<>();
    String next = null;
    do {
      NodeList page =
          client.nodes().list(new ListOptionsBuilder().withLimit(PAGE).withContinue(next).build());
      page.getItems().forEach(it -> nodes.add(node(it)));
      next = page.getMetadata().getContinue();
    } while (next != null && !next.isEmpty());
    return nodes;
  }

  private static Snapshot.Node node(Node node) {
    Map<String, String> annotations =
        Objects.requireNonNullElse(node.getMetadata().getAnnotations(), Map.of());
    Instant created = time(node.getMetadata().getCreationTimestamp()).orElse(Instant.EPOCH);
    Optional<NodeCondition> ready =
        node.getStatus().getConditions().stream()
            .filter(it -> it.getType().equals("Ready"))
            .findFirst();
    boolean cordoned =
        node.getSpec() != null && Boolean.TRUE.equals(node.getSpec().getUnschedulable());
    return new Snapshot.Node(
        node.getMetadata().getName(),
        node.getMetadata().getResourceVersion(),
        created,
        Objects.requireNonNullElse(node.getMetadata().getLabels(), Map.of()),
        annotations.get(Snapshot.CLUSTER_ID),
        withoutLength(annotations.get(ADDRESS)),
        ready.map(it -> "True".equals(it.getStatus())).orElse(false),
        ready.flatMap(it -> time(it.getLastTransitionTime())).orElse(created),
        !cordoned && node.getMetadata().getDeletionTimestamp() == null);
  }

  private static @Nullable String withoutLength(@Nullable String network) {
    return network == null ? null : network.replaceFirst("/.*", "");
  }

  private List<Snapshot.Peer> peers() {
    return client
        .genericKubernetesResources(calico.peers())
        .withLabel(MANAGED_BY, TopologyWriter.FIELD_MANAGER)
        .list()
        .getItems()
        .stream()
        .map(TopologyReader::peer)
        .toList();
  }

  private static Snapshot.Peer peer(GenericKubernetesResource peer) {
    Map<String, String> annotations =
        Objects.requireNonNullElse(peer.getMetadata().getAnnotations(), Map.of());
    return new Snapshot.Peer(
        peer.getMetadata().getResourceVersion(),
        new Peering(
            peer.getMetadata().getName(),
            text(peer, "spec", "nodeSelector"),
            text(peer, "spec", "peerSelector")),
        time(annotations.get(WRITTEN_AT))
            .or(() -> time(peer.getMetadata().getCreationTimestamp()))
            .orElse(Instant.EPOCH));
  }

  /// Of the newest CalicoNodeStatus of each node. Calico without that kind reports none.
  private Map<String, Sessions> sessions() {
    Map<String, Sessions> sessions = new HashMap<>();
    for (GenericKubernetesResource status : nodeStatuses()) {
      List<Object> peers = status.get("status", "bgp", "peersV4");
      Optional<Instant> updated = time(status.get("status", "lastUpdated"));
      if (updated.isPresent()) {
        sessions.merge(
            text(status, "spec", "node"),
            new Sessions(updated.get(), established(peers)),
            (one, other) -> one.updated().isAfter(other.updated()) ? one : other);
      }
    }
    return sessions;
  }

  private List<GenericKubernetesResource> nodeStatuses() {
    try {
      return client.genericKubernetesResources(calico.nodeStatuses()).list().getItems().stream()
          .filter(TopologyReader::reportsSessions)
          .toList();
    } catch (io.fabric8.kubernetes.client.KubernetesClientException e) {
      if (e.getCode() == NOT_FOUND) {
        LOG.debugf("No CalicoNodeStatus in %s", calico.apiVersion());
        return List.of();
      }
      throw e;
    }
  }

  private static boolean reportsSessions(GenericKubernetesResource status) {
    List<Object> classes = status.get("spec", "classes");
    return classes != null && classes.contains("BGP");
  }

  private static Set<String> established(@Nullable List<Object> peers) {
    Set<String> addresses = new HashSet<>();
    Stream.ofNullable(peers)
        .flatMap(List::stream)
        .filter(Map.class::isInstance)
        .map(Map.class::cast)
        .filter(it -> "Established".equals(it.get("state")))
        .forEach(it -> addresses.add(String.valueOf(it.get("peerIP"))));
    return addresses;
  }

  private static String text(GenericKubernetesResource object, Object... path) {
    Object value = object.get(path);
    return value == null ? "" : value.toString();
  }

  private static Optional<Instant> time(@Nullable String text) {
    try {
      return Optional.ofNullable(text).map(it -> OffsetDateTime.parse(it).toInstant());
    } catch (DateTimeParseException unreadable) {
      return Optional.empty();
    }
  }
}
