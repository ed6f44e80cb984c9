package dev.chaperone.lab.bench;

import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/// Many events that ask for nothing.
record Flood(int events, double seconds, long reads, long writes, long reconciles, long peakKib) {
  /// The containerConcurrency of knative/base/service.yaml: more does not reach them at a time.
  private static final int AT_A_TIME = 100;

  double perSecond() {
    return events / seconds;
  }

  /// All about one Companion.
  static Flood duplicates(Fleet fleet, Functions functions, int events) {
    return measure(
        fleet,
        functions,
        events,
        _ -> functions.tell("update", "Companion", Fleet.NAMESPACE, Fleet.COMPANION));
  }

  /// About each of many Companions in turn.
  static Flood noOps(Fleet fleet, Functions functions, int events) {
    return measure(
        fleet,
        functions,
        events,
        number ->
            functions.tell("update", "Companion", Fleet.MANY, Fleet.many(number % Fleet.HOW_MANY)));
  }

  private static Flood measure(
      Fleet fleet, Functions functions, int events, IntFunction<Contender.Telling> tell) {
    // Java compiles what runs often.
    send(Math.max(200, events / 10), tell);
    functions.jvm().forgetPeak();
    int mark = Calls.mark(fleet.lab());
    long reconciles = functions.reconciles();
    long began = System.nanoTime();
    send(events, tell);
    double seconds = (System.nanoTime() - began) / 1e9;
    reconciles = functions.reconciles() - reconciles;
    Calls calls = Calls.since(fleet.lab(), mark, functions.kind().user());
    WrongResult.unless(
        calls.writes() == 0, "events that ask for nothing were answered: " + calls.describe());
    WrongResult.unless(reconciles > 0, "nobody looked at a Companion");
    return new Flood(
        events, seconds, calls.reads(), calls.writes(), reconciles, functions.jvm().peakKib());
  }

  private static void send(int events, IntFunction<Contender.Telling> tell) {
    try (ExecutorService senders =
        Executors.newFixedThreadPool(AT_A_TIME, Thread.ofVirtual().factory())) {
      List<? extends Future<?>> sent =
          IntStream.range(0, events)
              .mapToObj(number -> senders.submit(() -> tell.apply(number).await()))
              .toList();
      for (Future<?> each : sent) {
        each.get();
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof WrongResult wrong ? wrong : new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new WrongResult("interrupted");
    }
  }
}
