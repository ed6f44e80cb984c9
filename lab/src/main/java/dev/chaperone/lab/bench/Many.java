package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.bench.Contender.Kind;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.time.Duration;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// Many Companions, ten for each node that runs a target: what it costs to set them up, and what a
/// resync of the functions costs, with nothing to do, with a Hold for each tenth of them that no
/// event told of, and once these are gone.
final class Many implements OwnPart {
  private static final int NODES = 100;
  private static final int ON_A_NODE = 10;

  /// One Companion in so many gets a Hold.
  private static final int HELD = 10;

  private static final int IDLE_RESYNCS = 5;
  private static final int AT_A_TIME_IN_A_LIST = 500;
  private static final Duration PATIENCE = Duration.ofMinutes(10);
  private static final long IN_THE_AUDIT_LOG_MILLIS = 500;
  private static final String COMPANIONS = "companions.chaperone.dev";

  /// Each is one Companion that is broken; the API server takes it, or took it once.
  private static final Map<String, String> BROKEN =
      Map.of(
          "a number that is too large", "{maxUnavailable: 3000000000}",
          "a field of a newer version", "{newer: {a: 1}}",
          "a name that is none",
              "{observe: [{as: o, apiVersion: v1, resource: configmaps, name: \"\"}]}",
          "an expression that costs too much",
              "{holdWhen: [{name: x, expression: \"size('%s'%s) > 1\"}]}"
                  .formatted("a".repeat(30), ".replace('a', 'aaaaaaaaaaaaaaaa')".repeat(6)),
          "an expression that is none", "{holdWhen: [{name: x, expression: no such thing}]}");

  /// What is measured, in this order.
  private enum Work {
    SET_UP("set up, from nothing"),
    IDLE("a resync, with nothing to do"),
    HOLD("Holds for a tenth of them"),
    RELEASE("these Holds are gone"),
    BROKEN("a resync, with nothing to do beside broken ones");

    private final String title;

    Work(String title) {
      this.title = title;
    }
  }

  private record Key(int companions, Work work, Kind who) {}

  /// @param resyncs how many it took; 0: it was not done by resyncs
  /// @param peakKib resident memory, at most
  private record Cost(Duration took, int resyncs, long reads, long writes, long peakKib) {}

  private final Map<Key, Cost> costs = new LinkedHashMap<>();

  /// How many there are, of those that lists are read of, by Companions.
  private final Map<Integer, Long> objects = new LinkedHashMap<>();

  private List<Integer> sizes = List.of();

  @Override
  public void measure(Options options, Figures figures) {
    sizes = options.companions();
    for (int companions : sizes) {
      for (Kind kind : options.contenders()) {
        figures.attempt(
            "%s: %d Companions on %d nodes".formatted(kind.title(), companions, NODES),
            () -> {
              try (Lab lab = Lab.startLarge();
                  Cluster cluster = Cluster.on(lab, companions);
                  Contender contender = kind.start(lab)) {
                measure(cluster, contender);
              }
            });
      }
    }
  }

  @Override
  public String section() {
    Table table =
        new Table(
            "Companions",
            "what",
            "who",
            "took, s",
            "resyncs",
            "API reads",
            "API writes",
            "memory at most, MiB");
    for (int companions : sizes) {
      for (Work work : Work.values()) {
        for (Kind kind : Kind.values()) {
          Cost cost = costs.get(new Key(companions, work, kind));
          if (cost != null) {
            table.row(
                companions,
                work.title,
                kind.title(),
                Report.number(Report.seconds(cost.took())),
                cost.resyncs() == 0 ? "" : cost.resyncs(),
                cost.reads(),
                cost.writes(),
                Report.mib(cost.peakKib()));
          }
        }
      }
    }
    return Report.section(
        "Many Companions",
        """
        %d nodes; each ten Companions have a target of their own, on one of them. They are set up by the events of the real
        ApiServerSource adapters and a pulse every minute, from the first that is made until each says that its guard runs, and it is
        ready. Holds are made, and deleted, without an event; the functions' time is from the pulse to the answer after which all of it
        is done and said, or to that of the last of several. The peer, which hears of each, has made most of it by the time that the
        last Hold is there: its time is from the first. One that does nothing is the median of %d. The broken Companions are one of
        each of these: %s, and a status that nobody can read.
        """
            .formatted(NODES, IDLE_RESYNCS, String.join(", ", BROKEN.keySet())),
        table,
        "");
  }

