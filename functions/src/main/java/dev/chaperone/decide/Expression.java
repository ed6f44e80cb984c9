package dev.chaperone.decide;

import com.google.protobuf.Timestamp;
import dev.cel.bundle.Cel;
import dev.cel.bundle.CelFactory;
import dev.cel.checker.CelCheckerBuilder;
import dev.cel.common.CelAbstractSyntaxTree;
import dev.cel.common.CelIssue;
import dev.cel.common.CelOptions;
import dev.cel.common.CelValidationException;
import dev.cel.common.ast.CelExpr.ExprKind.Kind;
import dev.cel.common.navigation.CelNavigableAst;
import dev.cel.common.navigation.CelNavigableExpr;
import dev.cel.common.types.SimpleType;
import dev.cel.compiler.CelCompilerLibrary;
import dev.cel.extensions.CelExtensions;
import dev.cel.parser.CelParserBuilder;
import dev.cel.parser.CelStandardMacro;
import dev.cel.runtime.CelEvaluationException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// One CEL expression, compiled. Bounded in size, depth, iterations and [Effort], so that it always
/// ends, soon and without blowing up. Nothing else knows CEL, so its classes load with the first
/// expression.
public final class Expression {
  private static final CelOptions BOUNDS =
      CelOptions.current()
          .maxExpressionCodePointSize(2048)
          .maxParseRecursionDepth(50)
          .comprehensionMaxIterations(10_000)
          .maxRegexProgramSize(1_000)
          .enableOptionalSyntax(true)
          .build();

  /// Optional values without their macros, `optMap` and `optFlatMap`: those write what they are
  /// called on twice, so that a chain of them doubles with every link.
  private static final CelCompilerLibrary OPTIONAL_VALUES =
      new CelCompilerLibrary() {
        @Override
        public void setParserOptions(CelParserBuilder parser) {}

        @Override
        public void setCheckerOptions(CelCheckerBuilder checker) {
          CelExtensions.optional().setCheckerOptions(checker);
        }
      };

  /// So much of what went wrong is told.
  private static final int TOLD = 300;

  /// So much of a value is shown, and so many values.
  private static final int SHOWN_LENGTH = 60;

  private static final int SHOWN = 4;

  private final Cel cel;
  private final CelAbstractSyntaxTree ast;

  private Expression(Cel cel, CelAbstractSyntaxTree ast) {
    this.cel = cel;
    this.ast = ast;
  }

  /// An expression that is none, or that cannot be evaluated with these values; the message says
  /// why and, where it is known, at which column.
  public static final class Failed extends Exception {
    Failed(String message) {
      super(message);
    }
  }

  /// The language of expressions with these variables; what they stand for is not known yet. It
  /// costs more to make than an expression, so expressions with the same variables share one.
  public static Language language(Collection<String> variables) {
    var builder =
        CelFactory.standardCelBuilder()
            .setOptions(BOUNDS)
            .setStandardMacros(CelStandardMacro.STANDARD_MACROS)
            .addCompilerLibraries(CelExtensions.strings(), OPTIONAL_VALUES)
            .addRuntimeLibraries(CelExtensions.optional(), Effort.strings());
    variables.forEach(
        name -> builder.addVar(name, name.equals("now") ? SimpleType.TIMESTAMP : SimpleType.DYN));
    return new Language(builder.build());
  }

  /// CEL with certain variables.
  public static final class Language {
    private final Cel cel;

    private Language(Cel cel) {
      this.cel = cel;
    }

    /// Compiles an expression.
    ///
    /// @throws Failed when it does not compile
    public Expression compile(String text) throws Failed {
      try {
        return new Expression(cel, cel.compile(text).getAst());
      } catch (CelValidationException e) {
        throw new Failed(
            e.getErrors().stream()
                .limit(2)
                .map(Expression::describe)
                .collect(Collectors.joining("; ")));
      } catch (RuntimeException e) {
        // The parser's own way to give up on what is too deep.
        throw new Failed("cannot be compiled: " + told(e.getMessage()));
      } catch (StackOverflowError e) {
        throw new Failed("cannot be compiled: it is too deep");
      }
    }
  }

