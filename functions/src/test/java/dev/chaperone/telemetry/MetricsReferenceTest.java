package dev.chaperone.telemetry;

import dev.chaperone.docs.Page;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.config.NamingConvention;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// `docs/reference/metrics.md` has every metric that [Metrics] can record, with its labels.
class MetricsReferenceTest {
  /// Of labels with more values, only the name is shown.
  private static final int FEW = 4;

  /// Values for parameters whose type has many.
  private static final Map<Class<?>, Object> SAMPLES =
      Map.of(
          String.class,
          "sample",
          int.class,
          204,
          Duration.class,
          Duration.ofMillis(1),
          ApiPath.class,
          ApiPath.of("GET", "/api/v1/nodes"));

  /// @param values by label, sorted
  private record Shown(String type, String meaning, SequencedMap<String, Set<String>> values) {}

  @Test
  void the_page_has_every_metric_with_its_labels() throws Exception {
    var registry = new SimpleMeterRegistry();
    Metrics metrics = new Metrics(registry);
    for (Method method : Metrics.class.getDeclaredMethods()) {
      if (!Modifier.isPrivate(method.getModifiers()) && !method.isSynthetic()) {
        for (Object[] arguments : combinations(method.getParameterTypes())) {
          method.invoke(metrics, arguments);
        }
      }
    }

    Page.of("reference/metrics.md").assertBlock("metrics", table(registry.getMeters()));
  }

  private static List<Object[]> combinations(Class<?>[] types) {
    List<Object[]> all = new ArrayList<>();
    all.add(new Object[types.length]);
    for (int i = 0; i < types.length; i++) {
      List<Object[]> more = new ArrayList<>();
      for (Object[] arguments : all) {
        for (Object value : values(types[i])) {
          Object[] copy = arguments.clone();
          copy[i] = value;
          more.add(copy);
        }
      }
      all = more;
    }
    return all;
  }

  private static List<Object> values(Class<?> type) {
    if (type.isEnum()) {
      return List.of(type.getEnumConstants());
    }
    return type == boolean.class
        ? List.of(true, false)
        : List.of(Objects.requireNonNull(SAMPLES.get(type), "add a sample of " + type));
  }

  private static String table(List<Meter> meters) {
    Map<String, Shown> all = new TreeMap<>();
    for (Meter meter : meters) {
      Meter.Id id = meter.getId();
      Shown shown =
          all.computeIfAbsent(
              prometheusName(id),
              _ ->
                  new Shown(
                      id.getType() == Meter.Type.TIMER ? "summary" : "counter",
                      Objects.requireNonNullElse(id.getDescription(), ""),
                      new LinkedHashMap<>()));
      for (Tag tag : id.getTags()) {
        shown.values().computeIfAbsent(tag.getKey(), _ -> new TreeSet<>()).add(tag.getValue());
      }
    }
    return all.entrySet().stream()
        .map(
            it ->
                "| `%s` | %s | %s | %s |\n"
                    .formatted(
                        it.getKey(),
                        it.getValue().type(),
                        labels(it.getValue().values()),
                        it.getValue().meaning()))
        .collect(
            Collectors.joining(
                "", "| metric | type | labels | meaning |\n|---|---|---|---|\n", ""));
  }

  /// As the registry for Prometheus makes it.
  private static String prometheusName(Meter.Id id) {
    String name = NamingConvention.snakeCase.name(id.getName(), id.getType());
    return name + (id.getType() == Meter.Type.TIMER ? "_seconds" : "_total");
  }

  private static String labels(Map<String, Set<String>> values) {
    return values.entrySet().stream()
        .map(
            it ->
                it.getValue().size() > 1 && it.getValue().size() <= FEW
                    ? "`%s` (%s)".formatted(it.getKey(), String.join(", ", it.getValue()))
                    : "`%s`".formatted(it.getKey()))
        .collect(Collectors.joining(", "));
  }
}