  @Override
  public List<Target> targets() {
    if (sizes.isEmpty()) {
      return List.of();
    }
    int most = sizes.getLast();
    String resync = "A resync of %d Companions, nothing to do: ".formatted(most);
    Target memory = Target.atMost(256, " MiB", "%d Companions within 256 MiB".formatted(most));
    Target once =
        Target.atMost(
            1, "", "%d of %d Companions, all done by one resync".formatted(most / HELD, most));
    for (Work work : Work.values()) {
      memory.see(
          work.title, see(most, work, Kind.FUNCTIONS, it -> it.peakKib() / Report.KIB_PER_MIB));
    }
    for (Work work : List.of(Work.HOLD, Work.RELEASE)) {
      once.see(work.title, see(most, work, Kind.FUNCTIONS, Cost::resyncs));
    }
    ToDoubleFunction<Cost> took = it -> Report.seconds(it.took());
    double idle = see(most, Work.IDLE, Kind.FUNCTIONS, took);
    return List.of(
        Target.atMost(5, " s", resync + "≤ 5 s").see("it took", idle),
        Target.atMost(20, "", resync + "≤ 20 reads, but for pages of " + AT_A_TIME_IN_A_LIST)
            .see(
                "reads",
                see(most, Work.IDLE, Kind.FUNCTIONS, Cost::reads)
                    - objects.getOrDefault(most, 0L) / AT_A_TIME_IN_A_LIST),
        Target.atMost(0, "", resync + "0 writes")
            .see("writes", see(most, Work.IDLE, Kind.FUNCTIONS, Cost::writes)),
        once,
        Target.atMost(1.2, "", "The same beside broken Companions ≤ 1.2 ×")
            .see("with / without", see(most, Work.BROKEN, Kind.FUNCTIONS, took) / idle),
        Target.atMost(1.5, "", "%d Companions set up within 1.5 × the peer's time".formatted(most))
            .see(
                "functions / peer",
                see(most, Work.SET_UP, Kind.FUNCTIONS, took)
                    / see(most, Work.SET_UP, Kind.PEER, took)),
        memory);
  }

  private double see(int companions, Work work, Kind who, ToDoubleFunction<Cost> value) {
    Cost cost = costs.get(new Key(companions, work, who));
    return cost == null ? Double.NaN : value.applyAsDouble(cost);
  }

  private void measure(Cluster cluster, Contender contender) {
    keep(cluster, Work.SET_UP, contender, setUp(cluster, contender));
    if (contender instanceof Functions functions) {
      // Also repairs what an event that was not answered in time has left.
      Wait.until(
          "a resync with nothing to do",
          PATIENCE,
          () -> cost(cluster, functions, () -> pulse(functions)).writes() == 0,
          () -> "the last one wrote something");
      keep(cluster, Work.IDLE, contender, idle(cluster, functions));
      objects.put(cluster.companions, cluster.objects());
    }
    cluster.checkGuards();
    keep(cluster, Work.HOLD, contender, turn(cluster, contender, true));
    keep(cluster, Work.RELEASE, contender, turn(cluster, contender, false));
    cluster.checkGuards();
    if (contender instanceof Functions functions) {
      cluster.breakSome();
      pulse(functions);
      pulse(functions);
      keep(cluster, Work.BROKEN, contender, idle(cluster, functions));
    }
  }

