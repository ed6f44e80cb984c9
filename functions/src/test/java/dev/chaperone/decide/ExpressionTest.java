package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
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

  /// Each of these would run for ages, or take the stack or the heap, without bounds. `L` has a
  /// thousand numbers, and `S` is as long as an object may be.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "L.all(a, L.all(b, L.all(c, L.all(d, L.all(e, true)))))",
        "L.map(a, L.map(b, L.map(c, L))).size() > 0",
        "'x'.matches('(((a{1,100}){1,100}){1,100})')",
        "size(L.map(a, L)) < 0 || L.map(a, L.map(b, [L, L])).size() > 0",
        // Text that multiplies.
        "S.replace('', S).size() > 0",
        "S.replace('x', S).size() > 0",
        "S.replace('x', 'yyyyyyyyyy', 100000).size() > 0",
        "L.map(a, S).join().size() > 0",
        "L.map(a, '').join(S).size() > 0",
        "L.map(a, S + string(a)).size() > 0",
        "L.map(a, {'text': S + string(a)}).size() > 0",
        // What one side of || threw does not matter to it.
        "L.map(a, S + string(a)).size() > 0 || true",
        // Lists that are inside each other again and again.
        "[L].DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE",
        "[L].DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE == [L].DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE",
        "[optional.of(L)].DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE.DOUBLE",
        // Much to compare, and little that is made.
        "L.all(a, L.all(b, S.matches('(x+x+)+y') || S == S))",
        // Code that doubles.
        "optional.of(1).OPT.OPT.OPT.OPT.OPT.OPT.OPT.hasValue()",
      })
  void is_bounded(String text) {
    String expression =
        text.replace("DOUBLE", "map(x, [x, x]).map(x, [x, x]).map(x, [x, x]).map(x, [x, x])")
            .replace("OPT", "optMap(x, x).optMap(x, x).optMap(x, x).optMap(x, x)");
    Map<String, Object> values =
        Map.of("L", IntStream.range(0, 1000).boxed().toList(), "S", "x".repeat(256 << 10));

    assertThatThrownBy(
            () -> {
              Expression compiled = Expression.language(values.keySet()).compile(expression);
              compiled.uses();
              compiled.isTrue(values);
            })
        .isInstanceOf(Expression.Failed.class)
        .message()
        .hasSizeLessThan(600);
  }

  /// As much as an object of many parts needs.
  @Test
  void has_room_for_what_is_meant() throws Expression.Failed {
    Map<String, Object> values =
        Map.of(
            "L",
            IntStream.range(0, 2000)
                .mapToObj(i -> Map.of("name", "osd-" + i, "up", i % 2 == 0))
                .toList(),
            "S",
            "x".repeat(256 << 10));

    for (String text :
        List.of(
            "L.filter(osd, osd.up).size() == 1000",
            "L.map(osd, osd.name).join(',').contains('osd-1999')",
            "L.exists(osd, osd.name == 'osd-1999' && !osd.up)",
            "['a', 'b', 'c', 'd'].all(it, !S.contains(it))",
            "S.size() == 262144 && (S + S).size() > 0")) {
      assertThat(Expression.language(values.keySet()).compile(text).isTrue(values))
          .as(text)
          .isTrue();
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '"',
      value = {
        "'hello hello'.replace('he', 'we'); wello wello",
        "'hello hello'.replace('he', 'we', -1); wello wello",
        "'hello hello'.replace('he', 'we', 1); wello hello",
        "'hello hello'.replace('he', 'we', 0); hello hello",
        "'hello hello'.replace('', '_'); _h_e_l_l_o_ _h_e_l_l_o_",
        "'hello hello'.replace('', '_', 2); _h_ello hello",
        "'hello hello'.replace('h', ''); ello ello",
        "'a😀b'.replace('', '_'); _a_😀_b_",
        "'aaa'.replace('aa', 'b'); ba",
        "''.replace('', 'b'); b",
        "['hello', 'world'].join(); helloworld",
        "['hello', 'world'].join(', '); hello, world",
        "['one'].join(','); one",
      })
  void replaces_and_joins_as_cel_says(String text, String expected) throws Expression.Failed {
    assertThat(Expression.language(Set.of()).compile(text).text(Map.of())).isEqualTo(expected);
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

  @ParameterizedTest
  @ValueSource(strings = {"+L", ".a", "[0]", ".map(x, x)", " ? L : L"})
  void a_long_chain_is_too_deep(String link) {
    String chain = "L" + link.repeat(2000 / link.length());

    assertThatThrownBy(() -> Expression.language(Set.of("L")).compile(chain).uses())
        .isInstanceOf(Expression.Failed.class);
  }

  @Test
  void expressions_of_one_decision_share_their_time() throws Exception {
    Expression slow =
        Expression.language(List.of()).compile("[1, 2, 3].all(x, [1, 2, 3].all(y, x + y > 0))");
    Effort.Time time = new Effort.Time(Duration.ofSeconds(2));
    assertThat(slow.isTrue(Map.of(), time)).isTrue();

    assertThatThrownBy(
            () -> {
              for (int i = 0; i < 1_000_000; i++) {
                slow.isTrue(Map.of(), time);
              }
            })
        .isInstanceOf(Expression.Failed.class)
        .hasMessageContaining("or those before it did");
  }
}
