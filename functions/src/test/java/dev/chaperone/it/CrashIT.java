package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.it.BudgetHistory.Version;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.PodEviction;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.net.ApiProxy;
import dev.chaperone.lab.net.ApiProxy.Exchange;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodTemplateSpec;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.UncheckedIOException;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/// Functions that are cut off from the API server at every single call that they make, or killed in
/// the middle of every write. One next event repairs what they left, and at no moment is a budget
/// open that should be closed.
///
/// Every call is cut before it reaches the API server. A write is also executed without an answer,
/// with the functions killed; of a read the API server keeps nothing, so that would be the same.
///
/// All of it takes many minutes: a story of closing and one of making always run, the others with
/// `-Dchaperone.thorough=true`.
@ExtendWith(LabExtension.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CrashIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final Path PING_SOURCES =
      HOME.resolve("functions/src/test/resources/knative/pingsource.yaml");
  private static final String PULSE = HOME.resolve("triggers/base/pulse.yaml").toString();

  private static final int UNAVAILABLE = 503;

  /// As often as a broker sends an event again, at most.
  private static final int RETRIES = 10;

  private final Lab lab;
  private final KubernetesClient client;
  private final ApiProxy proxy;
  private final KillableFunctions functions;
  private final boolean bringsPingSources;
  private int steps;
  private int cuts;
  private int versions;

  CrashIT(Lab lab) {
    Chaperone.installTypesAndRights(lab, HOME);
    this.bringsPingSources =
        lab.kubectl("get", "crd", "pingsources.sources.knative.dev").exit() != 0;
    if (bringsPingSources) {
      lab.apply(PING_SOURCES);
    }
    await().atMost(Scene.LONG).until(() -> lab.kubectl("apply", "-f", PULSE).exit() == 0);
    this.lab = lab;
    this.client = lab.client();
    this.proxy = ApiProxy.start(lab);
    this.functions = new KillableFunctions(lab, proxy.kubeconfig("chaperone", "functions"));
  }

  @BeforeEach
  void noCompanionOfAnotherTest() {
    client.resources(Companion.class).inAnyNamespace().delete();
    await()
        .atMost(Scene.LONG)
        .until(
            () -> client.resources(Companion.class).inAnyNamespace().list().getItems().isEmpty());
  }

  @AfterEach
  void mend() {
    proxy.mend();
  }

  @AfterAll
  void close() {
    System.out.printf(
        "crash: %d steps, cut at %d calls, killed in %d writes, %d versions of budgets seen%n",
        steps, cuts, functions.kills(), versions);
    functions.close();
    proxy.close();
    lab.kubectl("delete", "-f", PULSE).orFail();
    if (bringsPingSources) {
      lab.kubectl("delete", "-f", PING_SOURCES.toString()).orFail();
    }
  }

  /// A change to the cluster and the event that tells of it.
  ///
  /// @param change made by others; returns when Kubernetes has done its part
  /// @param settled what has to be so in the end, after as many pulses as it takes
  private record Step(String name, Runnable change, ObjectRef event, Supplier<Boolean> settled) {}

  @Test
  void a_hold_arrives_and_goes() {
    try (Scene scene = new Scene(functions.now(), "crash-hold", 2)) {
      guard(scene, 2);
      ObjectRef hold = new ObjectRef("Hold", scene.name, "rebuild");
      crash(
          scene,
          new Step("a Hold arrives", () -> scene.hold("rebuild"), hold, () -> true),
          new Step("a Hold goes", () -> release(scene), hold, () -> true));
    }
  }

  @Test
  @EnabledIfSystemProperty(named = Thorough.PROPERTY, matches = "true")
  void the_policy_changes() {
    try (Scene scene = new Scene(functions.now(), "crash-policy", 2)) {
      guard(scene, 2);
      crash(
          scene,
          companion(scene, "AlwaysHold", "{policy: AlwaysHold}"),
          companion(scene, "Auto", "{policy: Auto}"));
    }
  }

  @Test
  @EnabledIfSystemProperty(named = Thorough.PROPERTY, matches = "true")
  void max_unavailable_changes() {
    try (Scene scene = new Scene(functions.now(), "crash-max", 3)) {
      guard(scene, 3);
      crash(
          scene,
          companion(scene, "maxUnavailable 2", "{maxUnavailable: 2}"),
          companion(scene, "maxUnavailable 1", "{maxUnavailable: 1}"));
    }
  }

  @Test
  @EnabledIfSystemProperty(named = Thorough.PROPERTY, matches = "true")
  void a_node_is_drained_and_uncordoned() {
    try (Scene scene = new Scene(functions.now(), "crash-drain", 2)) {
      guard(scene, 2);
      ObjectRef node = new ObjectRef("Node", "", scene.node(1));
      crash(
          scene,
          new Step(
              "a node is drained",
              () -> drain(scene, 1),
              node,
              () -> scene.guardedNodes().size() == 1),
          new Step(
              "a node is uncordoned",
              () -> scene.uncordon(1),
              node,
              () -> scene.guardedNodes().size() == 2));
    }
  }

  @Test
  @EnabledIfSystemProperty(named = Thorough.PROPERTY, matches = "true")
  void the_target_moves_while_held() {
    try (Scene scene = new Scene(functions.now(), "crash-move", 2)) {
      zone(scene, 1, "a");
      zone(scene, 2, "b");
      scene.daemonSet("target", inZone(scene, "a"));
      scene.daemonSet("follower", "{}");
      scene.companion("{}");
      scene.hold("rebuild");
      settle(scene, () -> scene.guardedNodes().size() == 1);
      crash(scene, move(scene, "b", 2), move(scene, "a", 1));
    }
  }

  @Test
  @EnabledIfSystemProperty(named = Thorough.PROPERTY, matches = "true")
  void a_companion_is_new() {
    try (Scene scene = new Scene(functions.now(), "crash-new", 2)) {
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      crashNew(scene, "a new Companion");
    }
  }

  @Test
  void a_companion_is_new_and_held() {
    try (Scene scene = new Scene(functions.now(), "crash-new-held", 2)) {
      scene.daemonSet("target", "{pool: %s}".formatted(scene.name));
      scene.hold("rebuild");
      crashNew(scene, "a new Companion that is held");
    }
  }

  private void crashNew(Scene scene, String name) {
    ObjectRef companion = new ObjectRef("Companion", scene.name, "agent");
    crash(
        scene,
        new Step(
            name,
            () -> {
              removeCompanion(scene);
              scene.companion("{}");
            },
            companion,
            () -> scene.guardedNodes().size() == 2));
  }

  private static Step companion(Scene scene, String name, String disruption) {
    return new Step(
        name,
        () -> scene.companion(disruption),
        new ObjectRef("Companion", scene.name, "agent"),
        () -> true);
  }

  private Step move(Scene scene, String zone, int node) {
    return new Step(
        "the target moves to zone " + zone,
        () -> {
          scene.daemonSet("target", inZone(scene, zone));
          await("the target in zone " + zone)
              .atMost(Scene.LONG)
              .until(() -> nodesOf(scene, "target").equals(List.of(scene.node(node))));
          scene.awaitCounted();
        },
        new ObjectRef("DaemonSet", scene.name, "target"),
        () ->
            nodesOf(scene, "follower").equals(List.of(scene.node(node)))
                && scene.guardedNodes().equals(Set.of(scene.node(node))));
  }

  /// Every step in turn: first as it should go, then with a cut at each call.
  private void crash(Scene scene, Step... steps) {
    try (BudgetHistory history = new BudgetHistory(lab, scene.name)) {
      List<Uncut> uncut = new ArrayList<>();
      for (Step step : steps) {
        uncut.add(uncut(scene, step, history));
      }
      this.steps += steps.length;
      int longest = uncut.stream().mapToInt(it -> it.calls().size()).max().orElseThrow();
      for (int call = 0; call < longest; call++) {
        cut(scene, uncut, history, new Cut(call, false));
        cut(scene, uncut, history, new Cut(call, true));
        System.out.printf("crash: %s: %d of %d calls%n", scene.name, call + 1, longest);
      }
      versions += history.size();
      for (Uncut it : uncut) {
        System.out.printf(
            "crash: %s: %d calls, %d of them writes: %s%n",
            it.step().name(),
            it.calls().size(),
            it.calls().stream().filter(CrashIT::isWrite).count(),
            it.calls().stream()
                .filter(CrashIT::isWrite)
                .map(call -> call.method() + " " + call.path().replaceAll(".*/|\\?.*", ""))
                .toList());
      }
    }
  }

  /// How a step goes when nothing comes between.
  ///
  /// @param calls what the functions asked the API server on its event
  /// @param repaired what was so right after the event
  /// @param settled what was so in the end
  private record Uncut(
      Step step,
      List<Exchange> calls,
      Map<String, PodDisruptionBudgetSpec> before,
      Map<String, PodDisruptionBudgetSpec> after,
      Map<String, Object> repaired,
      Map<String, Object> settled) {}

  private Uncut uncut(Scene scene, Step step, BudgetHistory history) {
    step.change().run();
    Map<String, PodDisruptionBudgetSpec> before = history.now();
    proxy.forget();
    assertThat(post(step)).isIn(200, 204);
    List<Exchange> calls = proxy.exchanges();
    Map<String, Object> repaired = essentials(scene, history);
    settle(scene, step.settled());
    return new Uncut(step, calls, before, history.now(), repaired, everything(scene, history));
  }

  /// Where a step is cut.
  ///
  /// @param killed after the call was executed; otherwise only cut off before it is
  private record Cut(int call, boolean killed) {
    boolean concerns(Uncut step) {
      return call < step.calls().size() && (!killed || isWrite(step.calls().get(call)));
    }

    String in(Uncut step) {
      Exchange at = step.calls().get(call);
      return "%s, %s call %d, %s %s"
          .formatted(
              step.step().name(),
              killed ? "killed in" : "cut before",
              call + 1,
              at.method(),
              at.path());
    }
  }

  /// The steps in turn; one that has no such call goes as it should.
  private void cut(Scene scene, List<Uncut> steps, BudgetHistory history, Cut cut) {
    if (steps.stream().noneMatch(cut::concerns)) {
      return;
    }
    for (Uncut uncut : steps) {
      Step step = uncut.step();
      step.change().run();
      if (!cut.concerns(uncut)) {
        repair(step, false);
        settle(scene, step.settled());
        continue;
      }
      String where = cut.in(uncut);
      int from = history.mark();
      if (cut.killed()) {
        proxy.cutAfter(cut.call(), functions::kill);
      } else {
        proxy.cutBefore(cut.call(), () -> {});
      }
      int answer = post(step);
      if (proxy.isCut()) {
        cuts++;
        if (!isReported()) {
          assertThat(answer).as(where).isEqualTo(UNAVAILABLE);
        }
      }
      proxy.mend();
      repair(step, cut.killed());
      assertThat(essentials(scene, history)).as(where).isEqualTo(uncut.repaired());
      settle(scene, step.settled());
      assertThat(everything(scene, history)).as(where).isEqualTo(uncut.settled());
      requireSafe(where, uncut, history.since(from));
    }
  }

  /// Whether the Companion's status says what came of the event. Then the answer is told, even if
  /// the pulse could not be set any more.
  private boolean isReported() {
    return proxy.exchanges().stream()
        .anyMatch(it -> isWrite(it) && it.path().endsWith("/companions/agent/status"));
  }

  /// After a cut the same event comes again; after a kill it is lost, and a pulse comes.
  private void repair(Step step, boolean lost) {
    for (int again = 0; again < RETRIES; again++) {
      int answer = lost ? pulse() : post(step);
      if (answer != UNAVAILABLE) {
        assertThat(answer).isIn(200, 204);
        return;
      }
    }
    throw new AssertionError(step.name() + ": still no answer after " + RETRIES + " more events");
  }

  /// From what it said before the event each budget goes to what it should say after it: never to
  /// anything else, and never back. What was closed stays closed until it may be open, and what is
  /// to be closed does not open once more; and Kubernetes never allows more than either says.
  private static void requireSafe(String where, Uncut uncut, List<Version> seen) {
    Map<String, Boolean> turned = new TreeMap<>();
    for (Version version : seen) {
      Optional<PodDisruptionBudgetSpec> before =
          Optional.ofNullable(uncut.before().get(version.budget()));
      Optional<PodDisruptionBudgetSpec> after =
          Optional.ofNullable(uncut.after().get(version.budget()));
      if (version.spec().equals(after)) {
        turned.put(version.budget(), true);
      } else {
        assertThat(version.spec()).as(where + ": " + seen).isEqualTo(before);
        assertThat(turned).as(where + ": " + seen).doesNotContainKey(version.budget());
      }
      int most = Math.max(most(uncut.before()), most(uncut.after()));
      assertThat(version.allowed()).as(where + ": " + version).isLessThanOrEqualTo(most);
    }
  }

  /// How many nodes may go at once, at most: no step sets a higher maxUnavailable.
  private static int most(Map<String, PodDisruptionBudgetSpec> budgets) {
    return Optional.ofNullable(budgets.get("agent-nodes"))
        .filter(it -> !BudgetHistory.isClosed(it))
        .map(_ -> 2)
        .orElse(0);
  }

  private static boolean isWrite(Exchange call) {
    return !call.method().equals("GET");
  }

  private int post(Step step) {
    ObjectRef object = step.event();
    return status(it -> it.changed(object.kind(), object.namespace(), object.name()));
  }

  private int pulse() {
    return status(Installation::pulse);
  }

  /// A sender who had to wait too long gives up and sends again, as after a 503.
  private int status(Function<Installation, HttpResponse<String>> event) {
    try {
      return event.apply(functions.now()).statusCode();
    } catch (UncheckedIOException e) {
      if (e.getCause() instanceof HttpTimeoutException) {
        return UNAVAILABLE;
      }
      throw e;
    }
  }

  /// Pulses until it is so, and there is nothing more to write.
  private void settle(Scene scene, Supplier<Boolean> settled) {
    await("what " + scene.name + " should come to")
        .atMost(Scene.LONG)
        .pollDelay(Duration.ZERO)
        .until(
            () -> {
              proxy.forget();
              return pulse() != UNAVAILABLE
                  && proxy.exchanges().stream().noneMatch(CrashIT::isWrite)
                  && settled.get()
                  && isCounted(scene);
            });
  }

  /// Whether Kubernetes itself is done.
  private boolean isCounted(Scene scene) {
    Deployment guards =
        client.apps().deployments().inNamespace(scene.name).withName("agent-guards").get();
    DaemonSet follower = scene.daemonSet("follower");
    return guards != null
        && Objects.equals(
            guards.getStatus().getObservedGeneration(), guards.getMetadata().getGeneration())
        && Objects.equals(guards.getStatus().getReplicas(), guards.getSpec().getReplicas())
        && Objects.equals(
            follower.getStatus().getObservedGeneration(), follower.getMetadata().getGeneration());
  }

  /// What an event has to put right at once, whatever was left undone before it.
  private Map<String, Object> essentials(Scene scene, BudgetHistory history) {
    Map<String, Object> state = new TreeMap<>(history.now());
    var template = scene.daemonSet("follower").getSpec().getTemplate().getSpec();
    state.put("nodeSelector", template.getNodeSelector());
    state.put("affinity", String.valueOf(template.getAffinity()));
    state.put("tolerations", template.getTolerations());
    state.put("DisruptionAllowed", scene.condition("DisruptionAllowed"));
    state.put("Placed", scene.condition("Placed"));
    state.put(
        "guards",
        Optional.ofNullable(
                client.apps().deployments().inNamespace(scene.name).withName("agent-guards").get())
            .map(it -> it.getSpec().getReplicas() + " " + comparable(it).hashCode())
            .orElse("none"));
    return state;
  }

  private static PodTemplateSpec comparable(Deployment guards) {
    return guards
        .getSpec()
        .getTemplate()
        .edit()
        .editMetadata()
        .removeFromLabels(BudgetHistory.UID_LABEL)
        .endMetadata()
        .build();
  }

  private Map<String, Object> everything(Scene scene, BudgetHistory history) {
    Map<String, Object> state = essentials(scene, history);
    CompanionStatus status = scene.companion().getStatus();
    state.put("observed", status.observedGeneration() != null);
    state.put("guarded", scene.guardedNodes());
    state.put("waiting", scene.guards().stream().filter(it -> !Scene.isReady(it)).count());
    state.put("count", status.guards());
    state.put("blockedNodes", status.blockedNodes());
    state.put("unguardedNodes", status.unguardedNodes());
    state.put(
        "reasons",
        Optional.ofNullable(status.reasons()).orElse(List.of()).stream()
            .map(it -> it.type() + " " + it.name() + " " + it.message())
            .toList());
    state.put("drained", Optional.ofNullable(status.drainedNodes()).map(it -> it.nodes()));
    state.put("conditions", conditions(status.conditions()));
    client
        .resources(Hold.class)
        .inNamespace(scene.name)
        .list()
        .getItems()
        .forEach(
            it ->
                state.put(
                    "Hold " + it.getMetadata().getName(),
                    it.getStatus() == null ? "" : conditions(it.getStatus().conditions())));
    return state;
  }

  /// But for the times, which differ.
  private static List<String> conditions(List<Condition> conditions) {
    return conditions.stream()
        .map(
            it ->
                "%s %s %s %s"
                    .formatted(it.getType(), it.getStatus(), it.getReason(), it.getMessage()))
        .map(it -> it.replaceAll("[-0-9]+T[:.0-9]+Z", "TIME"))
        .sorted()
        .toList();
  }

  private void guard(Scene scene, int nodes) {
    scene.withCompanion("{}");
    settle(scene, () -> scene.guardedNodes().size() == nodes);
  }

  private void release(Scene scene) {
    client.resources(Hold.class).inNamespace(scene.name).withName("rebuild").delete();
  }

  private void drain(Scene scene, int node) {
    cordon(scene, node);
    scene.awaitAllowed("agent-nodes", 1);
    String guard =
        scene.guards().stream()
            .filter(it -> scene.node(node).equals(it.getSpec().getNodeName()))
            .findFirst()
            .orElseThrow()
            .getMetadata()
            .getName();
    assertThat(PodEviction.evict(client, scene.name, guard)).isEqualTo(PodEviction.PASSED);
    await("a guard that waits")
        .atMost(Scene.LONG)
        .until(
            () -> {
              List<Pod> guards = scene.guards();
              return guards.size() == 2
                  && guards.stream().noneMatch(it -> it.getMetadata().getName().equals(guard))
                  && isCounted(scene);
            });
  }

  private void cordon(Scene scene, int node) {
    lab.kubectl("cordon", scene.node(node)).orFail();
  }

  private void zone(Scene scene, int node, String zone) {
    lab.kubectl("label", "node", scene.node(node), "zone=" + zone).orFail();
  }

  private static String inZone(Scene scene, String zone) {
    return "{pool: %s, zone: %s}".formatted(scene.name, zone);
  }

  private List<String> nodesOf(Scene scene, String app) {
    return client.pods().inNamespace(scene.name).withLabel("app", app).list().getItems().stream()
        .map(it -> Scene.isReady(it) ? it.getSpec().getNodeName() : "not ready")
        .sorted()
        .toList();
  }

  /// As if there had never been one: the follower has no placement either.
  private void removeCompanion(Scene scene) {
    client.resources(Companion.class).inNamespace(scene.name).withName("agent").delete();
    client.apps().daemonSets().inNamespace(scene.name).withName("follower").delete();
    await("nothing made")
        .atMost(Scene.LONG)
        .until(
            () ->
                scene.guards().isEmpty()
                    && scene.runningPods("follower").isEmpty()
                    && scene.budget("agent-nodes") == null
                    && scene.budget("agent-pods") == null
                    && scene.daemonSet("follower") == null
                    && client
                            .apps()
                            .deployments()
                            .inNamespace(scene.name)
                            .withName("agent-guards")
                            .get()
                        == null);
    scene.daemonSet("follower", "{}");
    scene.awaitPods("follower", 2);
    scene.awaitCounted();
  }
}
