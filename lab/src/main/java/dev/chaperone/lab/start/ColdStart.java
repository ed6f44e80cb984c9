package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/// How long a cold start takes: from the start of the process to the answer to the first event,
/// with the budget that this event closes written on the real API server.
///
/// All variants take turns within each run, so what else the machine does meanwhile hits all of
/// them alike; only ratios of medians of one run mean anything.
public final class ColdStart {
  private final Lab lab;
  private final Ground ground;
  private final Map<String, String> rights;

  private ColdStart(Lab lab, Ground ground) {
    this.lab = lab;
    this.ground = ground;
    this.rights = lab.podEnvironment("chaperone", "functions");
  }

  /// Trains the functions and the floor, which both were built (`-Pbench`), and starts each in turn
  /// with nothing but the JVM's defaults, with an AOT cache, and with an AOT cache and flags.
  public static List<Figures> measure(Path home, int runs) {
    Path floor = home.toAbsolutePath().normalize().resolve("lab/floor/target/quarkus-app");
    try (Lab lab = Lab.start()) {
      Training.train(lab, home);
      Training.trainFloor(lab, floor);
    }
    try (Lab lab = Lab.start()) {
      Ground ground = new Ground(lab, home).prepare("{}");
      return new ColdStart(lab, ground)
          .measure(
              Stream.concat(
                      variants("functions", FunctionsCommand.built(home), true),
                      variants("floor", floor, false))
                  .toList(),
              runs);
    }
  }

  private static Stream<Variant> variants(String who, Path folder, boolean writes) {
    List<String> cache = List.of(FunctionsCommand.useCache(folder));
    return Stream.of(
        new Variant(who, Way.PLAIN, FunctionsCommand.of(folder, List.of()), writes),
        new Variant(who, Way.CACHE, FunctionsCommand.of(folder, cache), writes),
        new Variant(who, Way.CACHE_AND_FLAGS, FunctionsCommand.fastest(folder), writes));
  }

  /// How a JVM is started.
  public enum Way {
    PLAIN("plain JVM"),
    CACHE("AOT cache"),
    CACHE_AND_FLAGS("AOT cache and flags");

    private final String title;

    Way(String title) {
      this.title = title;
    }

    /// As a report calls it.
    public String title() {
      return title;
    }
  }

  /// One way to start.
  ///
  /// @param who functions or floor
  /// @param writes whether it is Chaperone, which writes a budget, or the floor, which does nothing
  public record Variant(String who, Way way, List<String> command, boolean writes) {
    /// As a report calls it.
    public String name() {
      return who + ", " + way.title();
    }
  }

  /// What was seen of one variant.
  ///
  /// @param listening from the process' start until it accepted connections
  /// @param answered from the process' start until the first event was answered
  /// @param cpu of the process, all its threads, until then; less than the time where it waited for
  ///     others, and what a neighbour on the machine changes least
  /// @param discarded starts that did the wrong thing, or nothing in time, and do not count
  public record Figures(
      Variant variant,
      List<Duration> listening,
      List<Duration> answered,
      List<Duration> cpu,
      AtomicInteger discarded) {
    public Duration medianListening() {
      return median(listening);
    }

    public Duration medianAnswered() {
      return median(answered);
    }

    public Duration medianCpu() {
      return median(cpu);
    }

    private static Duration median(List<Duration> times) {
      return times.stream().sorted().toList().get(times.size() / 2);
    }
  }

  private List<Figures> measure(List<Variant> variants, int runs) {
    List<Figures> figures =
        variants.stream()
            .map(
                it ->
                    new Figures(
                        it,
                        new ArrayList<>(),
                        new ArrayList<>(),
                        new ArrayList<>(),
                        new AtomicInteger()))
            .toList();
    variants.stream().filter(Variant::writes).findFirst().ifPresent(this::settle);
    // The first round fills the system's file cache, and does not count.
    for (int run = 0; run <= runs; run++) {
      for (int turn = 0; turn < variants.size(); turn++) {
        Figures next = figures.get((turn + run) % variants.size());
        Optional<Times> times = start(next.variant());
        if (times.isEmpty()) {
          next.discarded().incrementAndGet();
        } else if (run > 0) {
          next.listening().add(times.get().listening());
          next.answered().add(times.get().answered());
          next.cpu().add(times.get().cpu());
        }
      }
      System.err.printf("cold start: round %d of %d%n", run, runs);
    }
    return figures;
  }

  private record Times(Duration listening, Duration answered, Duration cpu) {}

  private Optional<Times> start(Variant variant) {
    if (variant.writes()) {
      ground.hold();
    }
    long began = System.nanoTime();
    try (Program program = launch(variant)) {
      program.awaitListening();
      Duration listening = Duration.ofNanos(System.nanoTime() - began);
      HttpResponse<String> answer =
          program.send(program.event("add", "Hold", Ground.NAMESPACE, Ground.HOLD));
      Duration answered = Duration.ofNanos(System.nanoTime() - began);
      Duration cpu = program.cpu();
      boolean right =
          variant.writes()
              ? answer.statusCode() == 200 && ground.isClosed()
              : answer.statusCode() == 204;
      if (variant.writes()) {
        ground.release();
        program.send(program.event("delete", "Hold", Ground.NAMESPACE, Ground.HOLD));
        Ground.await("an open budget", () -> reopened(program));
      }
      if (!right) {
        System.err.printf(
            "cold start: does not count: %s: %d %s%n",
            variant.name(), answer.statusCode(), answer.body());
      }
      return right ? Optional.of(new Times(listening, answered, cpu)) : Optional.empty();
    }
  }

  private boolean reopened(Program program) {
    return !ground.isClosed()
        || (program.send(program.event("dev.knative.sources.ping")).statusCode() > 0
            && !ground.isClosed());
  }

  /// Until every guard is there, and an event has nothing to do but what a Hold asks for.
  private void settle(Variant variant) {
    try (Program program = launch(variant)) {
      program.awaitListening();
      Ground.await(
          "a Companion with nothing left to do",
          () ->
              program.send(program.event("dev.knative.sources.ping")).statusCode() == 204
                  && ground.guards() == 3);
    }
  }

  private Program launch(Variant variant) {
    return Program.launch(
        variant.command(),
        variant.writes() ? rights : Map.of(),
        lab.folder().resolve("cold-start.log"));
  }
}
