package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/// How long a cold start takes: from the start of the process to the answer to the first event,
/// with the budget that this event closes written on the real API server.
///
/// All variants take turns within each run, so what else the machine does meanwhile hits all of
/// them alike; only ratios of medians of one run mean anything.
public final class ColdStart {
  private final Lab lab;
  private final Path java;
  private final Ground ground;
  private final Map<String, String> rights;

  private ColdStart(Lab lab, Path java, Ground ground) {
    this.lab = lab;
    this.java = java;
    this.ground = ground;
    this.rights = Map.of("KUBECONFIG", lab.kubeconfig("chaperone", "functions").toString());
  }

  /// One way to start.
  ///
  /// @param folder of `quarkus-run.jar`
  /// @param flags of the JVM
  /// @param writes whether it is Chaperone, which writes a budget, or the floor, which does nothing
  public record Variant(String name, Path folder, List<String> flags, boolean writes) {}

  /// What was seen of one variant.
  ///
  /// @param listening from the process' start until it accepted connections
  /// @param answered from the process' start until the first event was answered
  /// @param discarded starts that did the wrong thing, or nothing in time, and do not count
  public record Figures(
      Variant variant, List<Duration> listening, List<Duration> answered, AtomicInteger discarded) {
    public Duration medianListening() {
      return median(listening);
    }

    public Duration medianAnswered() {
      return median(answered);
    }

    private static Duration median(List<Duration> times) {
      return times.stream().sorted().toList().get(times.size() / 2);
    }
  }

  /// Measures on a lab with a Companion of its own.
  public static List<Figures> measure(
      Lab lab, Path home, Path java, List<Variant> variants, int runs) {
    Ground ground = new Ground(lab, home).prepare("{}");
    return new ColdStart(lab, java, ground).measure(variants, runs);
  }

  private List<Figures> measure(List<Variant> variants, int runs) {
    List<Figures> figures =
        variants.stream()
            .map(it -> new Figures(it, new ArrayList<>(), new ArrayList<>(), new AtomicInteger()))
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
        }
      }
      System.err.printf("cold start: round %d of %d%n", run, runs);
    }
    return figures;
  }

  private record Times(Duration listening, Duration answered) {}

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
      return right ? Optional.of(new Times(listening, answered)) : Optional.empty();
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
        java,
        variant.folder(),
        Training.arguments(variant.flags()),
        variant.writes() ? rights : Map.of(),
        lab.folder().resolve("cold-start.log"));
  }
}
