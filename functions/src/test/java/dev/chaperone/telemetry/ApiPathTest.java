package dev.chaperone.telemetry;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ApiPathTest {
  @ParameterizedTest
  @CsvSource({
    "GET, /api/v1/nodes, list, nodes",
    "GET, /api/v1/nodes/a, get, nodes",
    "GET, /api/v1/namespaces/storage/pods, list, pods",
    "GET, /api/v1/namespaces/storage/pods/a, get, pods",
    "POST, /api/v1/namespaces/storage/pods/a/binding, create, pods/binding",
    "POST, /api/v1/namespaces/storage/events, create, events",
    "DELETE, /api/v1/namespaces/storage/pods/a, delete, pods",
    "GET, /api/v1/namespaces, list, namespaces",
    "GET, /api/v1/namespaces/storage, get, namespaces",
    "GET, /apis/apps/v1/namespaces/storage/daemonsets/a, get, daemonsets",
    "PATCH, /apis/policy/v1/namespaces/s/poddisruptionbudgets/a, patch, poddisruptionbudgets",
    "GET, /apis/chaperone.dev/v1alpha1/companions, list, companions",
    "PUT, /apis/chaperone.dev/v1alpha1/namespaces/s/companions/a/status, update, companions/status",
    "POST, /apis/authentication.k8s.io/v1/tokenreviews, create, tokenreviews",
    "GET, /apis/ceph.rook.io/v1, get, discovery",
    "GET, /api/v1, get, discovery",
    "GET, /, get, discovery",
  })
  void is_told_in_kubernetes_own_words(String method, String path, String verb, String resource) {
    assertThat(ApiPath.of(method, path)).isEqualTo(new ApiPath(verb, resource));
  }
}
