package dev.chaperone.reflectors;

import io.fabric8.kubernetes.api.model.LabelSelector;
import io.fabric8.kubernetes.api.model.LabelSelectorRequirement;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Everything a decision rests on, as the API server had it at one moment.
///
/// @param spec what is asked for
/// @param generation of the RouteReflectors
/// @param status what was last reported
/// @param nodes all nodes of the cluster
/// @param peers the BGPPeers that were made here, and no others
/// @param sessions what CalicoNodeStatus objects report, by the name of the node
/// @param now the time of the look
record Snapshot(
    RouteReflectorsSpec spec,
    long generation,
    @Nullable RouteReflectorsStatus status,
    List<Node> nodes,
    List<Peer> peers,
    Map<String, Sessions> sessions,
    Instant now) {

  /// Calico's annotation of a node that makes it a route reflector.
  static final String CLUSTER_ID = "projectcalico.org/RouteReflectorClusterID";

  Snapshot {
    nodes = List.copyOf(nodes);
    peers = List.copyOf(peers);
    sessions = Map.copyOf(sessions);
  }

  /// Whether a node may be a route reflector: one that is cordoned is about to be drained.
  boolean isSuitable(Node node) {
    return node.ready()
        && node.schedulable()
        && (node.isReflector() || node.clusterId() == null)
        && selects(spec.nodeSelector(), node.labels());
  }

  /// By the API server's rules, but that none selects everything.
  private static boolean selects(@Nullable LabelSelector selector, Map<String, String> labels) {
    if (selector == null) {
      return true;
    }
    Map<String, String> wanted = selector.getMatchLabels();
    return (wanted == null || labels.entrySet().containsAll(wanted.entrySet()))
        && selector.getMatchExpressions().stream().allMatch(rule -> selects(rule, labels));
  }

  private static boolean selects(LabelSelectorRequirement rule, Map<String, String> labels) {
    String value = labels.get(rule.getKey());
    return switch (Objects.requireNonNullElse(rule.getOperator(), "")) {
      case "In" -> value != null && rule.getValues().contains(value);
      case "NotIn" -> value == null || !rule.getValues().contains(value);
      case "Exists" -> value != null;
      case "DoesNotExist" -> value == null;
      // Missing, or of a later Kubernetes: no new route reflector because of it.
      default -> false;
    };
  }

  /// A Node.
  ///
  /// @param version its resourceVersion
  /// @param created when it joined
  /// @param clusterId what makes it a route reflector for Calico, whoever wrote it
  /// @param address its IPv4 address for BGP, which Calico notes on it
  /// @param ready whether its kubelet reports
  /// @param readySince since when that is so, or is not so
  /// @param schedulable neither cordoned nor being deleted
  record Node(
      String name,
      String version,
      Instant created,
      Map<String, String> labels,
      @Nullable String clusterId,
      @Nullable String address,
      boolean ready,
      Instant readySince,
      boolean schedulable) {

    /// Old nodes first: the younger one is, the sooner an autoscaler takes it away.
    static final Comparator<Node> BY_AGE =
        Comparator.comparing(Node::created).thenComparing(Node::name);

    private static final Pattern CLUSTER_ID_VALUE = Pattern.compile("[0-9]{1,3}([.][0-9]{1,3}){3}");

    Node {
      labels = Map.copyOf(labels);
    }

    String zone(String topologyKey) {
      return labels.getOrDefault(topologyKey, "");
    }

    /// Whether it was made a route reflector here.
    boolean isReflector() {
      return reflectorId().isPresent();
    }

    /// Its cluster ID as a route reflector that was made here.
    Optional<String> reflectorId() {
      return Optional.ofNullable(labels.get(Peering.LABEL))
          .filter(it -> CLUSTER_ID_VALUE.matcher(it).matches());
    }
  }

  /// A BGPPeer that was made here.
  ///
  /// @param version its resourceVersion
  /// @param written when it last got its spec from here
  record Peer(String version, Peering peering, Instant written) {
    String name() {
      return peering.name();
    }
  }

  /// What Calico reports of the BGP sessions of a node.
  ///
  /// @param updated when
  /// @param established the addresses of those with whom it has a session
  record Sessions(Instant updated, Set<String> established) {
    Sessions {
      established = Set.copyOf(established);
    }
  }
}
