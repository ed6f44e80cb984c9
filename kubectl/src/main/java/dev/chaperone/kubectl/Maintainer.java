package dev.chaperone.kubectl;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.decide.Times;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseSpec;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Somebody else who says that they maintain a node: an operator of medik8s by its Lease, or kured
/// by its lock. They refuse no eviction: they are who cordons, drains or reboots the node.
///
/// @param name such as `kured`
/// @param object where it says so
/// @param since RFC 3339; absent: it does not say
/// @param until RFC 3339; absent: until it is released
/// @param expired whether that end has passed. A maintenance may go on all the same: the Node
///     Maintenance Operator renews its Lease only until the drain is done, and deletes it at the
///     end
@JsonInclude(JsonInclude.Include.NON_NULL)
record Maintainer(
    String node,
    String name,
    String object,
    @Nullable String since,
    @Nullable String until,
    boolean expired) {
  /// Where medik8s' operators keep their Leases, unless they are configured otherwise.
  static final String LEASES = "medik8s-leases";

  private static final String LOCK = "weave.works/kured-node-lock";
  private static final ObjectMapper JSON = new ObjectMapper();

  /// What medik8s' operators call the Lease of a node.
  static String leaseName(String node) {
    return "node-" + node.toLowerCase(Locale.ROOT);
  }

  /// Empty: nobody holds it.
  static Optional<Maintainer> of(String node, Lease lease, Instant now) {
    LeaseSpec spec = Optional.ofNullable(lease.getSpec()).orElseGet(LeaseSpec::new);
    Optional<Instant> end =
        Optional.ofNullable(spec.getRenewTime())
            .map(ZonedDateTime::toInstant)
            .filter(_ -> spec.getLeaseDurationSeconds() != null)
            .map(it -> it.plusSeconds(spec.getLeaseDurationSeconds()));
    return Optional.ofNullable(spec.getHolderIdentity())
        .filter(it -> !it.isBlank())
        .map(
            holder ->
                new Maintainer(
                    node,
                    holder,
                    "Lease %s/%s"
                        .formatted(
                            lease.getMetadata().getNamespace(), lease.getMetadata().getName()),
                    Optional.ofNullable(spec.getAcquireTime())
                        .map(it -> it.toInstant().toString())
                        .orElse(null),
                    end.map(Instant::toString).orElse(null),
                    end.filter(it -> !it.isAfter(now)).isPresent()));
  }

  /// Who holds a lock of kured for the node. A lock is for one node, or, with `--concurrency`, for
  /// several; one that cannot be read is no lock, as kured itself has it.
  static List<Maintainer> of(String node, List<DaemonSet> daemonSets, Instant now) {
    return daemonSets.stream()
        .flatMap(
            daemonSet ->
                locks(daemonSet)
                    .filter(it -> it.path("nodeID").asText().equals(node))
                    .map(it -> kured(node, it, daemonSet, now)))
        .toList();
  }

  private static Stream<JsonNode> locks(DaemonSet daemonSet) {
    return Stream.ofNullable(daemonSet.getMetadata().getAnnotations())
        .flatMap(it -> Stream.ofNullable(it.get(LOCK)))
        .flatMap(
            lock -> {
              try {
                JsonNode read = JSON.readTree(lock);
                List<JsonNode> locks = new ArrayList<>();
                (read.has("locks") ? read.get("locks") : List.of(read)).forEach(locks::add);
                return locks.stream();
              } catch (JsonProcessingException unreadable) {
                return Stream.empty();
              }
            });
  }

  private static Maintainer kured(String node, JsonNode lock, DaemonSet daemonSet, Instant now) {
    Optional<Instant> since = Times.parse(lock.path("created").asText());
    long nanoseconds = lock.path("TTL").asLong();
    Optional<Instant> end = since.filter(_ -> nanoseconds > 0).map(it -> it.plusNanos(nanoseconds));
    return new Maintainer(
        node,
        "kured",
        "lock on DaemonSet %s/%s"
            .formatted(daemonSet.getMetadata().getNamespace(), daemonSet.getMetadata().getName()),
        since.map(Instant::toString).orElse(null),
        end.map(Instant::toString).orElse(null),
        end.filter(it -> !it.isAfter(now)).isPresent());
  }

  /// For people, such as `Node n1 is maintained by kured (lock on …, since …, until …)`.
  String words() {
    List<String> said = new ArrayList<>(List.of(object));
    if (since != null) {
      said.add("since " + since);
    }
    if (until == null) {
      said.add("until it is released");
    } else {
      said.add((expired ? "expired " : "until ") + until);
    }
    return "Node %s is maintained by %s (%s)".formatted(node, name, String.join(", ", said));
  }
}
