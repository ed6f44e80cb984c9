package dev.chaperone.decide;

import dev.cel.common.ast.CelExpr;
import dev.cel.common.ast.CelExpr.ExprKind.Kind;
import dev.cel.extensions.CelExtensions;
import dev.cel.extensions.CelStringExtensions;
import dev.cel.runtime.CelEvaluationListener;
import dev.cel.runtime.CelFunctionBinding;
import dev.cel.runtime.CelRuntimeBuilder;
import dev.cel.runtime.CelRuntimeLibrary;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What one evaluation of an expression costs, counted step by step. A step costs one, and what it
/// makes as much as that is long: text its characters; a new list or map all that is inside, as
/// often as it is inside.
///
/// That is a bound on memory, too, because no step makes much more than it was given: of those that
/// could, `replace` and `join` are made here, and look at the length of what they would make first.
final class Effort implements CelEvaluationListener {
  private static final int MOST = 4_000_000;
  private static final int LONGEST_TEXT = 1 << 16;

  /// What is only read costs less: it is there anyway.
  private static final int READ = 16;

  /// For what is dear in time alone, such as comparing the same long lists again and again.
  private static final Duration LONGEST = Duration.ofSeconds(2);

  private final Time time;

  /// From the first step on: before it, the JVM may have to load what evaluates.
  private long began;

  private long cost;

  /// What the expressions of one decision have together: there may be many.
  static final class Time {
    private long left;

    Time() {
      this(LONGEST);
    }

    Time(Duration left) {
      this.left = left.toNanos();
    }
  }

  Effort(Time time) {
    this.time = time;
  }

  /// An evaluation that is not worth what it costs.
  static final class Exceeded extends RuntimeException {
    Exceeded(String message) {
      super(message);
    }
  }

  @Override
  public void callback(CelExpr step, Object made) {
    if (cost++ == 0) {
      began = System.nanoTime();
    }
    switch (step.getKind()) {
      case Kind.IDENT, Kind.SELECT ->
          cost += made instanceof String text ? text.length() / READ : 0;
      case Kind.LIST, Kind.MAP -> addAllOf(made);
      default -> addSizeOf(made);
    }
    check();
  }

  /// Again at the end: `||` and `&&` go on past what one side of them throws.
  ///
  /// @throws Exceeded when it was too much
  void check() {
    if (cost > MOST) {
      throw new Exceeded("it takes too many steps, or makes too much text or too long lists");
    }
    if (taken() > time.left) {
      throw new Exceeded(
          "it takes longer than %d s, or those before it did".formatted(LONGEST.toSeconds()));
    }
  }

  /// Takes what it took from those that come after it.
  void end() {
    time.left -= taken();
  }

  private long taken() {
    return cost == 0 ? 0 : System.nanoTime() - began;
  }

  private void addSizeOf(Object made) {
    cost +=
        switch (made) {
          case String text -> text.length();
          case List<?> list -> list.size();
          case Map<?, ?> map -> map.size();
          default -> 0;
        };
  }

  /// Ends where it is too much: what is inside several times would otherwise be looked at as often,
  /// and that can double with every level.
  private void addAllOf(Object made) {
    if (cost > MOST) {
      return;
    }
    cost++;
    switch (made) {
      case String text -> cost += text.length();
      case List<?> list -> list.forEach(this::addAllOf);
      case Map<?, ?> map -> map.values().forEach(this::addAllOf);
      case Optional<?> optional -> optional.ifPresent(this::addAllOf);
      default -> {}
    }
  }

  /// CEL's functions on text, none of which makes text without end.
  static CelRuntimeLibrary strings() {
    EnumSet<CelStringExtensions.Function> rest =
        EnumSet.complementOf(
            EnumSet.of(CelStringExtensions.Function.REPLACE, CelStringExtensions.Function.JOIN));
    CelRuntimeLibrary others = CelExtensions.strings(rest);
    return new CelRuntimeLibrary() {
      @Override
      public void setRuntimeOptions(CelRuntimeBuilder runtime) {
        others.setRuntimeOptions(runtime);
        runtime.addFunctionBindings(
            CelFunctionBinding.from(
                "string_replace_string_string",
                List.of(String.class, String.class, String.class),
                it -> replace((String) it[0], (String) it[1], (String) it[2], -1)),
            CelFunctionBinding.from(
                "string_replace_string_string_int",
                List.of(String.class, String.class, String.class, Long.class),
                it -> replace((String) it[0], (String) it[1], (String) it[2], (long) it[3])),
            CelFunctionBinding.from("list_join", List.class, it -> join(it, "")),
            CelFunctionBinding.from("list_join_string", List.class, String.class, Effort::join));
      }
    };
  }

  /// @param limit how many to replace at most; all if negative
  private static String replace(String text, String search, String replacement, long limit) {
    StringBuilder made = new StringBuilder();
    int from = 0;
    for (long i = 0; limit < 0 || i < limit; i++) {
      // An empty one is found before each character, and at the end.
      int found = text.indexOf(search, search.isEmpty() && i > 0 ? next(text, from) : from);
      if (found < 0) {
        break;
      }
      append(made, text, from, found);
      append(made, replacement, 0, replacement.length());
      from = found + search.length();
      if (search.isEmpty() && found == text.length()) {
        break;
      }
    }
    append(made, text, from, text.length());
    return made.toString();
  }

  private static int next(String text, int from) {
    return from == text.length() ? from : text.offsetByCodePoints(from, 1);
  }

  private static String join(List<?> texts, String separator) {
    StringBuilder made = new StringBuilder();
    String before = "";
    for (Object text : texts) {
      append(made, before, 0, before.length());
      append(made, (String) text, 0, ((String) text).length());
      before = separator;
    }
    return made.toString();
  }

  private static void append(StringBuilder made, String text, int from, int to) {
    if (made.length() + to - from > LONGEST_TEXT) {
      throw new Exceeded("it makes text of more than " + LONGEST_TEXT + " characters");
    }
    made.append(text, from, to);
  }
}