  private void keep(Cluster cluster, Work work, Contender contender, Cost cost) {
    costs.put(new Key(cluster.companions, work, contender.kind()), cost);
    Progress.say("  %s: %s".formatted(work.title, cost));
  }

  /// As in a cluster: by the events of the real ApiServerSources, and a pulse every minute.
  private static Cost setUp(Cluster cluster, Contender contender) {
    Runnable work =
        () -> {
          cluster.addCompanions();
          cluster.await("set up", Cluster::isSetUp);
        };
    if (contender instanceof Functions functions) {
      try (Drive _ = Drive.start(cluster.lab, functions)) {
        return cost(cluster, contender, work);
      }
    }
    return cost(cluster, contender, work);
  }

  /// The one that took the median time, with the reads and writes of the one that made the most.
  private static Cost idle(Cluster cluster, Functions functions) {
    List<Cost> all =
        IntStream.range(0, IDLE_RESYNCS)
            .mapToObj(_ -> cost(cluster, functions, () -> functions.pulse().await()))
            .sorted(Comparator.comparing(Cost::took))
            .toList();
    return new Cost(
        all.get(IDLE_RESYNCS / 2).took(),
        1,
        all.stream().mapToLong(Cost::reads).max().orElseThrow(),
        all.stream().mapToLong(Cost::writes).max().orElseThrow(),
        all.stream().mapToLong(Cost::peakKib).max().orElseThrow());
  }

  /// The functions hear of it by a resync alone, once all of it is there; the peer hears of each.
  private static Cost turn(Cluster cluster, Contender contender, boolean held) {
    if (!(contender instanceof Functions functions)) {
      return cost(
          cluster,
          contender,
          () -> {
            cluster.hold(held);
            cluster.await(held ? "held" : "open", it -> it.isTurned(held));
          });
    }
    cluster.hold(held);
    int[] resyncs = {0};
    Cost cost =
        cost(
            cluster,
            contender,
            () ->
                Wait.until(
                    held ? "held" : "open",
                    PATIENCE,
                    () -> {
                      resyncs[0]++;
                      pulse(functions);
                      return cluster.isTurnedNow(held);
                    },
                    () -> "after %d resyncs".formatted(resyncs[0])));
    return new Cost(cost.took(), resyncs[0], cost.reads(), cost.writes(), cost.peakKib());
  }

  private static Cost cost(Cluster cluster, Contender contender, Runnable work) {
    Wait.pause(IN_THE_AUDIT_LOG_MILLIS);
    contender.jvm().forgetPeak();
    int mark = Calls.mark(cluster.lab);
    long began = System.nanoTime();
    work.run();
    Duration took = Duration.ofNanos(System.nanoTime() - began);
    Wait.pause(IN_THE_AUDIT_LOG_MILLIS);
    Calls calls = Calls.since(cluster.lab, mark, contender.kind().user());
    return new Cost(took, 0, calls.reads(), calls.writes(), contender.jvm().peakKib());
  }

  /// What it could not do in its time, the next one does.
  private static void pulse(Functions functions) {
    try {
      functions.pulse().await();
    } catch (WrongResult e) {
      Progress.say("  ... " + e.getMessage());
    }
  }

  /// Where it happens, and what is seen of it by watches.
  private static final class Cluster implements AutoCloseable {
    private final Lab lab;
    private final int companions;
    private final SharedIndexInformer<GenericKubernetesResource> seen;
    private final SharedIndexInformer<Deployment> guards;

    private Cluster(Lab lab, int companions) {
      this.lab = lab;
      this.companions = companions;
      this.seen =
          lab.client()
              .genericKubernetesResources("chaperone.dev/v1alpha1", "Companion")
              .inAnyNamespace()
              .inform();
      this.guards = lab.client().apps().deployments().inAnyNamespace().inform();
    }

