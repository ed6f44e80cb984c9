package dev.chaperone.reflectors;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What was last seen of the topology.
///
/// @param observedGeneration the `metadata.generation` that this status answers
/// @param zones sorted by name
/// @param conditions `Ready`: every zone has its route reflectors, and all of them are established
@JsonIgnoreProperties(ignoreUnknown = true)
public record RouteReflectorsStatus(
    @JsonPropertyDescription("The metadata.generation that this status answers.")
        @Nullable Long observedGeneration,
    @JsonPropertyDescription("The zones, sorted by name.") @Nullable List<Zone> zones,
    @JsonPropertyDescription("Ready: every zone has its route reflectors, all of them established.")
        @Nullable List<Condition> conditions) {

  public RouteReflectorsStatus {
    zones = zones == null ? null : List.copyOf(zones);
    conditions = conditions == null ? null : List.copyOf(conditions);
  }

  /// The nodes with one value of the topology key.
  ///
  /// @param name that value; empty for the nodes without one
  /// @param nodes how many there are
  /// @param clients how many of them are no route reflectors
  /// @param reflectors names of the route reflectors that serve them, sorted; some may be of other
  ///     zones
  /// @param established how many of these have all of their sessions
  @JsonIgnoreProperties(ignoreUnknown = true)
  public record Zone(
      @Required @JsonPropertyDescription("The value of topologyKey. Empty: nodes without one.")
          String name,
      @Required @JsonPropertyDescription("Nodes of the zone.") int nodes,
      @Required @JsonPropertyDescription("Nodes of the zone that are no route reflectors.")
          int clients,
      @Required
          @JsonPropertyDescription(
              "Nodes that are to be the route reflectors of the zone, sorted. Some may be of other"
                  + " zones.")
          List<String> reflectors,
      @Required @JsonPropertyDescription("How many of these have all of their sessions.")
          int established) {

    public Zone {
      Objects.requireNonNull(name, "name");
      reflectors = List.copyOf(reflectors);
    }
  }
}
