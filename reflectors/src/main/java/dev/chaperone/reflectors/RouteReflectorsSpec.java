package dev.chaperone.reflectors;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Max;
import io.fabric8.generator.annotation.Min;
import io.fabric8.generator.annotation.Pattern;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.LabelSelector;
import java.time.Duration;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// How many route reflectors there are to be, and where.
///
/// @param nodeSelector labels of the nodes that may become route reflectors; absent: all
/// @param topologyKey label of nodes whose value is their zone; nodes without it are a zone too
/// @param nodesPerReflector one route reflector for so many nodes of a zone
/// @param minPerZone so many at least. With 3, every node keeps two while one is drained
/// @param maxPerZone so many at most
/// @param clusterIdPrefix the first two octets of their cluster IDs. Each has one of its own: with
///     a shared one, clients of different reflectors would not learn each other's routes
/// @param settlePeriod how long after its BGPPeer was written a route reflector counts as
///     established, where no CalicoNodeStatus says so
@ValidationRule(
    value = "self.minPerZone <= self.maxPerZone",
    message = "maxPerZone must be at least minPerZone")
@ValidationRule(
    value = "self.settlePeriod.matches('^([0-9]{1,4}h)?([0-9]{1,4}m)?([0-9]{1,6}s)?$')",
    message = "settlePeriod must be a duration, for example 60s")
@JsonIgnoreProperties(ignoreUnknown = true)
public record RouteReflectorsSpec(
    @JsonPropertyDescription(
            "The nodes that may become route reflectors. Left out: all. A node that is cordoned or"
                + " not Ready is not chosen.")
        @Nullable LabelSelector nodeSelector,
    @Default("topology.kubernetes.io/zone")
        @Size(min = 1, max = 317)
        @Pattern("^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")
        @JsonPropertyDescription("The label of a node whose value is its zone.")
        String topologyKey,
    @Default("50")
        @Min(1)
        @Max(5000)
        @JsonPropertyDescription("One route reflector for so many nodes of a zone, rounded up.")
        int nodesPerReflector,
    @Default("3")
        @Min(2)
        @Max(100)
        @JsonPropertyDescription(
            "The fewest route reflectors of a zone. With 3, every node keeps two while one is"
                + " drained. A zone with fewer suitable nodes uses route reflectors of other"
                + " zones.")
        int minPerZone,
    @Default("10")
        @Min(2)
        @Max(100)
        @JsonPropertyDescription("The most route reflectors of a zone.")
        int maxPerZone,
    @Default("244.0")
        @Pattern(
            "^([1-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])[.]([0-9]|[1-9][0-9]|1[0-9][0-9]|2[0-4][0-9]|25[0-5])$")
        @JsonPropertyDescription(
            "The first two octets of the cluster IDs. Each route reflector has a cluster ID of its"
                + " own.")
        String clusterIdPrefix,
    @Default("60s")
        @Size(min = 2, max = 16)
        @JsonPropertyDescription(
            "How long after its BGPPeer was written a route reflector counts as established, if no"
                + " CalicoNodeStatus reports the sessions of its node.")
        String settlePeriod) {

  public RouteReflectorsSpec {
    Objects.requireNonNull(topologyKey, "topologyKey");
    Objects.requireNonNull(clusterIdPrefix, "clusterIdPrefix");
    Objects.requireNonNull(settlePeriod, "settlePeriod");
  }

  /// [#settlePeriod()], which the API server admits in no other form.
  Duration settleTime() {
    return Duration.parse("PT" + settlePeriod.toUpperCase(Locale.ROOT));
  }
}
