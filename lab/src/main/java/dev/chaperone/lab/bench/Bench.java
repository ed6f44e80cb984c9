package dev.chaperone.lab.bench;

import dev.chaperone.lab.start.ColdStart;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;

/// The benchmark from the command line.
public final class Bench {
  private Bench() {}

  /// Measures and reports. Ends with 0 if everything that was measured did the right thing.
  ///
  /// @param arguments see [Options#USAGE]
  public static void main(String[] arguments) throws IOException {
    Options options;
    try {
      options = Options.parse(arguments);
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.err.println(Options.USAGE);
      System.exit(2);
      return;
    }
    Machine machine = Machine.here();
    Figures figures = measure(options, machine);
    Report report = new Report(options, figures, machine);
    if (options.report() == null) {
      System.out.println(report.text());
    } else {
      write(options, report, machine);
      Progress.say("the report is " + options.report());
    }
    System.exit(figures.isComplete() ? 0 : 1);
  }

  /// The report is written anew after each cluster: nobody loses half an hour for what fails last.
  private static Figures measure(Options options, Machine machine) throws IOException {
    Figures figures = new Figures();
    boolean functions = options.contenders().contains(Contender.Kind.FUNCTIONS);
    if (functions && options.wants(Options.Part.COLD)) {
      figures.attempt("functions and floor: cold starts", () -> coldStarts(options, figures));
    }
    for (int nodes : options.sizes()) {
      for (Contender.Kind contender : options.contenders()) {
        new Round(options, figures, contender, nodes).run();
        if (options.report() != null) {
          write(options, new Report(options, figures, machine), machine);
        }
      }
    }
    if (functions && options.wants(Options.Part.CHAIN)) {
      figures.attempt(
          "functions: through the whole of Knative Eventing",
          () -> figures.chain = Chain.measure(Math.max(2, options.samples() / 4)));
    }
    for (Options.Part part : options.parts()) {
      if (part.own().isPresent()) {
        figures.own(part).measure(options, figures);
      }
    }
    return figures;
  }

  private static void coldStarts(Options options, Figures figures) {
    figures.cold = ColdStart.measure(Contender.home(), options.coldStarts());
    figures.cold.forEach(
        each ->
            WrongResult.unless(
                each.answered().size() > options.coldStarts() / 2,
                each.variant().name() + " did the wrong thing in most starts"));
  }

  private static void write(Options options, Report report, Machine machine) throws IOException {
    Path file = Objects.requireNonNull(options.report());
    String text = report.text();
    String former = Files.exists(file) ? Files.readString(file) : "";
    Path folder = Files.createDirectories(file.toAbsolutePath().getParent());
    boolean isWhole = former.isEmpty() || options.parts().size() == Options.Part.values().length;
    Files.writeString(
        file,
        isWhole
            ? text + Report.notes(former)
            : Merge.of(former, text, machine.when() + ", " + machine.cpu()));
    for (Map.Entry<String, Chart> chart : report.charts().entrySet()) {
      Files.writeString(folder.resolve(chart.getKey()), chart.getValue().svg());
    }
  }
}
