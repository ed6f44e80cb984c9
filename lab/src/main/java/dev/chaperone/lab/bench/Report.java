package dev.chaperone.lab.bench;

import dev.chaperone.lab.bench.Contender.Kind;
import dev.chaperone.lab.bench.Options.Part;
import dev.chaperone.lab.bench.PerEvent.Occurrence;
import dev.chaperone.lab.start.ColdStart;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The figures as Markdown, and as charts beside it.
final class Report {
  static final double KIB_PER_MIB = 1024;
  private static final List<Integer> DAYS = List.of(50, 500, 5000);
  private static final List<String> WHO = Arrays.stream(Kind.values()).map(Kind::title).toList();

  /// What stands below is written by hand.
  static final String NOTES = "## Why, and what was tried";

  private final Options options;
  private final Figures figures;
  private final Machine machine;
  private final Map<String, Chart> charts = new LinkedHashMap<>();

  Report(Options options, Figures figures, Machine machine) {
    this.options = options;
    this.figures = figures;
    this.machine = machine;
  }

  /// What was written by hand in a former report, for the next one.
  static String notes(String former) {
    int from = former.indexOf(NOTES);
    return from < 0 ? "" : former.substring(from);
  }

  /// By file name, once there is the text.
  Map<String, Chart> charts() {
    return charts;
  }

  String text() {
    return head()
        + targets()
        + Stream.of(Part.values()).map(this::part).collect(Collectors.joining())
        + runs();
  }

  /// Empty where nothing was measured.
  private String part(Part part) {
    return switch (part) {
      case COLD -> cold();
      case WARM -> warm();
      case CHAIN -> chain();
      case EVENTS -> perEvent();
      case FLOOD -> flood();
      case STORMS -> storms();
      case DAY -> memory() + day();
      default -> figures.own(part).section();
    };
  }

  static String section(String title, String text, Table table, String picture) {
    String above = text.isEmpty() ? "" : text + "\n";
    return table.isEmpty() ? "" : "## " + title + "\n\n" + above + table + picture;
  }

  private String head() {
    Table table = new Table("", "");
    machine.describe().forEach((what, value) -> table.row(what, value));
    return """
        # Benchmarks

        Made by `scripts/bench`, which builds, runs and checks everything that is here; `scripts/bench warm --nodes 10` runs a part.

        Compared are Chaperone's functions and a peer ([lab/peer](../lab/peer)): a small operator on the Java Operator SDK that does
        the same core (placement, guards and their binding, both budgets, status) for the same Companions and Holds the usual way, as a
        long-running process with informers. It writes no Kubernetes Events and knows no expressions, windows or settling, which only
        makes it faster.

        Both run one after the other on the same real control plane ([lab](../lab)), as their own ServiceAccounts; kubelets are played
        by KWOK, with a status update every 4 to 10 minutes and no leases. The audit log is on for both, because calls are counted from
        it; in large clusters that and everything else shares the machine's cores with what is measured. So times are of this machine
        under this load; what counts are ratios within one run. After each measurement both budgets, and one ready guard on each node
        that runs a target pod, are checked; what did the wrong thing has no figure, and is named [at the end](#runs).

        """
        + table;
  }

  private String targets() {
    Table table = new Table("target", "seen", "");
    Targets.of(options, figures)
        .forEach(target -> table.row(target.what(), target.seen(), target.verdict()));
    return section("Targets", "", table, "");
  }

  private String cold() {
    Table table =
        new Table("", "listens after, s", "first event answered after, s", "CPU, s", "starts");
    for (ColdStart.Figures each : figures.cold) {
      table.row(
          each.variant().name(),
          number(seconds(each.medianListening())),
          number(seconds(each.medianAnswered())),
          number(seconds(each.medianCpu())),
          each.answered().size());
    }
    Chart chart =
        new Chart("Cold start, until the first answer", "s", List.of("functions", "floor"));
    for (ColdStart.Way way : ColdStart.Way.values()) {
      chart.group(
          way.title(),
          figures.cold.stream()
              .filter(each -> each.variant().way() == way)
              .map(each -> seconds(each.medianAnswered()))
              .toList());
    }
    return section(
        "Cold start",
        """
        Medians, from the process' start; the ways to start take turns within each round. The first event is a Hold that was just made,
        and an answer counts only if the budget is closed when it comes. The floor is an empty Funqy function, which has neither a
        cluster nor anything to do: it is what the JVM, Quarkus' HTTP server and Funqy cost.
        """,
        table,
        table.isEmpty() ? "" : picture("cold", chart));
  }

