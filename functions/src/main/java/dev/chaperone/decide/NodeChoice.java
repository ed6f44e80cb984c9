package dev.chaperone.decide;

import dev.chaperone.api.HoldSpec;
import io.fabric8.kubernetes.api.model.Node;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// Which nodes a Hold blocks, each by itself. One that does not say so blocks every node.
public sealed interface NodeChoice {

  /// What the Hold says; empty: every node. So does one that names nodes in two ways, which the API
  /// server refuses: the safe side is closed.
  static Optional<NodeChoice> of(HoldSpec spec) {
    String name = spec.nodeName();
    Map<String, String> labels = spec.nodeSelector();
    if (name != null && labels != null) {
      return Optional.empty();
    }
    return labels != null
        ? Optional.of(new Labeled(new TreeMap<>(labels)))
        : Optional.ofNullable(name).map(Named::new);
  }

  /// The names of those nodes.
  ///
  /// @param roster with every node that has these labels
  Set<String> in(Roster roster);

  /// The keys of their labels.
  static Set<String> keys(Collection<Labeled> choices) {
    return choices.stream()
        .flatMap(it -> it.labels().keySet().stream())
        .collect(Collectors.toSet());
  }

  /// As people write them on a command line: a name, or `a=b,c=d`.
  String words();

  /// For people, as `node n1`.
  String describe();

  /// One node, whether it exists or not.
  record Named(String name) implements NodeChoice {
    @Override
    public Set<String> in(Roster roster) {
      return Set.of(name);
    }

    @Override
    public String words() {
      return name;
    }

    @Override
    public String describe() {
      return "node " + name;
    }
  }

  /// Nodes with all of these labels that run the target, or have a guard.
  record Labeled(SortedMap<String, String> labels) implements NodeChoice {
    @Override
    public Set<String> in(Roster roster) {
      return roster.guardable().stream()
          .filter(name -> roster.node(name).filter(this::matches).isPresent())
          .collect(Collectors.toSet());
    }

    /// Whether a node has all of them.
    public boolean matches(Node node) {
      Map<String, String> actual = node.getMetadata().getLabels();
      return labels.isEmpty()
          || (actual != null && actual.entrySet().containsAll(labels.entrySet()));
    }

    @Override
    public String words() {
      return labels.entrySet().stream()
          .map(it -> it.getKey() + "=" + it.getValue())
          .collect(Collectors.joining(","));
    }

    @Override
    public String describe() {
      return "nodes with " + words();
    }
  }
}