  /// The variables that it uses.
  Set<String> uses() {
    return nodes()
        .filter(node -> node.getKind() == Kind.IDENT)
        .map(node -> node.expr().ident().name())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// Whether it is true.
  ///
  /// @param values as JSON; an Instant becomes a timestamp
  /// @throws Failed when something that it reads is not there or not of the right type
  public boolean isTrue(Map<String, Object> values) throws Failed {
    return isTrue(values, new Effort.Time());
  }

  /// The same, for one of several.
  boolean isTrue(Map<String, Object> values, Effort.Time time) throws Failed {
    Object result = evaluate(values, time);
    if (result instanceof Boolean truth) {
      return truth;
    }
    throw new Failed("gives " + shown(result) + ", not true or false");
  }

  /// The text that it gives.
  ///
  /// @throws Failed as [#isTrue], and when it gives no text
  public String text(Map<String, Object> values) throws Failed {
    Object result = evaluate(values, new Effort.Time());
    if (result instanceof String text) {
      return text;
    }
    throw new Failed("gives " + shown(result) + ", not a string");
  }

  private Object evaluate(Map<String, Object> values, Effort.Time time) throws Failed {
    Map<String, Object> converted = new LinkedHashMap<>();
    values.forEach((name, value) -> converted.put(name, convert(value)));
    Effort effort = new Effort(time);
    try {
      Object result = cel.createProgram(ast).trace(converted, effort);
      effort.check();
      return result;
    } catch (Effort.Exceeded e) {
      throw new Failed("cannot be evaluated: " + e.getMessage());
    } catch (CelEvaluationException e) {
      throw new Failed("cannot be evaluated: " + told(e.getMessage()));
    } catch (RuntimeException | StackOverflowError e) {
      throw new Failed("cannot be evaluated: " + told(e.toString()));
    } finally {
      effort.end();
    }
  }

  private static String told(@Nullable String message) {
    return cut(String.valueOf(message), TOLD);
  }

  private static String cut(String text, int most) {
    return text.length() <= most ? text : text.substring(0, most) + "…";
  }

  /// What it read, as `path is value`, for people who wonder why.
  List<String> read(Map<String, Object> values) {
    return nodes()
        .filter(node -> node.getKind() == Kind.SELECT)
        .filter(node -> node.parent().map(it -> it.getKind() != Kind.SELECT).orElse(true))
        .map(Expression::path)
        .flatMap(Optional::stream)
        .distinct()
        .filter(path -> values.containsKey(path.getFirst()))
        .limit(SHOWN)
        .map(path -> String.join(".", path) + " is " + shown(lookUp(values, path)))
        .toList();
  }

  private Stream<CelNavigableExpr> nodes() {
    return CelNavigableAst.fromAst(ast).getRoot().allNodes();
  }

  private static Optional<List<String>> path(CelNavigableExpr select) {
    List<String> path = new ArrayList<>();
    var expr = select.expr();
    while (expr.getKind() == Kind.SELECT) {
      path.addFirst(expr.select().field());
      expr = expr.select().operand();
    }
    if (expr.getKind() != Kind.IDENT) {
      return Optional.empty();
    }
    path.addFirst(expr.ident().name());
    return Optional.of(path);
  }

  private static @Nullable Object lookUp(Map<String, Object> values, List<String> path) {
    Object at = values;
    for (String field : path) {
      at = at instanceof Map<?, ?> map ? map.get(field) : null;
    }
    return at;
  }

  private static String shown(@Nullable Object value) {
    return cut(value == null ? "absent" : value.toString(), SHOWN_LENGTH);
  }

  private static String describe(CelIssue issue) {
    return "column %d: %s".formatted(issue.getSourceLocation().getColumn() + 1, issue.getMessage());
  }

  /// JSON as CEL knows it: every integer has 64 bits, and what is null is not there.
  private static Object convert(Object value) {
    return switch (value) {
      case Instant instant ->
          Timestamp.newBuilder()
              .setSeconds(instant.getEpochSecond())
              .setNanos(instant.getNano())
              .build();
      case Integer integer -> integer.longValue();
      case Float number -> number.doubleValue();
      case Map<?, ?> map -> {
        Map<Object, Object> converted = new LinkedHashMap<>();
        map.forEach(
            (key, item) -> {
              if (item != null) {
                converted.put(key, convert(item));
              }
            });
        yield converted;
      }
      case List<?> list ->
          list.stream().filter(item -> item != null).map(Expression::convert).toList();
      default -> value;
    };
  }
}
