package dev.chaperone.it;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import dev.chaperone.lab.knative.Serving;
import java.net.http.HttpRequest;
import java.nio.file.Path;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ExtensionContext.StoreScope;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;
import org.junit.jupiter.api.extension.TestWatcher;

/// Gives tests Chaperone as users have it: a lab with real Knative Eventing, `knative/` and
/// `triggers/` applied, and the functions started by events. One for all test classes of a JVM.
final class OnKnative implements ParameterResolver, TestWatcher {
  private static final Namespace NAMESPACE = Namespace.create(OnKnative.class);
  static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// What there is.
  static final class Chaperone implements AutoCloseable {
    private static final String NAME = "chaperone";
    private static final int ACCEPTED = 202;

    private final Lab lab;
    private final Eventing eventing;
    private final Serving serving;

    Chaperone() {
      lab = Lab.start();
      try {
        eventing = Eventing.start(lab);
        serving =
            Serving.start(
                eventing,
                new Serving.Program(FunctionsCommand.fastest(FunctionsCommand.built(HOME))));
        lab.apply(HOME.resolve("knative"));
        // A source never watches a kind that the cluster did not know when it started.
        lab.awaitListed("companions", "holds");
        lab.apply(HOME.resolve("triggers"));
        eventing.awaitReady();
      } catch (RuntimeException | AssertionError e) {
        lab.keepLogs();
        lab.close();
        throw e;
      }
    }

    /// Events that are posted here by hand go to the Broker.
    Installation installation() {
      return new Installation(
          lab, eventing.broker(NAME, NAME), HOME.resolve("triggers/base/sources.yaml"));
    }

    /// Posts a pulse to the Broker as the PingSource does, and returns when the functions are done
    /// with it, however often it had to be sent again: an in-memory channel answers no sooner.
    void pulse() {
      HttpRequest.Builder pulse =
          installation()
              .event("dev.knative.sources.ping")
              .setHeader("ce-source", "/apis/v1/namespaces/chaperone/pingsources/chaperone-pulse");
      int status = installation().post(pulse, Scene.LONG).statusCode();
      if (status != ACCEPTED) {
        throw new AssertionError("the Broker answered a pulse with " + status);
      }
    }

    Eventing eventing() {
      return eventing;
    }

    FunctionsOnDemand functions() {
      return serving.functions(NAME, "functions");
    }

    @Override
    public void close() {
      lab.close();
    }
  }

  @Override
  public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
    return parameter.getParameter().getType() == Chaperone.class;
  }

  @Override
  public Chaperone resolveParameter(ParameterContext parameter, ExtensionContext context) {
    return context
        .getStore(StoreScope.LAUNCHER_SESSION, NAMESPACE)
        .computeIfAbsent(Chaperone.class, _ -> new Chaperone(), Chaperone.class);
  }

  @Override
  public void testFailed(ExtensionContext context, Throwable cause) {
    Chaperone chaperone =
        context
            .getStore(StoreScope.LAUNCHER_SESSION, NAMESPACE)
            .get(Chaperone.class, Chaperone.class);
    if (chaperone != null) {
      chaperone.lab.keepLogs();
    }
  }
}