    static Cluster on(Lab lab, int companions) {
      Chaperone.installTypesAndRights(lab, Contender.home());
      lab.apply(Contender.home().resolve("lab/peer/rbac.yaml"));
      Fleet.inParallel(
          0,
          NODES - 1,
          number -> lab.addNode(Fleet.node(number), Map.of("number", String.valueOf(number))));
      int namespaces = Math.ceilDiv(companions, ON_A_NODE);
      for (int number = 0; number < namespaces; number++) {
        lab.apply(
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: %s}"
                .formatted(namespace(number * ON_A_NODE)));
        lab.apply(
            Fleet.daemonSet(
                Fleet.TARGET, namespace(number * ON_A_NODE), "{number: \"%d\"}".formatted(number)));
      }
      Wait.until(
          "target pods",
          PATIENCE,
          () -> targetPods(lab) == namespaces,
          () -> targetPods(lab) + " of " + namespaces);
      return new Cluster(lab, companions);
    }

    private static long targetPods(Lab lab) {
      return lab
          .client()
          .pods()
          .inAnyNamespace()
          .withLabel("app", Fleet.TARGET)
          .list()
          .getItems()
          .stream()
          .filter(it -> it.getStatus().getPhase().equals("Running"))
          .count();
    }

    private static String namespace(int companion) {
      return "many-" + companion / ON_A_NODE;
    }

    private static String name(int companion) {
      return "agent-" + companion;
    }

    void addCompanions() {
      Fleet.inParallel(
          0, companions - 1, number -> lab.client().resource(companion(number, "{}")).create());
    }

    private static String companion(int number, String disruption) {
      return """
      apiVersion: chaperone.dev/v1alpha1
      kind: Companion
      metadata: {name: %s, namespace: %s}
      spec: {targetRef: {name: %s}, disruption: %s}
      """
          .formatted(name(number), namespace(number), Fleet.TARGET, disruption);
    }

    private int[] held() {
      return IntStream.range(0, companions).filter(it -> it % HELD == HELD - 1).toArray();
    }

    /// Holds each tenth, or releases them.
    void hold(boolean held) {
      int[] those = held();
      if (!held) {
        lab.client()
            .genericKubernetesResources("chaperone.dev/v1alpha1", "Hold")
            .inAnyNamespace()
            .delete();
        return;
      }
      Fleet.inParallel(
          0,
          those.length - 1,
          it ->
              lab.client()
                  .resource(
                      """
                      apiVersion: chaperone.dev/v1alpha1
                      kind: Hold
                      metadata: {name: %1$s, namespace: %2$s}
                      spec: {companionRef: {name: %1$s}, reason: measured}
                      """
                          .formatted(name(those[it]), namespace(those[it])))
                  .create());
    }

    void await(String what, Predicate<Cluster> isSo) {
      Wait.until(
          companions + " Companions, " + what,
          PATIENCE,
          () -> isSo.test(this),
          () -> "%d are set up".formatted(countSetUp()));
    }

    boolean isSetUp() {
      return countSetUp() == companions
          && guards.getStore().list().stream()
                  .filter(it -> Objects.equals(it.getStatus().getReadyReplicas(), 1))
                  .count()
              == companions;
    }

    private long countSetUp() {
      return seen.getStore().list().stream()
          .filter(it -> Objects.equals(it.get("status", "guards", "running"), 1))
          .count();
    }

    /// Each tenth, and no other, is said to be blocked, as a watch has seen.
    boolean isTurned(boolean held) {
      return isTurned(seen.getStore().list(), held);
    }

    /// The same as it is now, budgets included.
    boolean isTurnedNow(boolean held) {
      long closed = budgets().filter(Fleet::isClosed).count();
      return closed == (held ? held().length : 0)
          && isTurned(
              lab.client()
                  .genericKubernetesResources("chaperone.dev/v1alpha1", "Companion")
                  .inAnyNamespace()
                  .list()
                  .getItems(),
              held);
    }

    private boolean isTurned(List<GenericKubernetesResource> all, boolean held) {
      long blocked = all.stream().filter(Cluster::isBlocked).count();
      return blocked == (held ? held().length : 0);
    }

