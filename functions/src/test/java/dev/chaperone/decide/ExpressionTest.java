package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExpressionTest {
  private static final Map<String, Object> VALUES =
      Map.of(
          "ceph",
          Map.of(
              "status",
              Map.of(
                  "ceph",
                  Map.of("health", "HEALTH_WARN"),
                  "osds",
                  List.of(Map.of("id", 1, "up", true), Map.of("id", 2, "up", false)),
                  "usage",
                  0.5)),
          "guards",
          Map.of("desired", 3, "bound", 2),
          "now",
          Instant.parse("2026-11-24T06:00:00Z"));

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '"',
      value = {
        "ceph.status.ceph.health != 'HEALTH_OK'; true",
        "ceph.status.ceph.health in ['HEALTH_OK', 'HEALTH_WARN']; true",
        "guards.bound < guards.desired; true",
        "guards.bound == 3; false",
        "ceph.status.osds.exists(osd, !osd.up); true",
        "ceph.status.osds.all(osd, osd.up); false",
        "size(ceph.status.osds) == 2; true",
        "ceph.status.usage > 0.4; true",
        "has(ceph.status.rebuilding) && ceph.status.rebuilding; false",
        "ceph.?status.?rebuilding.orValue(false); false",
        "now > timestamp('2026-11-24T05:59:59Z'); true",
        "now.getHours('Europe/Budapest') == 7; true",
        "ceph.status.ceph.health.lowerAscii().contains('warn'); true"
      })
  void reads_json_and_time(String text, boolean expected) throws Expression.Failed {
    assertThat(Expression.language(VALUES.keySet()).compile(text).isTrue(VALUES))
        .isEqualTo(expected);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '"',
      value = {
        "ceph.status.; column 13",
        "cehp.status == 'x'; column 1: undeclared reference to 'cehp'",
        "'a' + 1; column 5",
        "now == 'today'; column 5",
      })
  void says_where_and_why_it_does_not_compile(String text, String message) {
    assertThatThrownBy(() -> Expression.language(VALUES.keySet()).compile(text))
        .isInstanceOf(Expression.Failed.class)
        .hasMessageContaining(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '"',
      value = {
        "ceph.status.nothing.there; nothing",
        "ceph.status.ceph.health; gives HEALTH_WARN, not true or false",
        "ceph.status.ceph.health > 3; cannot be evaluated",
        "1 / (guards.bound - 2) > 0; cannot be evaluated",
        "ceph.status.osds[7].up; cannot be evaluated"
      })
  void says_why_it_cannot_be_evaluated(String text, String message) {
    assertThatThrownBy(() -> Expression.language(VALUES.keySet()).compile(text).isTrue(VALUES))
        .isInstanceOf(Expression.Failed.class)
        .hasMessageContaining(message);
  }

  @Test
  void tells_which_values_it_read() throws Expression.Failed {
    Expression expression =
        Expression.language(VALUES.keySet())
            .compile(
                "ceph.status.ceph.health != 'HEALTH_OK' || guards.bound < 3 || has(ceph.status.x)");

    assertThat(expression.read(VALUES))
        .containsExactly(
            "ceph.status.ceph.health is HEALTH_WARN",
            "guards.bound is 2",
            "ceph.status.x is absent");
    assertThat(expression.uses()).containsExactlyInAnyOrder("ceph", "guards");
  }

  @Test
  void what_is_null_is_not_there() throws Expression.Failed {
    Map<String, Object> it = new HashMap<>(Map.of("a", 1));
    it.put("b", null);
    it.put("c", Arrays.asList(1, null));
    Map<String, Object> values = Map.of("it", it);

    assertThat(Expression.language(Set.of("it")).compile("has(it.b)").isTrue(values)).isFalse();
    assertThat(Expression.language(Set.of("it")).compile("size(it.c) == 1").isTrue(values))
        .isTrue();
  }

  /// Each of these would run for ages, or take the stack or the heap, without bounds.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "L.all(a, L.all(b, L.all(c, L.all(d, L.all(e, true)))))",
        "L.map(a, L.map(b, L.map(c, L))).size() > 0",
        "'x'.matches('(((a{1,100}){1,100}){1,100})')",
        "size(L.map(a, L)) < 0",
      })
  void is_bounded(String text) {
    Map<String, Object> values =
        Map.of("L", java.util.stream.IntStream.range(0, 1000).boxed().toList());
    long begin = System.nanoTime();

    try {
      Expression.language(Set.of("L")).compile(text).isTrue(values);
    } catch (Expression.Failed expected) {
      assertThat(expected).hasMessageNotContaining("OutOfMemory");
    }

    assertThat((System.nanoTime() - begin) / 1e9)
        .as("seconds, of which there may be few")
        .isLessThan(60);
  }

  @Test
  void is_bounded_in_depth_and_length() {
    assertThatThrownBy(
            () -> Expression.language(Set.of()).compile("(".repeat(900) + "true" + ")".repeat(900)))
        .isInstanceOf(Expression.Failed.class);
    assertThatThrownBy(
            () -> Expression.language(Set.of()).compile("'" + "x".repeat(3000) + "' == ''"))
        .isInstanceOf(Expression.Failed.class);
  }
}
