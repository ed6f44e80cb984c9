package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.PodConditionBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetSpec;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.quarkus.test.common.QuarkusTestResource;
import io.quarkus.test.junit.QuarkusTest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// What holds for every order of events, on the real API server: a random walk of changes to one
/// scene, cut into schedules. In each, events come to two functions processes at once, late, in any
/// order, or never; then comes one pulse, and after it what Kubernetes itself changes.
///
/// At every version of every budget: it is closed while a Hold says that it is enforced, and lets
/// no more go than maxUnavailable. And no status says that drains are blocked while one would pass.
/// `-Dchaperone.seed=…` repeats a walk, `-Dchaperone.schedules=…` makes it longer.
@QuarkusTest
@QuarkusTestResource(OnTheLab.class)
class AnyOrderIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final int SCHEDULES =
      Integer.getInteger("chaperone.schedules", Thorough.times(60, 200));
  private static final int NODES = 4;

  private static final String NODES_BUDGET = "agent-nodes";
  private static final String PODS_BUDGET = "agent-pods";
  private static final String UNHEALTHY_BUDGET = "agent-unhealthy";

  /// What a budget says that has no guard any more: it lets nothing go.
  private static final IntOrString UNUSED = new IntOrString(0);

  private static final String API_SERVICE = "v1.gate.example.com";
  private static final String ZONE = "topology.kubernetes.io/zone";
  private static final String ONE_ZONE_AT_A_TIME = "topologyKey: " + ZONE;

  /// What a Companion can say of which nodes may go first.
  private static final List<String> WHICH_NODES =
      List.of(
          "unhealthyNodeEvictionPolicy: IfNothingHolds",
          "unhealthyNodeEvictionPolicy: IfBudgetAllows",
          ONE_ZONE_AT_A_TIME);

  private static final int UNAVAILABLE = 503;
  private static final int STEPS = 26;

  private Installation chaperone;

  @Test
  void no_order_of_events_opens_what_is_enforced_or_lets_a_status_lie() {
    // The same walk each time where it decides about a change; another one where there is time.
    long seed =
        Long.getLong(
            "chaperone.seed", Boolean.getBoolean(Thorough.PROPERTY) ? System.nanoTime() : 1);
    System.out.printf("AnyOrderIT: %d schedules from seed %d%n", SCHEDULES, seed);
    installGates();
    try (FunctionsOnDemand other = otherFunctions();
        Scene scene = new Scene(chaperone, "any-order", NODES);
        BudgetHistory budgets = new BudgetHistory(chaperone.lab(), scene.name);
        HoldHistory holds = new HoldHistory(chaperone.lab(), scene.name)) {
      Walk walk =
          new Walk(
              scene,
              new Random(seed),
              new Installation(chaperone.lab(), other.address(), HOME.resolve("triggers")),
              budgets,
              holds);
      walk.begin();
      for (int schedule = 1; schedule <= SCHEDULES; schedule++) {
        try {
          walk.schedule();
        } catch (AssertionError | RuntimeException e) {
          throw new AssertionError(
              "seed %d, schedule %d: %s%n%s"
                  .formatted(seed, schedule, walk.history, e.getMessage()),
              e);
        }
        if (schedule % 20 == 0) {
          System.out.printf(
              "AnyOrderIT: %d of %d schedules; %d events delivered, %d lost; %d versions of budgets, %d evictions refused, %d passed%n",
              schedule,
              SCHEDULES,
              walk.delivered,
              walk.lost,
              walk.versions,
              walk.refused,
              walk.passed);
        }
      }
    }
  }

  private FunctionsOnDemand otherFunctions() {
    return FunctionsOnDemand.start(
        FunctionsCommand.fastest(FunctionsCommand.built(HOME)),
        Map.of("KUBECONFIG", chaperone.lab().kubeconfig("chaperone", "functions").toString()),
        Duration.ofHours(1),
        chaperone.lab().folder().resolve("functions-other.log"));
  }

  /// A kind to observe whose API can go away by itself.
  private void installGates() {
    chaperone
        .lab()
        .apply(
            """
            apiVersion: apiextensions.k8s.io/v1
            kind: CustomResourceDefinition
            metadata: {name: gates.gate.example.com}
            spec:
              group: gate.example.com
              scope: Namespaced
              names: {kind: Gate, plural: gates, singular: gate}
              versions:
              - name: v1
                served: true
                storage: true
                schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
            ---
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRole
            metadata:
              name: observe-gates
              labels: {chaperone.dev/aggregate-to-observe: "true"}
            rules:
            - {apiGroups: [gate.example.com], resources: [gates], verbs: [get]}
            """);
  }

  private static boolean isWaiting(Pod guard) {
    return guard.getSpec().getNodeName() == null
        && guard.getMetadata().getDeletionTimestamp() == null;
  }

  private final class Walk {
    private final Scene scene;
    private final Random random;
    private final Installation other;
    private final BudgetHistory budgets;
    private final HoldHistory holds;
    private final KubernetesClient client = chaperone.lab().client();
    private final Truth truth;

    /// What was done in the present schedule, for the message of a failure.
    private final List<String> history = Collections.synchronizedList(new ArrayList<>());

    /// uid and generation of budgets' specs that were written by hand.
    private final Set<String> byHand = new HashSet<>();

    private String policy = "Auto";
    private String whichNodes = WHICH_NODES.getFirst();

    /// Whether the functions have seen that zones go one at a time, and nothing has changed that.
    private boolean areZonesApart;

    /// Nodes whose guards were evicted in the present schedule.
    private final Set<Integer> drained = new TreeSet<>();

    private IntOrString maxUnavailable = new IntOrString(1);
    private boolean gateClosed;
    private boolean apiDown;
    private boolean tolerates;
    private int may;
    private int delivered;
    private int lost;
    private int versions;
    private int refused;
    private int passed;

    Walk(Scene scene, Random random, Installation other, BudgetHistory budgets, HoldHistory holds) {
      this.scene = scene;
      this.random = random;
      this.other = other;
      this.budgets = budgets;
      this.holds = holds;
      this.truth = new Truth(client, scene.name);
    }

    void begin() {
      await("the kind Gate")
          .atMost(Scene.LONG)
          .ignoreExceptions()
          .until(
              () -> {
                gate(false);
                return true;
              });
      IntStream.rangeClosed(1, NODES).forEach(this::labelZone);
      target();
      scene.daemonSet("follower", "{}");
      companion();
      may = scaled(2 * NODES);
      settle();
    }

    void schedule() {
      history.clear();
      drained.clear();
      List<ObjectRef> late = new ArrayList<>();
      int from = budgets.mark();
      holds.forget();
      may = scaled(2 * NODES);
      if (policy.equals("AlwaysAllow")) {
        // Or most of a walk would show nothing.
        policy = "Auto";
        companion();
      }
      int steps = 2 + random.nextInt(4);
      for (int i = 0; i < steps; i++) {
        ObjectRef event = change();
        may = Math.max(may, scaled(2 * NODES));
        switch (random.nextInt(3)) {
          case 0 -> deliverTwice(event);
          case 1 -> late.add(event);
          default -> lost++;
        }
      }
      Collections.shuffle(late, random);
      late.forEach(this::deliverTwice);
      if (areZonesApart) {
        drainSome();
      }
      settle();
      requireSafe(budgets.since(from));
    }

    /// At no version did a budget let go what must not.
    private void requireSafe(List<BudgetHistory.Version> since) {
      versions += since.size();
      for (BudgetHistory.Version version : since) {
        if (version.spec().isEmpty()
            || BudgetHistory.isClosed(version.spec().get())
            || UNUSED.equals(version.spec().get().getMaxUnavailable())
            || byHand.contains(version.uid() + " " + version.generation())) {
          continue;
        }
        assertThat(holds.enforcedAt(Long.parseLong(version.resourceVersion())))
            .as("Holds that said they are enforced when %s", version)
            .isEmpty();
        if (version.counted() && version.budget().equals(NODES_BUDGET)) {
          assertThat(version.allowed()).as("%s", version).isLessThanOrEqualTo(may);
        }
      }
    }

    /// Does something to the scene, and gives the event that tells of it.
    private ObjectRef change() {
      int number = 1 + random.nextInt(NODES);
      String hold = "hold-" + random.nextInt(2);
      return switch (random.nextInt(STEPS)) {
        case 0, 1 -> {
          scene.hold(hold);
          yield did("hold", "Hold", scene.name, hold);
        }
        case 2 -> {
          String ofOneNode = "node-hold-" + number % 2;
          if (random.nextBoolean()) {
            client.resources(Hold.class).inNamespace(scene.name).withName(ofOneNode).delete();
            yield did("release node", "Hold", scene.name, ofOneNode);
          }
          scene.holdNode(ofOneNode, number);
          yield did("hold node " + number, "Hold", scene.name, ofOneNode);
        }
        case 3, 4, 5 -> {
          client.resources(Hold.class).inNamespace(scene.name).withName(hold).delete();
          yield did("release", "Hold", scene.name, hold);
        }
        case 6, 7 -> {
          cordon(number, true);
          evict(number);
          yield did("drain " + number, "Pod", scene.name, "guard-of-" + number);
        }
        case 8 -> {
          cordon(number, false);
          yield did("uncordon", "Node", "", scene.node(number));
        }
        case 9 -> {
          scene.guards().stream()
              .skip(random.nextInt(NODES))
              .findFirst()
              .ifPresent(guard -> client.resource(guard).withGracePeriod(0).delete());
          yield did("delete a guard", "Deployment", scene.name, "agent-guards");
        }
        case 10 -> {
          maxUnavailable =
              List.of(new IntOrString(1), new IntOrString(2), new IntOrString("50%"))
                  .get(random.nextInt(3));
          policy = random.nextInt(4) == 0 ? "AlwaysAllow" : "Auto";
          whichNodes = WHICH_NODES.get(random.nextInt(WHICH_NODES.size()));
          areZonesApart = false;
          companion();
          yield did(
              "%s %s %s".formatted(policy, text(maxUnavailable), whichNodes),
              "Companion",
              scene.name,
              "agent");
        }
        case 11 -> {
          if (nodes().contains(scene.node(number))) {
            scene.deleteNode(number);
            yield did("delete node", "Node", "", scene.node(number));
          }
          addNode(number);
          yield did("add node", "DaemonSet", scene.name, "target");
        }
        case 12 -> {
          // As many as before, so that no count shows it.
          int another = number + NODES;
          boolean there = nodes().contains(scene.node(number));
          if (there == nodes().contains(scene.node(another))) {
            yield did("nothing", "Node", "", scene.node(number));
          }
          addNode(there ? another : number);
          scene.deleteNode(there ? number : another);
          yield did("replace node", "Node", "", scene.node(there ? another : number));
        }
        case 13 -> {
          taint(number, true);
          if (hasTarget()) {
            scene.recount("target");
          }
          yield did("taint", "DaemonSet", scene.name, "target");
        }
        case 14 -> {
          boolean all =
              !enforced().isEmpty() && !policy.equals("AlwaysAllow") && random.nextBoolean();
          foreignGuards(all);
          yield did(all ? "foreign guards" : "pods like guards", "Pod", scene.name, "foreign-1");
        }
        case 15 -> {
          slowGuard();
          yield did("a guard that takes its time", "Pod", scene.name, "a-guard");
        }
        case 16 -> {
          ready(random.nextInt(NODES), false);
          yield did("a guard is not ready", "PodDisruptionBudget", scene.name, NODES_BUDGET);
        }
        case 17 -> {
          tolerates = !tolerates;
          target();
          yield did("guards of another template", "DaemonSet", scene.name, "target");
        }
        case 18 -> {
          patchGuards(
              "{\"spec\": {\"template\": {\"metadata\": {\"annotations\": {\"by\": \"hand\"}}}}}");
          yield did("template by hand", "Deployment", scene.name, "agent-guards");
        }
        case 19 -> {
          patchGuards("{\"spec\": {\"replicas\": %d}}".formatted(random.nextInt(2 * NODES)));
          yield did("scale by hand", "Deployment", scene.name, "agent-guards");
        }
        case 20 -> {
          budgetByHand();
          yield did("budget by hand", "PodDisruptionBudget", scene.name, NODES_BUDGET);
        }
        case 21 -> {
          boolean away = hasTarget();
          if (away) {
            chaperone
                .lab()
                .kubectl("delete", "daemonset", "target", "-n", scene.name, "--cascade=orphan")
                .orFail();
          } else {
            target();
          }
          yield did(away ? "target away" : "target back", "DaemonSet", scene.name, "target");
        }
        case 22 -> {
          if (random.nextBoolean()) {
            apiDown(!apiDown);
          } else if (!apiDown) {
            gate(!gateClosed);
          }
          yield did(
              "gate closed %s, down %s".formatted(gateClosed, apiDown), "Gate", scene.name, "gate");
        }
        case 23, 24 -> {
          targets()
              .filter(it -> scene.node(number).equals(it.getSpec().getNodeName()))
              .forEach(it -> setReady(it, false));
          yield did("the target is not ready on " + number, "DaemonSet", scene.name, "target");
        }
        default -> {
          wipeStatus();
          yield did("status wiped", "Companion", scene.name, "agent");
        }
      };
    }

    private ObjectRef did(String what, String kind, String namespace, String name) {
      history.add(what + " " + name);
      return new ObjectRef(kind, namespace, name);
    }

    /// To both processes at the same time. Whatever else is going on, what an event leaves behind
    /// is closed if anything that the API server shows says so.
    private void deliverTwice(ObjectRef event) {
      history.add("event of " + event);
      Stream.of(chaperone, other)
          .map(it -> CompletableFuture.runAsync(() -> deliver(it, event)))
          .toList()
          .forEach(CompletableFuture::join);
      delivered += 2;
      if (shouldBeClosed()) {
        assertThat(isClosed()).as("closed").isTrue();
      }
    }

    /// As Knative does: once more when sending it again can help.
    private void deliver(Installation functions, ObjectRef event) {
      await("an answer to the event of " + event)
          .atMost(Scene.LONG)
          .pollDelay(Duration.ZERO)
          .until(
              () -> {
                int status =
                    functions.changed(event.kind(), event.namespace(), event.name()).statusCode();
                assertThat(status).isIn(200, 204, UNAVAILABLE);
                return status != UNAVAILABLE;
              });
    }

    /// Brings everything back, so that the end does not depend on what was done to it; none of that
    /// is told but by one pulse, which comes when Kubernetes' own controllers are done. From then
    /// on events come as they should.
    void settle() {
      for (int number = 1; number <= 2 * NODES; number++) {
        if (nodes().contains(scene.node(number))) {
          cordon(number, false);
          taint(number, false);
        }
      }
      if (!hasTarget()) {
        target();
      }
      client.pods().inNamespace(scene.name).withLabel("foreign").withGracePeriod(0).delete();
      apiDown(false);
      Set<String> nodes = nodes();
      for (String daemonSet : List.of("target", "follower")) {
        await(daemonSet + " on " + nodes)
            .atMost(Scene.LONG)
            .pollInterval(Scene.HALF_A_SECOND)
            .pollDelay(Duration.ZERO)
            .until(
                () -> {
                  scene.recount(daemonSet);
                  playGarbageCollector(nodes);
                  playKubelet();
                  return runsOn(daemonSet, nodes.size());
                });
      }
      assertThat(chaperone.pulse().statusCode()).isIn(200, 204, UNAVAILABLE);
      history.add("pulse");
      if (shouldBeClosed()) {
        assertThat(isClosed()).as("closed").isTrue();
      }
      await("guards on %s, closed: %s".formatted(nodes, shouldBeClosed()))
          .atMost(Scene.LONG)
          .pollInterval(Duration.ofMillis(200))
          .pollDelay(Duration.ZERO)
          .until(
              () -> {
                playKubelet();
                deliver(chaperone, new ObjectRef("Pod", scene.name, "a-guard"));
                return scene.guards().size() == nodes.size()
                    && scene.guardedNodes().equals(nodes)
                    && isClosed() == shouldBeClosed()
                    && scene.guards().stream()
                        .noneMatch(it -> it.getMetadata().getLabels().containsKey(Made.UNHEALTHY))
                    && isSaid(nodes.size());
              });
      truth.require();
      areZonesApart = whichNodes.equals(ONE_ZONE_AT_A_TIME);
      if (!shouldBeClosed()) {
        int may = scaled(nodes.size());
        requireStaying(NODES_BUDGET, nodes.size() - heldNodes().size() - (areZonesApart ? 1 : may));
        requireStaying(PODS_BUDGET, nodes.size() - may);
      }
    }

    private void requireStaying(String budget, int pods) {
      assertThat(scene.budget(budget).getSpec().getMinAvailable())
          .as(budget)
          .isEqualTo(new IntOrString(Math.max(0, pods)));
    }

    private void addNode(int number) {
      scene.addNode(number);
      labelZone(number);
    }

    private void labelZone(int number) {
      patch(number, "{\"metadata\": {\"labels\": {\"%s\": \"%s\"}}}".formatted(ZONE, zone(number)));
    }

    private static String zone(int number) {
      return number % 2 == 0 ? "even" : "odd";
    }

    /// Drains of nodes of all zones, of some of which the functions hear.
    private void drainSome() {
      for (int i = 0; i < 2 * NODES; i++) {
        int number = 1 + random.nextInt(NODES);
        if (nodes().contains(scene.node(number))) {
          cordon(number, true);
          evict(number);
          ObjectRef event = did("drain " + number, "Node", "", scene.node(number));
          if (random.nextBoolean()) {
            deliver(chaperone, event);
          }
        }
      }
    }

    /// Zones of which nodes were drained and are not back.
    private Set<String> zonesOut() {
      Set<String> guarded =
          GuardEvictions.of(scene).running().stream()
              .map(it -> it.getSpec().getNodeName())
              .collect(Collectors.toSet());
      return drained.stream()
          .filter(it -> nodes().contains(scene.node(it)))
          .filter(it -> !guarded.contains(scene.node(it)))
          .map(Walk::zone)
          .collect(Collectors.toSet());
    }

    /// Whether the status says what is there now.
    private boolean isSaid(int nodes) {
      CompanionStatus status = scene.companion().getStatus();
      return status.guards() != null
          && status.guards().running() == nodes
          && status.guards().desired() == nodes
          && holds()
              .filter(it -> heldNodes().contains(it.getSpec().nodeName()))
              .allMatch(it -> enforced().contains(it.getMetadata().getUid()))
          && scene.condition("DisruptionAllowed").startsWith(shouldBeClosed() ? "False " : "True ");
    }

    private boolean hasTarget() {
      return client.apps().daemonSets().inNamespace(scene.name).withName("target").get() != null;
    }

    private boolean shouldBeClosed() {
      return policy.equals("Auto")
          && (gateClosed || apiDown || holds().anyMatch(it -> it.getSpec().nodeName() == null));
    }

    private Stream<Hold> holds() {
      return client.resources(Hold.class).inNamespace(scene.name).list().getItems().stream();
    }

    /// Nodes with a guard that a Hold holds by itself.
    private Set<String> heldNodes() {
      Set<String> guarded = scene.guardedNodes();
      return policy.equals("Auto")
          ? holds()
              .map(it -> it.getSpec().nodeName())
              .filter(Objects::nonNull)
              .filter(guarded::contains)
              .collect(Collectors.toSet())
          : new HashSet<>();
    }

    private boolean isClosed() {
      boolean nodes = BudgetHistory.isClosed(scene.budget(NODES_BUDGET).getSpec());
      boolean pods = BudgetHistory.isClosed(scene.budget(PODS_BUDGET).getSpec());
      PodDisruptionBudgetSpec ofUnhealthy = scene.budget(UNHEALTHY_BUDGET).getSpec();
      boolean unhealthy =
          BudgetHistory.isClosed(ofUnhealthy) || UNUSED.equals(ofUnhealthy.getMaxUnavailable());
      return nodes && pods && unhealthy;
    }

    private Set<String> enforced() {
      return client.resources(Hold.class).inNamespace(scene.name).list().getItems().stream()
          .filter(it -> it.getStatus() != null && it.getStatus().conditions() != null)
          .filter(
              it ->
                  Objects.requireNonNull(it.getStatus().conditions()).stream()
                      .anyMatch(
                          condition ->
                              condition.getType().equals("Enforced")
                                  && condition.getStatus().equals("True")))
          .map(it -> it.getMetadata().getUid())
          .collect(Collectors.toSet());
    }

    private int scaled(int nodes) {
      return maxUnavailable.getStrVal() == null
          ? maxUnavailable.getIntVal()
          : Math.ceilDiv(nodes, 2);
    }

    private boolean runsOn(String daemonSet, int nodes) {
      DaemonSet it = client.apps().daemonSets().inNamespace(scene.name).withName(daemonSet).get();
      return it.getMetadata().getGeneration().equals(it.getStatus().getObservedGeneration())
          && it.getStatus().getDesiredNumberScheduled() == nodes
          && it.getStatus().getNumberMisscheduled() == 0
          && Objects.requireNonNullElse(it.getStatus().getNumberReady(), 0) == nodes;
    }

    private void target() {
      String tolerations =
          tolerates ? "[{key: example.com/sick, operator: Exists, effect: NoExecute}]" : "[]";
      scene.apply(
          """
          apiVersion: apps/v1
          kind: DaemonSet
          metadata: {name: target, namespace: %1$s}
          spec:
            selector: {matchLabels: {app: target}}
            updateStrategy: {rollingUpdate: {maxUnavailable: 100%%}}
            template:
              metadata: {labels: {app: target}}
              spec:
                nodeSelector: {pool: %1$s}
                tolerations: %2$s
                containers: [{name: main, image: none}]
          """
              .formatted(scene.name, tolerations));
    }

    private void companion() {
      scene.companion(
          """
          {policy: %s, maxUnavailable: %s, %s, observe: [{as: gate, apiVersion: gate.example.com/v1, resource: gates, name: gate}], holdWhen: [{name: gate, expression: gate.closed}]}
          """
              .formatted(policy, text(maxUnavailable), whichNodes)
              .strip());
    }

    private void gate(boolean closed) {
      scene.apply(
          """
          apiVersion: gate.example.com/v1
          kind: Gate
          metadata: {name: gate, namespace: %s}
          closed: %s
          """
              .formatted(scene.name, closed));
      gateClosed = closed;
    }

    /// Sends the API to a Service that does not exist, or back to where it is served.
    private void apiDown(boolean down) {
      if (down == apiDown) {
        return;
      }
      var service = client.genericKubernetesResources("apiregistration.k8s.io/v1", "APIService");
      if (down) {
        service
            .withName(API_SERVICE)
            .patch(
                PatchContext.of(PatchType.JSON_MERGE),
                "{\"metadata\": {\"labels\": {\"kube-aggregator.kubernetes.io/automanaged\": null}}, \"spec\": {\"insecureSkipTLSVerify\": true, \"service\": {\"name\": \"none\", \"namespace\": \"default\"}}}");
      } else {
        service.withName(API_SERVICE).delete();
      }
      await("gates served: " + !down).atMost(Scene.LONG).until(() -> isServed() == !down);
      apiDown = down;
    }

    private boolean isServed() {
      try {
        return client
                .genericKubernetesResources("gate.example.com/v1", "Gate")
                .inNamespace(scene.name)
                .withName("gate")
                .get()
            != null;
      } catch (KubernetesClientException e) {
        return false;
      }
    }

    /// @param all also what only a guard should carry; then until the closed budget counts them
    private void foreignGuards(boolean all) {
      String uid = scene.companion().getMetadata().getUid();
      for (int i = 1; i <= 2; i++) {
        Pod pod =
            new PodBuilder()
                .withNewMetadata()
                .withNamespace(scene.name)
                .withName("foreign-" + i)
                .addToLabels("foreign", "yes")
                .addToLabels("app.kubernetes.io/component", "guard")
                .addToLabels("chaperone.dev/companion", "agent")
                .addToLabels(all ? Map.of("chaperone.dev/companion-uid", uid) : Map.of())
                .endMetadata()
                .withNewSpec()
                .addNewContainer()
                .withName("main")
                .withImage("none")
                .endContainer()
                .endSpec()
                .build();
        if (client.resource(pod).get() == null) {
          client.resource(pod).create();
        }
      }
      if (all) {
        await("a count of foreign guards").atMost(Scene.LONG).until(() -> areCounted(uid));
      }
    }

    private boolean areCounted(String uid) {
      List<Pod> all =
          client
              .pods()
              .inNamespace(scene.name)
              .withLabel("chaperone.dev/companion-uid", uid)
              .list()
              .getItems();
      return all.stream()
              .filter(pod -> pod.getMetadata().getLabels().containsKey("foreign"))
              .allMatch(Scene::isReady)
          && scene.budget(NODES_BUDGET).getStatus().getCurrentHealthy()
              == all.stream().filter(Scene::isReady).count();
    }

    /// A guard whose kubelet takes until the end of the schedule to start it, if there is one that
    /// waits for its node: KWOK starts what has no address yet.
    private void slowGuard() {
      scene.guards().stream()
          .findFirst()
          .ifPresent(guard -> client.resource(guard).withGracePeriod(0).delete());
      await("as many guards as replicas")
          .atMost(Scene.LONG)
          .until(() -> GuardEvictions.of(scene).guards().size() == replicas());
      scene.guards().stream().filter(AnyOrderIT::isWaiting).forEach(this::giveAddress);
    }

    /// As many as somebody may have asked for by hand.
    private int replicas() {
      return client
          .apps()
          .deployments()
          .inNamespace(scene.name)
          .withName("agent-guards")
          .get()
          .getSpec()
          .getReplicas();
    }

    private void giveAddress(Pod guard) {
      editStatus(guard, it -> it.editStatus().withPodIP("10.9.9.9").endStatus());
    }

    /// Starts every guard that has a node, and makes all of them ready.
    private void playKubelet() {
      Stream.concat(scene.guards().stream(), targets())
          .filter(pod -> pod.getSpec().getNodeName() != null)
          .filter(pod -> pod.getStatus().getPodIP() != null)
          .forEach(pod -> setReady(pod, true));
    }

    private Stream<Pod> targets() {
      return client
          .pods()
          .inNamespace(scene.name)
          .withLabel("app", "target")
          .list()
          .getItems()
          .stream();
    }

    /// Kubernetes clears guards away that are being deleted on a node that is gone; it takes a
    /// minute.
    private void playGarbageCollector(Set<String> nodes) {
      scene.guards().stream()
          .filter(guard -> guard.getMetadata().getDeletionTimestamp() != null)
          .filter(
              guard ->
                  !nodes.contains(Objects.requireNonNullElse(guard.getSpec().getNodeName(), "")))
          .forEach(guard -> client.resource(guard).withGracePeriod(0).delete());
    }

    private void ready(int index, boolean ready) {
      scene.guards().stream()
          .filter(it -> "Running".equals(it.getStatus().getPhase()))
          .skip(index)
          .findFirst()
          .ifPresent(guard -> setReady(guard, ready));
    }

    private void setReady(Pod pod, boolean ready) {
      if (pod.getMetadata().getDeletionTimestamp() != null
          || (Scene.isReady(pod) == ready && "Running".equals(pod.getStatus().getPhase()))) {
        return;
      }
      editStatus(
          pod,
          it ->
              it.editStatus()
                  .withPhase("Running")
                  .removeMatchingFromConditions(condition -> "Ready".equals(condition.getType()))
                  .addToConditions(
                      new PodConditionBuilder()
                          .withType("Ready")
                          .withStatus(ready ? "True" : "False")
                          .build())
                  .endStatus());
    }

    private void editStatus(Pod pod, UnaryOperator<PodBuilder> kubelet) {
      try {
        client.resource(pod).editStatus(it -> kubelet.apply(new PodBuilder(it)).build());
      } catch (KubernetesClientException e) {
        // Gone meanwhile, or written by somebody else.
        history.add("kubelet: " + e.getCode());
      }
    }

    private void patchGuards(String merge) {
      try {
        client
            .apps()
            .deployments()
            .inNamespace(scene.name)
            .withName("agent-guards")
            .patch(PatchContext.of(PatchType.JSON_MERGE), merge);
      } catch (KubernetesClientException e) {
        history.add("patch: " + e.getCode());
      }
    }

    private void budgetByHand() {
      String spec =
          List.of(
                  "{\"minAvailable\": null, \"maxUnavailable\": 3}",
                  "{\"minAvailable\": 1, \"maxUnavailable\": null}",
                  "{\"unhealthyPodEvictionPolicy\": \"AlwaysAllow\"}",
                  "{\"selector\": {\"matchLabels\": {\"app\": \"other\"}}}")
              .get(random.nextInt(4));
      PodDisruptionBudget edited =
          client
              .policy()
              .v1()
              .podDisruptionBudget()
              .inNamespace(scene.name)
              .withName(NODES_BUDGET)
              .patch(PatchContext.of(PatchType.JSON_MERGE), "{\"spec\": %s}".formatted(spec));
      byHand.add(edited.getMetadata().getUid() + " " + edited.getMetadata().getGeneration());
    }

    private void wipeStatus() {
      client
          .resources(Companion.class)
          .inNamespace(scene.name)
          .withName("agent")
          .subresource("status")
          .patch(PatchContext.of(PatchType.JSON_MERGE), "{\"status\": null}");
    }

    private Set<String> nodes() {
      return client.nodes().withLabel("pool", scene.name).list().getItems().stream()
          .map(node -> node.getMetadata().getName())
          .collect(Collectors.toCollection(TreeSet::new));
    }

    private void cordon(int number, boolean cordoned) {
      patch(number, "{\"spec\": {\"unschedulable\": %s}}".formatted(cordoned ? "true" : "null"));
    }

    private void taint(int number, boolean tainted) {
      String taints = tainted ? "[{\"key\": \"maintenance\", \"effect\": \"NoSchedule\"}]" : "null";
      patch(number, "{\"spec\": {\"taints\": %s}}".formatted(taints));
    }

    private void patch(int number, String merge) {
      if (nodes().contains(scene.node(number))) {
        client
            .nodes()
            .withName(scene.node(number))
            .patch(PatchContext.of(PatchType.JSON_MERGE), merge);
      }
    }

    /// As a drain would ask for it. One that passes although a Hold said before and after that it
    /// is enforced is what must never be, but for a guard that somebody just now made evictable by
    /// hand.
    private void evict(int number) {
      List<Pod> guards =
          GuardEvictions.of(scene).guards().stream()
              .filter(guard -> scene.node(number).equals(guard.getSpec().getNodeName()))
              .filter(guard -> guard.getMetadata().getDeletionTimestamp() == null)
              .filter(guard -> "Running".equals(guard.getStatus().getPhase()))
              .toList();
      for (Pod guard : guards) {
        PodDisruptionBudget budget = scene.budget(NODES_BUDGET);
        boolean written =
            byHand.contains(
                budget.getMetadata().getUid() + " " + budget.getMetadata().getGeneration());
        Set<String> before = enforced();
        Set<String> others = zonesOut();
        others.remove(zone(number));
        boolean went = client.pods().resource(guard).evict();
        if (went) {
          passed++;
          before.retainAll(enforced());
          if (!written) {
            assertThat(before)
                .as("enforced Holds when %s went", guard.getMetadata().getName())
                .isEmpty();
            if (areZonesApart) {
              assertThat(others).as("other zones out when node %d went", number).isEmpty();
            }
          }
          drained.add(number);
        } else {
          refused++;
        }
      }
    }

    private static String text(IntOrString number) {
      return number.getStrVal() == null ? "" + number.getIntVal() : number.getStrVal();
    }
  }
}