    private static boolean isBlocked(GenericKubernetesResource companion) {
      return companion.get("status", "conditions") instanceof List<?> conditions
          && conditions.stream()
              .anyMatch(
                  it ->
                      it instanceof Map<?, ?> condition
                          && "DisruptionAllowed".equals(condition.get("type"))
                          && "False".equals(condition.get("status")));
    }

    /// One ready guard of each Companion, on the node of its target, and its budget counts it.
    void checkGuards() {
      Map<String, Long> guardsOn = new LinkedHashMap<>();
      lab
          .client()
          .pods()
          .inAnyNamespace()
          .withLabel("app.kubernetes.io/component", "guard")
          .list()
          .getItems()
          .stream()
          .filter(it -> it.getMetadata().getDeletionTimestamp() == null)
          .forEach(
              it -> {
                WrongResult.unless(
                    it.getSpec().getNodeName() != null,
                    "a guard waits: " + it.getMetadata().getName());
                guardsOn.merge(
                    it.getMetadata().getNamespace() + " " + it.getSpec().getNodeName(),
                    1L,
                    Long::sum);
              });
      for (int i = 0; i < companions; i += ON_A_NODE) {
        String where = namespace(i) + " " + Fleet.node(i / ON_A_NODE);
        WrongResult.unless(
            Objects.equals(guardsOn.get(where), (long) Math.min(ON_A_NODE, companions)),
            "guards in and on %s: %s".formatted(where, guardsOn.get(where)));
      }
      Wait.until(
          "budgets that let one go",
          PATIENCE,
          () -> openBudgets() == companions,
          () -> openBudgets() + " of " + companions);
    }

    private Stream<PodDisruptionBudget> budgets() {
      return lab
          .client()
          .policy()
          .v1()
          .podDisruptionBudget()
          .inAnyNamespace()
          .list()
          .getItems()
          .stream();
    }

    private long openBudgets() {
      return budgets()
          .filter(it -> it.getStatus() != null)
          .filter(it -> Objects.equals(it.getStatus().getDisruptionsAllowed(), 1))
          .count();
    }

    /// What a survey reads, Companions twice.
    long objects() {
      var client = lab.client();
      long deployments = guards.getStore().list().size();
      long pods = client.pods().inAnyNamespace().list().getItems().size();
      return 2L * companions + budgets().count() + deployments + pods + NODES;
    }

    /// In one Companion each, as objects from before a rule was there.
    void breakSome() {
      lab.kubectl("patch", "crd", COMPANIONS, "--type=json", "-p", Chaperone.WITHOUT_RULES)
          .orFail();
      List<String> broken = List.copyOf(BROKEN.values());
      for (int i = 0; i < Math.min(broken.size(), companions / 2); i++) {
        spoil(i, broken.get(i));
      }
      lab.kubectl(
              "patch",
              COMPANIONS,
              name(companions - 1),
              "-n",
              namespace(companions - 1),
              "--subresource=status",
              "--type=merge",
              "-p",
              "{\"status\": {\"quietSince\": \"yesterday\", \"drainedNodes\": {}, \"reasons\": [{}]}}")
          .orFail();
    }

    /// Once the API server takes it.
    private void spoil(int number, String disruption) {
      AtomicReference<String> why = new AtomicReference<>("");
      Wait.until(
          "a Companion that the API server would refuse",
          PATIENCE,
          () -> {
            // No brace at the beginning: kubectl would take it for JSON.
            Kubectl.Result patched =
                lab.kubectl(
                    "patch",
                    COMPANIONS,
                    name(number),
                    "-n",
                    namespace(number),
                    "--type=merge",
                    "-p",
                    "spec:\n  disruption: " + disruption);
            why.set(patched.err());
            return patched.exit() == 0;
          },
          () -> disruption + ": " + why.get());
    }

    @Override
    public void close() {
      seen.close();
      guards.close();
    }
  }
}
