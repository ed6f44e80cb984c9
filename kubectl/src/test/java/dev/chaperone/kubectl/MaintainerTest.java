package dev.chaperone.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Who else maintains a node, from what medik8s' operators and kured write.
class MaintainerTest {
  private static final Instant NOW = Instant.parse("2026-01-01T12:00:00Z");
  private static final String LOCK = "weave.works/kured-node-lock";
  private static final String HELD = "holderIdentity: node-maintenance, ";
  private static final String ACQUIRED = "acquireTime: \"2026-01-01T11:30:00.123456Z\", ";

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\'',
      value = {
        HELD
            + ACQUIRED
            + "renewTime: \"2026-01-01T11:40:00.123456Z\", leaseDurationSeconds: 3600"
            + " | since 2026-01-01T11:30:00.123456Z, until 2026-01-01T12:40:00.123456Z",
        HELD
            + ACQUIRED
            + "renewTime: \"2026-01-01T10:00:00.000000Z\", leaseDurationSeconds: 3600"
            + " | since 2026-01-01T11:30:00.123456Z, expired 2026-01-01T11:00:00Z",
        HELD + ACQUIRED + " | since 2026-01-01T11:30:00.123456Z, until it is released",
        HELD + "leaseDurationSeconds: 3600 | until it is released"
      })
  void a_lease_of_medik8s_names_its_holder_and_how_long_it_is_good(String spec, String times) {
    assertThat(Maintainer.of("n1", lease("spec: {" + spec + "}"), NOW))
        .map(Maintainer::words)
        .contains(
            "Node n1 is maintained by node-maintenance (Lease medik8s-leases/node-n1, "
                + times
                + ")");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "spec: {}",
        "spec: {holderIdentity: \"\", renewTime: \"2026-01-01T11:40:00.000000Z\"}"
      })
  void a_lease_that_nobody_holds_names_nobody(String rest) {
    assertThat(Maintainer.of("n1", lease(rest), NOW)).isEmpty();
  }

  @Test
  void the_lease_of_a_node_has_its_name_in_lower_case() {
    assertThat(Maintainer.leaseName("Node-1")).isEqualTo("node-node-1");
  }

  /// As kured 1.17 writes them: one lock, or with `--concurrency` a list of them.
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '\'',
      value = {
        "{\"nodeID\":\"n1\",\"metadata\":{\"unschedulable\":false},\"created\":\"2026-01-01T11:30:00.5Z\",\"TTL\":0}"
            + " | since 2026-01-01T11:30:00.500Z, until it is released",
        "{\"nodeID\":\"n1\",\"created\":\"2026-01-01T11:30:00Z\",\"TTL\":3600000000000}"
            + " | since 2026-01-01T11:30:00Z, until 2026-01-01T12:30:00Z",
        "{\"nodeID\":\"n1\",\"created\":\"2026-01-01T11:30:00Z\",\"TTL\":60000000000}"
            + " | since 2026-01-01T11:30:00Z, expired 2026-01-01T11:31:00Z",
        "{\"maxOwners\":2,\"locks\":[{\"nodeID\":\"n0\",\"created\":\"2026-01-01T11:00:00Z\",\"TTL\":0},"
            + "{\"nodeID\":\"n1\",\"created\":\"2026-01-01T11:30:00Z\",\"TTL\":0}]}"
            + " | since 2026-01-01T11:30:00Z, until it is released",
        "{\"nodeID\":\"n1\",\"created\":\"yesterday\",\"TTL\":\"soon\"} | until it is released"
      })
  void a_lock_of_kured_names_it_and_how_long_it_is_good(String lock, String times) {
    assertThat(Maintainer.of("n1", List.of(kured(Map.of(LOCK, lock))), NOW))
        .extracting(Maintainer::words)
        .containsExactly(
            "Node n1 is maintained by kured (lock on DaemonSet kube-system/kured, " + times + ")");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "not JSON",
        "{\"nodeID\":",
        "null",
        "[]",
        "\"n1\"",
        "{}",
        "{\"nodeID\":\"n2\",\"created\":\"2026-01-01T11:30:00Z\",\"TTL\":0}",
        "{\"nodeID\":[\"n1\"]}",
        "{\"maxOwners\":2,\"locks\":null}",
        "{\"maxOwners\":2,\"locks\":\"n1\"}",
        "{\"maxOwners\":2,\"locks\":[]}",
        "{\"maxOwners\":2,\"locks\":[\"n1\",null]}"
      })
  void a_lock_of_another_node_and_one_that_cannot_be_read_name_nobody(String lock) {
    assertThat(Maintainer.of("n1", List.of(kured(Map.of(LOCK, lock))), NOW)).isEmpty();
  }

  @Test
  void a_daemonset_without_a_lock_names_nobody() {
    assertThat(
            Maintainer.of(
                "n1",
                List.of(
                    kured(Map.of()),
                    new DaemonSetBuilder()
                        .withNewMetadata()
                        .withName("other")
                        .endMetadata()
                        .build()),
                NOW))
        .isEmpty();
  }

  private static DaemonSet kured(Map<String, String> annotations) {
    return new DaemonSetBuilder()
        .withNewMetadata()
        .withNamespace("kube-system")
        .withName("kured")
        .withAnnotations(annotations)
        .endMetadata()
        .build();
  }

  private static Lease lease(String rest) {
    return Objects.read(
        Lease.class,
        """
        apiVersion: coordination.k8s.io/v1
        kind: Lease
        metadata: {name: node-n1, namespace: medik8s-leases}
        %s
        """
            .formatted(rest));
  }
}
