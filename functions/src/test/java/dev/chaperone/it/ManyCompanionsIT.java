package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.api.Hold;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.ApiCall;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/// One pulse for many Companions, in the memory that the functions have in their container: ten in
/// each namespace, each with a guard on the node of that namespace.
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class ManyCompanionsIT {
  private static final int COMPANIONS = Thorough.times(200, 1000);
  private static final int ON_A_NODE = 10;
  private static final int PAGE = 500;

  /// Reads of a look, at most.
  private static final int PER_LOOK = 20;

  private static final IntOrString CLOSED = new IntOrString(Integer.MAX_VALUE);
  private static final Duration NEVER_IDLE = Duration.ofHours(1);
  private static final Set<String> WRITES = Set.of("create", "update", "patch", "delete");

  private static Lab lab;
  private static OnDemand program;
  private static Installation chaperone;

  @BeforeAll
  static void start() {
    lab = Lab.startLarge();
    program = OnDemand.start(lab, OnDemand.asInItsContainer(), Map.of(), NEVER_IDLE);
    chaperone = program.chaperone();
    for (int node = 0; node < COMPANIONS / ON_A_NODE; node++) {
      lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: many-%d}".formatted(node));
      lab.addNode("node-" + node, Map.of("number", String.valueOf(node)));
      lab.addDaemonSet("many-" + node, "target", "{number: \"%d\"}".formatted(node));
    }
    for (int i = 0; i < COMPANIONS; i++) {
      lab.apply(companion(i, "{}"));
    }
  }

  @AfterAll
  static void stop() {
    program.close();
    lab.close();
  }

  @Test
  @Order(1)
  void pulses_alone_set_all_of_them_up() {
    long began = System.nanoTime();
    int[] pulses = {0};
    await("guards of all Companions")
        .atMost(Scene.LONG.multipliedBy(10))
        .until(
            () -> {
              pulses[0]++;
              pulse();
              long ready = companions().stream().filter(it -> is(it, "Ready", "True")).count();
              System.out.printf(
                  "ManyCompanionsIT: %d of %d are set up after %d pulses, %d s%n",
                  ready, COMPANIONS, pulses[0], (System.nanoTime() - began) / 1_000_000_000);
              return ready == COMPANIONS;
            });
  }

  @Test
  @Order(2)
  void a_pulse_with_nothing_to_do_reads_a_few_lists_and_writes_nothing() {
    await("nothing to do").atMost(Scene.LONG).until(() -> writes(pulse()).isEmpty());

    List<Duration> times = new ArrayList<>();
    List<ApiCall> calls = List.of();
    for (int i = 0; i < 5; i++) {
      int before = chaperone.calls().size();
      long began = System.nanoTime();
      // One answer of those that turned before is told with each.
      assertThat(chaperone.pulse().statusCode()).isIn(200, 204);
      times.add(Duration.ofNanos(System.nanoTime() - began));
      calls = chaperone.calls().stream().skip(before).toList();
    }
    System.out.printf(
        "ManyCompanionsIT: %d Companions, nothing to do: a pulse takes %s ms and %d reads; at most %d MiB resident%n",
        COMPANIONS,
        times.stream().map(Duration::toMillis).sorted().toList(),
        calls.size(),
        program.functions().peakMemoryKib() >> 10);
    assertThat(writes(calls)).isEmpty();
    assertThat(calls.size()).isLessThanOrEqualTo(20 + objects() / PAGE);
    assertThat(program.functions().starts()).isEqualTo(1);
  }

  @Test
  @Order(3)
  void one_pulse_closes_for_a_tenth_of_them_beside_those_that_are_broken() {
    List<String> broken =
        List.of(
            "{holdWhen: [{name: x, expression: no such thing}]}",
            "{holdWhen: [{name: x, expression: \"'a'.replace('a', 'b') == o.x\"}], observe: [{as: o, apiVersion: none.example.com/v1, resource: nothings, name: x}]}",
            "{maintenanceWindows: [{schedule: \"0 0 30 2 *\", duration: 1h}]}",
            "{maxUnavailable: 100000}");
    for (int i = 0; i < broken.size(); i++) {
      lab.apply(companion(i, broken.get(i)));
    }
    List<Integer> held = Stream.iterate(9, i -> i < COMPANIONS, i -> i + 10).toList();
    for (int number : held) {
      lab.apply(
          """
          apiVersion: chaperone.dev/v1alpha1
          kind: Hold
          metadata: {name: agent-%1$d, namespace: many-%2$d}
          spec: {companionRef: {name: agent-%1$d}, reason: a test}
          """
              .formatted(number, number / ON_A_NODE));
    }

    int before = chaperone.settledCalls().size();
    long began = System.nanoTime();
    int status = chaperone.pulse().statusCode();
    long took = System.nanoTime() - began;
    List<ApiCall> calls = chaperone.settledCalls().stream().skip(before).toList();
    List<ApiCall> written = writes(calls);
    Set<String> names = held.stream().map(it -> "agent-" + it).collect(Collectors.toSet());
    System.out.printf(
        "ManyCompanionsIT: one pulse for %d Holds of %d Companions: %d after %d ms, %d told%n",
        held.size(), COMPANIONS, status, took / 1_000_000, blocked(names));

    // Before anything else, however long the rest takes.
    assertThat(lab.client().policy().v1().podDisruptionBudget().inAnyNamespace().list().getItems())
        .filteredOn(it -> names.contains(it.getMetadata().getName().replace("-nodes", "")))
        .hasSameSizeAs(held)
        .allMatch(it -> CLOSED.equals(it.getSpec().getMinAvailable()));
    assertThat(
            times(
                written, "poddisruptionbudgets", names.stream().map(it -> it + "-nodes").toList()))
        .hasSameSizeAs(held)
        .last()
        .satisfies(last -> assertThat(times(written, "holds", names)).allMatch(last::isBefore));
    // All of them in one pulse, each with one read of its own; the broken ones with a look.
    assertThat(blocked(names)).isEqualTo(held.size());
    assertThat(calls.size() - written.size())
        .isLessThanOrEqualTo(20 + objects() / PAGE + held.size() + broken.size() * PER_LOOK);
  }

  @Test
  @Order(4)
  void pulses_open_again_for_each_tenth_of_them() {
    Set<String> names =
        Stream.iterate(9, i -> i < COMPANIONS, i -> i + 10)
            .map(it -> "agent-" + it)
            .collect(Collectors.toSet());
    lab.client().resources(Hold.class).inAnyNamespace().delete();

    int[] pulses = {0};
    long began = System.nanoTime();
    await("all are open")
        .atMost(Scene.LONG.multipliedBy(2))
        .until(
            () -> {
              pulses[0]++;
              pulse();
              return blocked(names) == 0;
            });
    System.out.printf(
        "ManyCompanionsIT: %d Holds of %d Companions are gone: all open after %d pulses, %d ms%n",
        names.size(), COMPANIONS, pulses[0], (System.nanoTime() - began) / 1_000_000);
    assertThat(lab.client().policy().v1().podDisruptionBudget().inAnyNamespace().list().getItems())
        .filteredOn(it -> names.contains(it.getMetadata().getName().replace("-nodes", "")))
        .hasSameSizeAs(names)
        .noneMatch(it -> CLOSED.equals(it.getSpec().getMinAvailable()));
  }

  /// Companions twice, Holds, budgets, two of which each has, Deployments, guards, and what there
  /// is once for a node.
  private static int objects() {
    return COMPANIONS * 7 + 3 * COMPANIONS / ON_A_NODE;
  }

  /// Of the writes of these objects, in their order.
  private static List<Instant> times(
      List<ApiCall> written, String resource, Collection<String> names) {
    return written.stream()
        .filter(it -> it.resource().equals(resource) && names.contains(it.name()))
        .map(ApiCall::time)
        .sorted()
        .toList();
  }

  private static long blocked(Set<String> names) {
    return companions().stream()
        .filter(it -> names.contains(it.getMetadata().getName()))
        .filter(it -> is(it, "DisruptionAllowed", "False"))
        .count();
  }

  private static String companion(int number, String disruption) {
    return """
    apiVersion: chaperone.dev/v1alpha1
    kind: Companion
    metadata: {name: agent-%d, namespace: many-%d}
    spec:
      targetRef: {name: target}
      disruption: %s
    """
        .formatted(number, number / ON_A_NODE, disruption);
  }

  private static List<Companion> companions() {
    return lab.client().resources(Companion.class).inAnyNamespace().list().getItems();
  }

  private static boolean is(Companion companion, String type, String status) {
    return companion.getStatus() != null
        && Objects.requireNonNullElse(companion.getStatus().conditions(), List.<Condition>of())
            .stream()
            .anyMatch(it -> it.getType().equals(type) && it.getStatus().equals(status));
  }

  /// @return what the functions asked for meanwhile
  private static List<ApiCall> pulse() {
    int before = chaperone.calls().size();
    HttpResponse<String> answer =
        chaperone.post(chaperone.event("dev.knative.sources.ping"), Scene.LONG);
    assertThat(answer.statusCode()).as(answer.body()).isIn(200, 204, 503);
    return chaperone.calls().stream().skip(before).toList();
  }

  private static List<ApiCall> writes(List<ApiCall> calls) {
    return calls.stream().filter(it -> WRITES.contains(it.verb())).toList();
  }
}
