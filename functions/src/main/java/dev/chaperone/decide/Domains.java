package dev.chaperone.decide;

import dev.chaperone.api.CompanionSpec.Protect;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Node;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;

/// Failure domains, of which at most one is disrupted at a time. While a node of one is out, nodes
/// of all others are held, each by itself; while none is, one node may go, whichever it is.
///
/// @param held the nodes that are held, each with the domain for which it is
/// @param why for people, for each domain whose nodes are out
/// @param may how many nodes may be out at once, of those that are not held; absent: as
///     maxUnavailable says
record Domains(Map<String, String> held, SortedMap<String, String> why, Optional<IntOrString> may) {

  static Domains of(Snapshot seen, GuardState state) {
    String key = seen.disruption().topologyKey();
    if (key == null || !seen.protects(Protect.Nodes)) {
      return new Domains(Map.of(), new TreeMap<>(), Optional.empty());
    }
    Map<String, String> domains = new HashMap<>();
    for (String node : seen.roster().targetNodes()) {
      seen.roster().node(node).ifPresent(it -> domains.put(node, domain(it, key)));
    }
    Set<String> out = new TreeSet<>(state.drained());
    out.addAll(state.unready());
    SortedMap<String, Set<String>> outByDomain = new TreeMap<>();
    out.stream()
        .filter(domains::containsKey)
        .forEach(
            node -> outByDomain.computeIfAbsent(domains.get(node), _ -> new TreeSet<>()).add(node));
    if (outByDomain.isEmpty()) {
      return new Domains(Map.of(), new TreeMap<>(), Optional.of(new IntOrString(1)));
    }
    SortedMap<String, String> why = new TreeMap<>();
    outByDomain.forEach(
        (domain, nodes) ->
            why.put(
                domain,
                "%s %s of %s %s is out"
                    .formatted(
                        nodes.size() == 1 ? "node" : "nodes",
                        Finding.named(List.copyOf(nodes), ", "),
                        key,
                        domain.isEmpty() ? "(no value)" : domain)));
    Map<String, String> held = new HashMap<>();
    domains.forEach(
        (node, domain) -> {
          String others =
              String.join(
                  ",", outByDomain.keySet().stream().filter(it -> !it.equals(domain)).toList());
          if (outByDomain.size() > 1 || !outByDomain.containsKey(domain)) {
            held.put(node, others);
          }
        });
    return new Domains(held, why, Optional.empty());
  }

  private static String domain(Node node, String key) {
    Map<String, String> labels = node.getMetadata().getLabels();
    return labels == null ? "" : labels.getOrDefault(key, "");
  }
}
