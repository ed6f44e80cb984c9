package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import dev.chaperone.lab.programs.ServerProcess;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A pulse with more to do than one process is meant to: it is handed over through the real Broker,
/// and two processes of the functions share it, then one does it, in turn; with
/// `-Dchaperone.thorough=true` four, two and one. Serving's autoscaler, which would start them,
/// does not run here.
@ExtendWith(OnKnative.class)
class SpreadIT {
  private static final int COMPANIONS = Thorough.times(40, 100);
  private static final int ON_A_NODE = 10;
  private static final List<Integer> PROCESSES =
      IntStream.iterate(Thorough.times(2, 4), it -> it > 0, it -> it / 2).boxed().toList();
  private static final Duration NEVER_IDLE = Duration.ofHours(1);
  private static final String FUNCTIONS = "functions.chaperone";
  private static final int OK = 200;

  /// Nothing listens there.
  private static final URI NOBODY = URI.create("http://127.0.0.1:1/");

  private final OnKnative.Chaperone installed;
  private final Installation chaperone;
  private final Lab lab;

  SpreadIT(OnKnative.Chaperone installed) {
    this.installed = installed;
    this.chaperone = installed.installation();
    this.lab = chaperone.lab();
  }

  @Test
  void what_is_handed_over_is_done_once_however_many_processes_share_it() throws IOException {
    IntStream.range(0, COMPANIONS / ON_A_NODE).forEach(this::addNamespace);
    installed.eventing().awaitReady();
    // Only pulses tell of anything from now on, and only those of this test.
    List<ServerProcess> tellers =
        List.of(
            installed.eventing().adapter("chaperone", "chaperone"), installed.eventing().ping());
    tellers.forEach(ServerProcess::stop);
    URI broker = installed.eventing().broker("chaperone", "chaperone");
    List<FunctionsOnDemand> programs =
        IntStream.rangeClosed(1, PROCESSES.getFirst()).mapToObj(_ -> program(broker)).toList();
    FunctionsOnDemand alone = program(NOBODY);
    ServerSocket silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    FunctionsOnDemand unanswered =
        program(URI.create("http://127.0.0.1:" + silent.getLocalPort() + "/"));
    try {
      share(programs);
      IntStream.range(0, COMPANIONS).forEach(this::addCompanion);
      pulseUntil("True", "Ready");
      // Some block once more when their guards come, and open after that.
      pulseUntil("True", "DisruptionAllowed");

      for (int processes : PROCESSES) {
        List<FunctionsOnDemand> those = programs.subList(0, processes);
        share(those);
        List<Integer> requests = those.stream().map(FunctionsOnDemand::requests).toList();

        requireOnce("held", processes, "False", this::hold);
        await().atMost(Scene.LONG).until(() -> budgets().stream().allMatch(it -> allowed(it) == 0));

        requireOnce("allowed", processes, "True", this::release);

        for (int i = 0; i < processes; i++) {
          assertThat(those.get(i).requests()).isGreaterThan(requests.get(i) + 1);
        }
      }

      share(List.of(alone));
      requireOnce("held, with a sink that does not listen,", 1, "False", this::hold);
      share(List.of(unanswered));
      requireOnce("allowed, with a sink that does not answer,", 1, "True", this::release);
    } finally {
      installed.eventing().router().route(FUNCTIONS, installed.functions().address());
      programs.forEach(FunctionsOnDemand::close);
      alone.close();
      unanswered.close();
      silent.close();
      // Before the namespaces go, which replaces one of them.
      tellers.forEach(ServerProcess::start);
      for (int i = 0; i < COMPANIONS / ON_A_NODE; i++) {
        lab.kubectl("delete", "namespace", namespace(i), "--wait=false");
        lab.client().nodes().withName(namespace(i)).delete();
      }
    }
  }

