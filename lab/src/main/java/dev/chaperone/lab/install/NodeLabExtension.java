package dev.chaperone.lab.install;

import dev.chaperone.lab.nodes.NodeLab;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestWatcher;

/// Gives tests a [NodeLab] of three workers with Knative and Chaperone on it, installed as users
/// do: one for all test classes of a JVM, closed after the last. If anything fails, its logs are
/// kept.
///
/// Tests run with `-Dchaperone.nodes=true` only, and are skipped where the machine cannot; the
/// reason says what is missing.
public final class NodeLabExtension implements ExecutionCondition, ParameterResolver, TestWatcher {
  /// Whether tests with real nodes are asked for.
  public static final String PROPERTY = "chaperone.nodes";

  private static final Namespace NAMESPACE = Namespace.create(NodeLabExtension.class);
  private static final int WORKERS = 3;

  @Override
  public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
    if (!Boolean.getBoolean(PROPERTY)) {
      return ConditionEvaluationResult.disabled("real nodes only with -D" + PROPERTY + "=true");
    }
    List<String> missing = NodeLab.missing();
    return missing.isEmpty()
        ? ConditionEvaluationResult.enabled("real nodes can run here")
        : ConditionEvaluationResult.disabled("real nodes cannot run here: " + missing);
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == NodeLab.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    return context
        .getRoot()
        .getStore(NAMESPACE)
        .computeIfAbsent(NodeLab.class, _ -> start(), NodeLab.class);
  }

  private static NodeLab start() {
    Path home = Path.of(System.getProperty("chaperone.home", "."));
    NodeLab nodes = Chaperone.startNodes(home, WORKERS);
    try {
      nodes.installKnative();
      Chaperone.install(nodes, home);
      return nodes;
    } catch (RuntimeException | AssertionError e) {
      nodes.lab().keepLogs();
      nodes.close();
      throw e;
    }
  }

  @Override
  public void testFailed(ExtensionContext context, @Nullable Throwable cause) {
    NodeLab nodes = context.getRoot().getStore(NAMESPACE).get(NodeLab.class, NodeLab.class);
    if (nodes != null) {
      nodes.lab().keepLogs();
    }
  }
}
