package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.ApiCall;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/// What one user asked of the API server between two moments, by its audit log.
record Calls(List<ApiCall> all) {
  private static final Set<String> WRITES = Set.of("create", "update", "patch", "delete");

  /// A moment.
  static int mark(Lab lab) {
    return lab.apiCalls().size();
  }

  static Calls since(Lab lab, int mark, String user) {
    List<ApiCall> calls = lab.apiCalls();
    return new Calls(
        calls.subList(mark, calls.size()).stream()
            .filter(call -> call.user().equals(user))
            .toList());
  }

  /// Gets and lists; a watch costs when something changes, not when it is asked for.
  long reads() {
    return all.stream().filter(call -> Set.of("get", "list").contains(call.verb())).count();
  }

  long writes() {
    return all.stream().filter(call -> WRITES.contains(call.verb())).count();
  }

  /// `2 get daemonsets, 1 list pods, …`, the most frequent first.
  String describe() {
    Map<String, Long> counts =
        all.stream()
            .collect(
                Collectors.groupingBy(
                    call ->
                        call.verb()
                            + " "
                            + call.resource()
                            + (call.subresource().isEmpty() ? "" : "/" + call.subresource()),
                    TreeMap::new,
                    Collectors.counting()));
    return counts.entrySet().stream()
        .sorted(Map.Entry.<String, Long>comparingByValue().reversed())
        .map(entry -> entry.getValue() + " " + entry.getKey())
        .collect(Collectors.joining(", "));
  }
}
