package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.Node;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// Failure domains, of which at most one is disrupted at a time: while a node of one is out, nodes
/// of all others are held, each by itself.
///
/// @param held the nodes that are held, each with the domains of others that are out; empty: none
///     is out, or nodes form no domains
/// @param why for people, for each domain of which nodes are out
record Domains(Map<String, String> held, SortedMap<String, String> why) {

  static Domains of(Snapshot seen, GuardState state) {
    Map<String, String> held = new HashMap<>();
    SortedMap<String, String> why = new TreeMap<>();
    String key = seen.disruption().topologyKey();
    if (key != null && seen.protects(Protect.Nodes)) {
      Map<String, String> domains = domains(seen.roster().targetNodes(), seen.roster(), key);
      Set<String> gone = new TreeSet<>(state.drained());
      gone.addAll(state.unready());
      gone.retainAll(domains.keySet());
      gone.addAll(state.out());
      SortedMap<String, List<String>> out =
          domains(gone, seen.roster(), key).entrySet().stream()
              .collect(
                  Collectors.groupingBy(
                      Map.Entry::getValue,
                      TreeMap::new,
                      Collectors.mapping(Map.Entry::getKey, Collectors.toList())));
      out.forEach((domain, nodes) -> why.put(domain, words(key, domain, nodes)));
      domains.forEach(
          (node, domain) -> {
            List<String> others = out.keySet().stream().filter(it -> !it.equals(domain)).toList();
            if (!others.isEmpty()) {
              held.put(node, String.join(",", others));
            }
          });
    }
    return new Domains(held, why);
  }

  /// The domain of each of these nodes, by its name; nodes without the label are one of their own.
  private static SortedMap<String, String> domains(Set<String> nodes, Roster roster, String key) {
    SortedMap<String, String> domains = new TreeMap<>();
    for (String name : nodes) {
      roster.node(name).map(node -> domain(node, key)).ifPresent(it -> domains.put(name, it));
    }
    return domains;
  }

  private static String domain(Node node, String key) {
    Map<String, String> labels = node.getMetadata().getLabels();
    return labels == null ? "" : labels.getOrDefault(key, "");
  }

  private static String words(String key, String domain, List<String> nodes) {
    return "%s %s of %s %s %s out"
        .formatted(
            nodes.size() == 1 ? "node" : "nodes",
            Finding.named(nodes, ", "),
            key,
            domain.isEmpty() ? "(no value)" : domain,
            nodes.size() == 1 ? "is" : "are");
  }
}
