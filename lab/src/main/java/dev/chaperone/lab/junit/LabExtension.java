package dev.chaperone.lab.junit;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.knative.Eventing;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ExtensionContext.Store;
import org.junit.jupiter.api.extension.ExtensionContext.StoreScope;
import org.junit.jupiter.api.extension.LifecycleMethodExecutionExceptionHandler;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestWatcher;

/// Gives tests a [Lab], and [Eventing] on it, as parameters of their constructor or methods: one
/// for all test classes of a JVM, started when the first asks for it and closed after the last. If
/// anything fails, its logs are kept and their folder is printed.
public final class LabExtension
    implements ParameterResolver, TestWatcher, LifecycleMethodExecutionExceptionHandler {
  private static final Namespace NAMESPACE = Namespace.create(LabExtension.class);

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    Class<?> type = parameter.getParameter().getType();
    return type == Lab.class || type == Eventing.class;
  }

  @Override
  public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
    Store store = context.getStore(StoreScope.LAUNCHER_SESSION, NAMESPACE);
    Lab lab = store.computeIfAbsent(Lab.class, _ -> Lab.start(), Lab.class);
    return parameter.getParameter().getType() == Lab.class
        ? lab
        : store.computeIfAbsent(Eventing.class, _ -> Eventing.start(lab), Eventing.class);
  }

  @Override
  public void testFailed(ExtensionContext context, @Nullable Throwable cause) {
    keepLogs(context);
  }

  @Override
  public void handleBeforeAllMethodExecutionException(ExtensionContext context, Throwable cause)
      throws Throwable {
    keepLogs(context);
    throw cause;
  }

  private static void keepLogs(ExtensionContext context) {
    Lab lab = context.getStore(StoreScope.LAUNCHER_SESSION, NAMESPACE).get(Lab.class, Lab.class);
    if (lab != null) {
      lab.keepLogs();
    }
  }
}
