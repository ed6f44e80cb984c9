package dev.chaperone.lab.bench;

import java.util.List;

/// A part of the benchmark that is one class, on clusters of its own: adding one takes that class
/// and a constant of [Options.Part].
interface OwnPart {
  /// Measures it for every contender that is asked for.
  ///
  /// @param figures attempts each measurement, so that one that goes wrong keeps none of the others
  void measure(Options options, Figures figures);

  /// What was seen, as Markdown; empty where nothing was.
  String section();

  /// What was to be seen, and whether it was.
  List<Target> targets();
}