  private String warm() {
    Table table =
        new Table(
            "nodes",
            "who",
            "a Hold is made → closed, ms (p50 / p99 / max)",
            "a Hold is deleted → open, ms (p50 / p99 / max)",
            "times");
    Chart chart =
        new Chart(
            "Warm reaction, p50",
            "ms",
            List.of("functions, close", "peer, close", "functions, open", "peer, open"));
    for (int nodes : options.sizes()) {
      rows(
          figures.warm,
          nodes,
          (kind, warm) ->
              table.row(
                  nodes, kind.title(), warm.closing(), warm.opening(), 2 * warm.closing().count()));
      chart.group(
          nodes + " nodes",
          Stream.concat(
                  values(figures.warm, nodes, warm -> warm.closing().p50()),
                  values(figures.warm, nodes, warm -> warm.opening().p50()))
              .toList());
    }
    return section(
        "Warm reaction",
        """
        From the API server's answer to a Hold that is made or deleted, to the guards' budget as a watch on the API server sees it.
        The functions get the event posted at the start; the peer's informers hear of the change themselves, sometimes before the
        clock starts. The next change waits until Kubernetes has counted for the budget, and 0.25 s more.
        """,
        table,
        table.isEmpty() ? "" : picture("warm", chart));
  }

  private String chain() {
    Chain chain = figures.chain;
    if (chain == null) {
      return "";
    }
    Table table = new Table("hop", "ms (p50 / p99 / max)", "share of the p50s");
    double sum = chain.hops().values().stream().mapToDouble(Spread::p50).sum();
    chain
        .hops()
        .forEach((hop, spread) -> table.row(hop.title(), spread, percent(spread.p50() / sum)));
    table.row("**all of it**", chain.whole(), "");
    return section(
        "Through the whole of Knative Eventing",
        """
        The same Holds on 10 nodes, but nobody posts anything: from the API server's answer, which the source's watch may be ahead
        of, through the real ApiServerSource adapter, the Broker's ingress, its in-memory channel and its filter, as `triggers/` says, to the functions, which run already. The lab's
        router, through which each hop goes, looks at the clock when an event passes, and costs each hop some of its time. Of %d changes
        %d count; before the others' own event, one that was still under way had made the functions look.
        """
            .formatted(chain.changes(), chain.whole().count()),
        table,
        "");
  }

  private String perEvent() {
    Table table =
        new Table(
            "what happens",
            "nodes",
            "who",
            "API reads",
            "API writes",
            "KiB on the wire",
            "CPU, ms",
            "allocated, KiB");
    for (Occurrence occurrence : Occurrence.values()) {
      for (int nodes : options.sizes()) {
        rows(
            figures.perEvent,
            nodes,
            (kind, costs) -> {
              PerEvent cost = costs.get(occurrence);
              if (cost != null) {
                table.row(
                    occurrence.word() + ": " + occurrence.title(),
                    nodes,
                    kind.title(),
                    number(cost.reads()),
                    number(cost.writes()),
                    number(cost.bytes() / 1024),
                    number(cost.cpuMillis()),
                    number(cost.allocated() / 1024));
              }
            });
      }
    }
    return section(
        "What one event costs",
        """
        Means, in a process that is warm. Calls are from the audit log, watches not counted; bytes are TLS's, in both directions,
        watches included; CPU is the process's own; allocations are what its threads allocated. A node that is added is four events
        for the functions: the node is there, the target's pods, the guard that was made, and the companion's pods have changed.
        """,
        table,
        "");
  }

  private String flood() {
    Table table =
        new Table(
            "events",
            "nodes",
            "a second",
            "runs",
            "API reads",
            "API writes",
            "memory at most, MiB");
    figures.duplicates.forEach(
        (nodes, flood) ->
            flood(table, flood.events() + " the same, for one Companion", nodes, flood));
    figures.noOps.forEach(
        (nodes, flood) ->
            flood(
                table,
                "%d, for %d Companions in turn".formatted(flood.events(), Fleet.HOW_MANY),
                nodes,
                flood));
    return section(
        "Events that ask for nothing",
        """
        Posted by this program from the same machine, 100 at a time, as many as Knative Serving lets through
        (`containerConcurrency`). Runs are reconciles of a Companion, by the functions' own metrics; events that wait share one.
        """,
        table,
        "");
  }

  private static void flood(Table table, String what, int nodes, Flood flood) {
    table.row(
        what,
        nodes,
        number(flood.perSecond()),
        flood.reconciles(),
        flood.reads(),
        flood.writes(),
        mib(flood.peakKib()));
  }

  private String storms() {
    Table table =
        new Table(
            "storm",
            "nodes",
            "who",
            "settled after, s",
            "API reads",
            "API writes",
            "runs",
            "CPU, s",
            "memory at most, MiB");
    Chart chart =
        new Chart("Storms on %d nodes: settled after".formatted(options.largest()), "s", WHO);
    storm(table, chart, "all nodes are added at once", figures.nodesAdded);
    storm(table, chart, "a Companion comes", figures.companionMade);
    storm(table, chart, "the target is rolled", figures.targetRolled);
    return section(
        "Storms",
        """
        The functions are driven by the real ApiServerSource adapters, straight, so that Nodes'
        updates come too, and a pulse every minute as long as it takes. Settled is when every node has its ready guard and both budgets say so. Most of the time is the cluster's own: nodes and pods have to be
        made, scheduled and started. Runs are reconciles by the functions' own metrics; the peer counts none.
        """,
        table,
        table.isEmpty() ? "" : picture("storms", chart));
  }

