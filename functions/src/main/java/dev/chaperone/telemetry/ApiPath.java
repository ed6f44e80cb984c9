package dev.chaperone.telemetry;

import java.util.Arrays;
import java.util.List;

/// What a call to the API server asks for, in Kubernetes' own words.
///
/// @param verb get, list, create, update, patch or delete
/// @param resource the plural, with a subresource after a slash; `discovery` for what the cluster
///     knows
record ApiPath(String verb, String resource) {
  private static final String DISCOVERY = "discovery";

  /// The path is `/api/V` or `/apis/G/V`, and after it `/namespaces/NS` or nothing, `/RESOURCE`,
  /// `/NAME` and `/SUBRESOURCE`.
  static ApiPath of(String method, String path) {
    List<String> parts = Arrays.stream(path.split("/")).filter(it -> !it.isEmpty()).toList();
    if (parts.isEmpty()) {
      return new ApiPath("get", DISCOVERY);
    }
    int from = parts.getFirst().equals("api") ? 2 : 3;
    // A path that ends with the name of a namespace is about that namespace.
    if (parts.size() > from + 2 && parts.get(from).equals("namespaces")) {
      from += 2;
    }
    if (parts.size() <= from) {
      return new ApiPath("get", DISCOVERY);
    }
    List<String> rest = parts.subList(from, parts.size());
    String resource = rest.size() > 2 ? rest.get(0) + "/" + rest.get(2) : rest.get(0);
    String verb =
        switch (method) {
          case "POST" -> "create";
          case "PUT" -> "update";
          case "PATCH" -> "patch";
          case "DELETE" -> "delete";
          default -> rest.size() == 1 ? "list" : "get";
        };
    return new ApiPath(verb, resource);
  }
}
