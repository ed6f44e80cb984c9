package dev.chaperone.kubectl;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Rows in columns, as `kubectl get` prints them: no lines, three spaces between columns.
final class Table {
  private static final String GAP = "   ";
  private final List<List<String>> rows = new ArrayList<>();

  Table(List<String> header) {
    rows.add(List.copyOf(header));
  }

  /// @param cells as many as the header has; an empty one is printed as kubectl does
  void add(List<String> cells) {
    if (cells.size() != rows.getFirst().size()) {
      throw new IllegalArgumentException(cells + " under " + rows.getFirst());
    }
    rows.add(cells.stream().map(cell -> cell.isEmpty() ? "<none>" : cell).toList());
  }

  List<String> lines() {
    int[] widths =
        IntStream.range(0, rows.getFirst().size())
            .map(column -> rows.stream().mapToInt(row -> row.get(column).length()).max().orElse(0))
            .toArray();
    return rows.stream()
        .map(
            row ->
                IntStream.range(0, widths.length)
                    .mapToObj(
                        column ->
                            row.get(column) + " ".repeat(widths[column] - row.get(column).length()))
                    .collect(Collectors.joining(GAP))
                    .stripTrailing())
        .toList();
  }
}
