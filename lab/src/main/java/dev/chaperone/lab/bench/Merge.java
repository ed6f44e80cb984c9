package dev.chaperone.lab.bench;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The report of a part, put into one that has the others: its sections replace those of the same
/// title, and its targets and runs those of the same words. All else stays, above all what is
/// written by hand.
final class Merge {
  private static final String RUNS = "## Runs";

  /// Tables that parts share, by their title.
  private static final Set<String> SHARED = Set.of("## Targets", RUNS);

  private Merge() {}

  /// @param former a report
  /// @param part another, of some parts
  /// @param when it was made: the head of the former says so only for what it had
  static String of(String former, String part, String when) {
    Map<String, String> sections = sections(former);
    String runs = sections.remove(RUNS);
    String notes = sections.remove(Report.NOTES);
    sections(part)
        .forEach(
            (title, text) -> {
              if (title.equals(RUNS)) {
                return;
              }
              if (SHARED.contains(title)) {
                sections.merge(title, text, Merge::rows);
              } else if (!title.isEmpty()) {
                sections.put(title, "\nMeasured by itself, %s.\n%s".formatted(when, text));
              }
            });
    String later = sections(part).get(RUNS);
    if (runs != null || later != null) {
      sections.put(RUNS, runs == null ? later : later == null ? runs : rows(runs, later));
    }
    if (notes != null) {
      sections.put(Report.NOTES, notes);
    }
    return sections.entrySet().stream()
        .map(it -> (it.getKey().isEmpty() ? "" : it.getKey() + "\n") + it.getValue())
        .collect(Collectors.joining());
  }

  /// What follows each title, by it; what stands above the first has none. What is written by hand
  /// has titles of its own.
  private static Map<String, String> sections(String report) {
    int end = report.contains(Report.NOTES) ? report.indexOf(Report.NOTES) : report.length();
    Map<String, String> sections = new LinkedHashMap<>();
    for (String section : report.substring(0, end).split("(?m)^(?=## )", -1)) {
      int line = section.startsWith("## ") ? section.indexOf('\n') : -1;
      sections.put(
          line < 0 ? "" : section.substring(0, line), section.substring(line < 0 ? 0 : line + 1));
    }
    if (end < report.length()) {
      sections.put(Report.NOTES, report.substring(end + Report.NOTES.length() + 1));
    }
    return sections;
  }

  /// The rows of both, those of the later one instead of those that begin with the same cell.
  private static String rows(String former, String later) {
    Set<String> replaced = lines(later).map(Merge::firstCell).collect(Collectors.toSet());
    List<String> head = lines(later).limit(2).toList();
    return Stream.of(
            head.stream(),
            lines(former).skip(2).filter(row -> !replaced.contains(firstCell(row))),
            lines(later).skip(2))
        .flatMap(rows -> rows)
        .collect(Collectors.joining("\n", "\n", "\n\n"));
  }

  private static Stream<String> lines(String table) {
    return Arrays.stream(table.split("\n", -1)).filter(it -> it.startsWith("|"));
  }

  private static String firstCell(String row) {
    return row.split("\\|", -1)[1];
  }
}
