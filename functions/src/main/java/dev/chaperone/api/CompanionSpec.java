package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What the owner of a [Companion] asks for. An object read from the API server has its defaults
/// filled in and its rules checked, so `disruption` and everything in it is present.
///
/// @param targetRef the existing DaemonSet
/// @param companionRef the DaemonSet that follows; absent: the target's nodes are guarded and
///     nothing follows
/// @param disruption when drains and evictions may go ahead, and how many at once
public record CompanionSpec(
    @Required @JsonPropertyDescription("The existing DaemonSet that is followed.")
        TargetRef targetRef,
    @JsonPropertyDescription(
            "The DaemonSet in this namespace that follows the target. Chaperone owns its placement"
                + " (nodeSelector, node affinity, tolerations) and nothing else of it. Left out:"
                + " the target's nodes are guarded and nothing follows.")
        @Nullable CompanionRef companionRef,
    @Default("{}")
        @JsonPropertyDescription("When drains and evictions may go ahead, and how many at once.")
        Disruption disruption) {

  private static final String DNS_NAME =
      "self.name.matches('^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$')";

  /// The target.
  ///
  /// @param namespace absent: the Companion's own
  @ValidationRule(
      value = DNS_NAME,
      message = "targetRef.name must be the name of a DaemonSet, for example storage-node")
  @ValidationRule(
      value =
          "!has(self.__namespace__)"
              + " || self.__namespace__.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
      message = "targetRef.namespace must be the name of a namespace; leave it out for this one")
  public record TargetRef(
      @Required @Size(max = 253) @JsonPropertyDescription("Name of the DaemonSet.") String name,
      @Size(max = 63)
          @JsonPropertyDescription("Namespace of the DaemonSet. Left out: the Companion's own.")
          @Nullable String namespace) {}

  /// The DaemonSet that follows.
  @ValidationRule(
      value = DNS_NAME,
      message =
          "companionRef.name must be the name of a DaemonSet in this namespace; leave companionRef"
              + " out when nothing follows")
  public record CompanionRef(
      @Required
          @Size(max = 253)
          @JsonPropertyDescription("Name of the DaemonSet, in this namespace.")
          String name) {}

  /// What waits, for how long, and how much goes at once.
  ///
  /// @param protect never empty; [Protect#Pods]: companion pods against eviction,
  ///     [Protect#Nodes]: nodes against drains
  /// @param maxUnavailable how many nodes, and companion pods, may go at once when nothing
  ///     holds: an integer of at least 1, or `"1%"` to `"100%"`, rounded up as Kubernetes does
  @ValidationRule(
      value =
          "!has(self.protect) || (size(self.protect) > 0"
              + " && self.protect.all(p, self.protect.exists_one(q, q == p)))",
      message = "protect must name Pods, Nodes, or both, each once; leave it out for both")
  @ValidationRule(
      value =
          "!has(self.maxUnavailable) || (type(self.maxUnavailable) == int"
              + " ? self.maxUnavailable >= 1"
              + " : self.maxUnavailable.matches('^([1-9][0-9]?|100)%$'))",
      message =
          "maxUnavailable must be an integer of at least 1, or a percentage from \"1%\" to"
              + " \"100%\"; to hold always, write policy: AlwaysHold")
  public record Disruption(
      @Default("Auto")
          @JsonPropertyDescription(
              "Auto: Holds decide. AlwaysAllow: no Hold counts (break glass). AlwaysHold: never.")
          Policy policy,
      @Default("[\"Pods\",\"Nodes\"]")
          @JsonPropertyDescription(
              "Pods: evictions of companion pods wait. Nodes: drains of the target's nodes wait.")
          @Size(max = 2)
          List<Protect> protect,
      @Default("1")
          @JsonPropertyDescription(
              "How many may go at once when nothing holds: an integer, or a percentage that is"
                  + " rounded up.")
          IntOrString maxUnavailable) {}

  /// Whether Holds decide.
  public enum Policy {
    Auto,
    AlwaysAllow,
    AlwaysHold
  }

  /// What a closed budget keeps in place.
  public enum Protect {
    Pods,
    Nodes
  }
}