  private void storm(Table table, Chart chart, String what, Map<Figures.Key, Storm> storms) {
    for (int nodes : options.sizes()) {
      rows(
          storms,
          nodes,
          (kind, storm) ->
              table.row(
                  what,
                  nodes,
                  kind.title(),
                  number(seconds(storm.settled())),
                  storm.reads(),
                  storm.writes(),
                  kind == Kind.PEER ? "" : storm.reconciles(),
                  number(seconds(storm.cpu())),
                  mib(storm.peakKib())));
    }
    chart.group(
        what, values(storms, options.largest(), storm -> seconds(storm.settled())).toList());
  }

  private String memory() {
    Table table = new Table("nodes", "who", "resident when warm, MiB");
    Chart chart = new Chart("Resident memory when warm", "MiB", WHO);
    for (int nodes : options.sizes()) {
      rows(figures.residentKib, nodes, (kind, kib) -> table.row(nodes, kind.title(), mib(kib)));
      chart.group(
          nodes + " nodes", values(figures.residentKib, nodes, kib -> kib / KIB_PER_MIB).toList());
    }
    return section(
        "Memory",
        "Flags of the functions' JVM: `%s`; of the peer's: `%s`.\n"
            .formatted(Functions.flags(), String.join(" ", Peer.FLAGS)),
        table,
        table.isEmpty() ? "" : picture("memory", chart));
  }

  private String day() {
    Table table =
        new Table(
            "nodes",
            "the functions run",
            "starts",
            "functions, GiB·h",
            "peer, GiB·h",
            "functions / peer",
            "with both source adapters");
    Chart chart = new Chart("Memory × time over a day", "GiB·h", WHO);
    if (options.wants(Options.Part.DAY)) {
      for (int nodes : DAYS) {
        MemoryTime.of(figures, nodes)
            .ifPresent(
                it -> {
                  table.row(
                      nodes,
                      percent(it.day().share()) + " of the day",
                      it.day().starts(),
                      number(it.functions()),
                      number(it.peer()),
                      number(it.functions() / it.peer()),
                      number((it.functions() + it.adapters()) / it.peer()));
                  chart.group(nodes + " nodes", List.of(it.functions(), it.peer()));
                });
      }
    }
    SimulatedDay.Rates rates = SimulatedDay.Rates.USUAL;
    return section(
        "A simulated day",
        """
        The day is made up, the same each time; memory (of the cluster above that is nearest in size) and the time of a start are measured
        (%s s from the process' start to the first answer). The functions stay %d s after an event (`window: 10s` of
        knative/base/service.yaml, and the autoscaler's tick). The rates, which are assumptions and stand in `SimulatedDay`: a pulse every
        %d minutes; %s of the nodes are drained and replaced in a day (each once a month for its image, and some by an autoscaler), each
        within %d minutes with an event every 5 s at its begin and end and a pulse every minute; %s of the target's and the follower's pods
        restart in a day; %d Holds. Kubelets' heartbeats and what Kubernetes counts for the budgets of others are no events: no Trigger
        lets a Node's updates in, nor those of such a budget.

        The peer runs all day. Knative itself is not counted, as Kubernetes is not for the peer; but each ApiServerSource is a process
        that Knative runs all day for Chaperone alone, and the last column counts them.
        """
            .formatted(
                MemoryTime.start(figures).map(Report::seconds).map(Report::number).orElse("–"),
                SimulatedDay.STAYS.toSeconds(),
                rates.pulse().toMinutes(),
                percent(rates.replaced()),
                rates.replacing().toMinutes(),
                percent(rates.restarted()),
                rates.holds()),
        table,
        table.isEmpty() ? "" : picture("day", chart));
  }

  private String runs() {
    Table table = new Table("run", "took, s", "did the right thing");
    figures.runs.forEach(
        run ->
            table.row(
                run.what(),
                run.took().toSeconds(),
                run.wrong().isEmpty() ? "yes" : "**no**: " + run.wrong()));
    return section("Runs", "", table, "");
  }

  private String picture(String name, Chart chart) {
    charts.put("benchmarks-" + name + ".svg", chart);
    return "![%s](benchmarks-%s.svg)\n\n".formatted(name, name);
  }

  private interface Row<T> {
    void of(Kind kind, T figure);
  }

  private static <T> void rows(Map<Figures.Key, T> figures, int nodes, Row<T> row) {
    for (Kind kind : Kind.values()) {
      Figures.of(figures, kind, nodes).ifPresent(figure -> row.of(kind, figure));
    }
  }

  /// One for each contender, `NaN` for none.
  private static <T> Stream<Double> values(
      Map<Figures.Key, T> figures, int nodes, ToDoubleFunction<T> value) {
    return Arrays.stream(Kind.values())
        .map(kind -> Figures.of(figures, kind, nodes))
        .map(figure -> figure.map(value::applyAsDouble).orElse(Double.NaN));
  }

  static double seconds(Duration duration) {
    return duration.toMillis() / 1e3;
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", share * 100);
  }

  static String mib(long kib) {
    return Long.toString(Math.round(kib / KIB_PER_MIB));
  }

  static String number(double value) {
    if (Double.isNaN(value)) {
      return "–";
    }
    return String.format(Locale.ROOT, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value);
  }
}
