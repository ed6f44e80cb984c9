package dev.chaperone.decide;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Observed;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// An object that an event is about. Untrusted: a hint where to look, nothing more.
///
/// @param namespace empty for objects that have none, as Nodes
public record ObjectRef(String kind, String namespace, String name) {
  /// The kind of nodes.
  public static final String NODE = "Node";

  /// Whether it is a node.
  public boolean isNode() {
    return kind.equals(NODE);
  }

  private boolean isNamed(String thisNamespace, String thisName) {
    return namespace.equals(thisNamespace) && name.equals(thisName);
  }

  /// Whether the Companion may have to change because of this object: by what its spec names, or by
  /// the namespace, so that also an object that is gone is understood.
  ///
  /// What a Companion observes is known by its name alone: an event names a kind, the Companion
  /// names a resource, and to look once too often does no harm.
  public boolean concerns(Companion companion) {
    String own = companion.getMetadata().getNamespace();
    CompanionSpec spec = companion.getSpec();
    boolean named =
        switch (kind) {
          case "DaemonSet" ->
              isNamed(Snapshot.targetNamespace(companion), spec.targetRef().name())
                  || (spec.followerRef() != null && isNamed(own, spec.followerRef().name()));
          case "Pod", "Deployment", "PodDisruptionBudget", "Eviction" -> namespace.equals(own);
          default -> false;
        };
    return named || spec.disruption().observe().stream().anyMatch(it -> isObserved(it, own));
  }

  /// The Companion that such an object is made for, by its name; empty if Chaperone makes none with
  /// a name like that. Another Companion may count it too, by its labels, if somebody else made it.
  public Optional<CompanionRef> madeFor() {
    return switch (kind) {
      case "Deployment" -> companion("(.+)" + Made.GUARDS_SUFFIX);
      case "Pod" -> companion("(.+)" + Made.GUARDS_SUFFIX + "-[^-]+-[^-]+");
      case "PodDisruptionBudget" ->
          companion("(.+)(%s)".formatted(String.join("|", Made.BUDGET_SUFFIXES)));
      default -> Optional.empty();
    };
  }

  private Optional<CompanionRef> companion(String pattern) {
    Matcher made = Pattern.compile(pattern).matcher(name);
    return made.matches()
        ? Optional.of(new CompanionRef(namespace, made.group(1)))
        : Optional.empty();
  }

  private boolean isObserved(Observed observed, String own) {
    String itsNamespace = observed.namespace() == null ? own : observed.namespace();
    return name.equals(observed.name()) && (namespace.isEmpty() || namespace.equals(itsNamespace));
  }

  @Override
  public String toString() {
    return kind + " " + (namespace.isEmpty() ? "" : namespace + "/") + name;
  }
}
