package dev.chaperone.lab.bench;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// Bars beside each other, as SVG: one group for each category, one bar for each series.
final class Chart {
  private static final List<String> COLOURS = List.of("#2f6f9f", "#d08a2e", "#7a9e3a", "#8c8c8c");
  private static final int WIDTH = 720;
  private static final int HEIGHT = 320;
  private static final int LEFT = 60;
  private static final int TOP = 56;
  private static final int BOTTOM = 36;
  private static final double BAR_SHARE = 0.8;

  private final String title;
  private final String unit;
  private final List<String> series;
  private final Map<String, List<Double>> groups = new LinkedHashMap<>();

  Chart(String title, String unit, List<String> series) {
    this.title = title;
    this.unit = unit;
    this.series = List.copyOf(series);
  }

  /// @param values one for each series; `NaN` for none
  Chart group(String category, List<Double> values) {
    groups.put(category, List.copyOf(values));
    return this;
  }

  boolean isEmpty() {
    return groups.isEmpty();
  }

  String svg() {
    double top =
        groups.values().stream()
            .flatMap(List::stream)
            .filter(value -> !value.isNaN())
            .mapToDouble(Double::doubleValue)
            .max()
            .orElse(1);
    double plot = HEIGHT - TOP - BOTTOM;
    List<String> lines = new ArrayList<>();
    lines.add(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">"
            .formatted(WIDTH, HEIGHT));
    lines.add("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
    lines.add(text(WIDTH / 2.0, 20, "middle", "font-size=\"15\"", title + ", " + unit));
    for (int i = 0; i < series.size(); i++) {
      double x = LEFT + i * (WIDTH - LEFT) / (double) series.size();
      lines.add(rectangle(x, 32, 10, 10, i));
      lines.add(text(x + 15, 41, "start", "", series.get(i)));
    }
    for (int i = 0; i <= 4; i++) {
      double y = TOP + plot * (1 - i / 4.0);
      lines.add(
          String.format(
              Locale.ROOT, "<path d=\"M%d %.1fH%d\" stroke=\"#dddddd\"/>", LEFT, y, WIDTH));
      lines.add(text(LEFT - 6, y + 4, "end", "", number(top * i / 4)));
    }
    double room = (WIDTH - LEFT) / (double) Math.max(1, groups.size());
    int group = 0;
    for (Map.Entry<String, List<Double>> entry : groups.entrySet()) {
      double left = LEFT + room * group++ + room * (1 - BAR_SHARE) / 2;
      double width = room * BAR_SHARE / series.size();
      for (int i = 0; i < series.size(); i++) {
        double value = entry.getValue().get(i);
        if (!Double.isNaN(value)) {
          double height = plot * value / top;
          double y = TOP + plot - height;
          lines.add(rectangle(left + i * width, y, width * 0.95, height, i));
          lines.add(text(left + (i + 0.5) * width, y - 3, "middle", "", number(value)));
        }
      }
      lines.add(text(left + room * BAR_SHARE / 2, HEIGHT - 14, "middle", "", entry.getKey()));
    }
    lines.add("</svg>");
    return String.join("\n", lines) + "\n";
  }

  private static String rectangle(double x, double y, double width, double height, int colour) {
    return String.format(
        Locale.ROOT,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>",
        x,
        y,
        width,
        height,
        COLOURS.get(colour % COLOURS.size()));
  }

  private static String text(double x, double y, String anchor, String more, String text) {
    return String.format(
        Locale.ROOT,
        "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>%s</text>",
        x,
        y,
        anchor,
        more,
        text.replace("&", "&amp;").replace("<", "&lt;"));
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, value < 10 ? "%.1f" : "%.0f", value);
  }
}