  /// Pulses after a change until all Companions say so, and requires that each of their budgets was
  /// written once on the way: a second write would be another opinion in between. Each Hold is told
  /// once too, and once before where Kubernetes has not counted yet. A look that was handed over
  /// earlier may be the one that sees the change.
  private void requireOnce(String what, int processes, String allowed, Runnable change) {
    int before = chaperone.writes().size();
    Map<String, Long> once = generations(1);
    change.run();
    long began = System.nanoTime();
    int pulses = pulseUntil(allowed, "DisruptionAllowed");
    System.out.printf(
        "SpreadIT: %d Companions %s by %d processes after %d pulses, %d ms%n",
        COMPANIONS, what, processes, pulses, (System.nanoTime() - began) / 1_000_000);
    // A call can be answered a moment before it is in the audit log.
    await()
        .atMost(Scene.LONG)
        .untilAsserted(
            () -> {
              List<ApiCall> written =
                  chaperone.writes().stream()
                      .skip(before)
                      .filter(it -> it.code() == OK && it.namespace().startsWith("spread-"))
                      .toList();
              assertThat(generations(0)).as("generations of budgets").isEqualTo(once);
              assertThat(written)
                  .filteredOn(it -> it.resource().equals("poddisruptionbudgets"))
                  .hasSize(COMPANIONS);
              Map<String, Long> told =
                  written.stream()
                      .filter(it -> it.resource().equals("holds"))
                      .collect(Collectors.groupingBy(ApiCall::name, Collectors.counting()));
              assertThat(told).hasSize(allowed.equals("False") ? COMPANIONS : 0);
              assertThat(told.values()).allMatch(times -> times <= 2);
            });
  }

  private int pulseUntil(String status, String condition) {
    int[] pulses = {0};
    await(condition + " " + status)
        .atMost(Scene.LONG.multipliedBy(2))
        .until(
            () -> {
              pulses[0]++;
              installed.pulse();
              return companions().stream().filter(it -> is(it, condition, status)).count()
                  == COMPANIONS;
            });
    return pulses[0];
  }

  private FunctionsOnDemand program(URI sink) {
    return FunctionsOnDemand.start(
        FunctionsCommand.fastest(FunctionsCommand.built(OnKnative.HOME)),
        Map.of(
            "KUBECONFIG",
            lab.kubeconfig("chaperone", "functions").toString(),
            "CHAPERONE_SINK",
            sink.toString()),
        NEVER_IDLE,
        lab.folder().resolve("functions-spread.log"));
  }

  private void share(List<FunctionsOnDemand> programs) {
    installed
        .eventing()
        .router()
        .route(FUNCTIONS, programs.stream().map(FunctionsOnDemand::address).toArray(URI[]::new));
  }

  private static String namespace(int node) {
    return "spread-" + node;
  }

  private void addNamespace(int node) {
    lab.addNode(namespace(node), Map.of("spread", String.valueOf(node)));
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}".formatted(namespace(node)));
    lab.addDaemonSet(namespace(node), "target", "{spread: \"%d\"}".formatted(node));
  }

  private void addCompanion(int number) {
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: Companion
        metadata: {name: agent-%d, namespace: spread-%d}
        spec: {targetRef: {name: target}}
        """
            .formatted(number, number / ON_A_NODE));
  }

  private void hold() {
    IntStream.range(0, COMPANIONS).forEach(this::hold);
  }

  private void release() {
    lab.client().resources(Hold.class).inAnyNamespace().delete();
  }

  private void hold(int number) {
    Hold hold = new Hold();
    hold.getMetadata().setName("agent-" + number);
    hold.getMetadata().setNamespace(namespace(number / ON_A_NODE));
    hold.setSpec(new HoldSpec(new HoldSpec.CompanionRef("agent-" + number), "a test", null));
    lab.client().resource(hold).create();
  }

  private List<Companion> companions() {
    return lab.client().resources(Companion.class).inAnyNamespace().list().getItems().stream()
        .filter(it -> it.getMetadata().getNamespace().startsWith("spread-"))
        .toList();
  }

  private List<PodDisruptionBudget> budgets() {
    return lab
        .client()
        .policy()
        .v1()
        .podDisruptionBudget()
        .inAnyNamespace()
        .list()
        .getItems()
        .stream()
        .filter(it -> it.getMetadata().getNamespace().startsWith("spread-"))
        .toList();
  }

  /// Of each budget, by its name: how often its spec has changed, and so often more.
  private Map<String, Long> generations(int more) {
    return budgets().stream()
        .map(PodDisruptionBudget::getMetadata)
        .collect(Collectors.toMap(ObjectMeta::getName, it -> it.getGeneration() + more));
  }

  private static int allowed(PodDisruptionBudget budget) {
    return Objects.requireNonNullElse(budget.getStatus().getDisruptionsAllowed(), 0);
  }

  private static boolean is(Companion companion, String type, String status) {
    return companion.getStatus() != null
        && Objects.requireNonNullElse(companion.getStatus().conditions(), List.<Condition>of())
            .stream()
            .anyMatch(it -> it.getType().equals(type) && it.getStatus().equals(status));
  }
}
