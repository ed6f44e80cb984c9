package dev.chaperone.lab.knative;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.net.HostRouter;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/// A stand-in for Knative Serving, whose activator, autoscaler and queue-proxy need real pods and
/// cannot run here. Its CRD is the real one. Each Service of the cluster becomes Ready under its
/// usual name, and what is sent there starts a program, waits until it listens, and ends it when
/// nothing came for as long as the manifest's `autoscaling.knative.dev/window` says.
///
/// The program is the caller's, in place of the image; its environment and its ServiceAccount are
/// the manifest's. One instance runs at most: there is no scaling beyond it, and no limit to its
/// concurrent requests.
public final class Serving implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Duration AGAIN = Duration.ofSeconds(1);

  private static final ResourceDefinitionContext SERVICES =
      new ResourceDefinitionContext.Builder()
          .withGroup("serving.knative.dev")
          .withVersion("v1")
          .withKind("Service")
          .withPlural("services")
          .withNamespaced(true)
          .build();

  private final Lab lab;
  private final KubernetesClient client;
  private final HostRouter router;
  private final Program program;
  private final Map<String, Revision> revisions = new ConcurrentHashMap<>();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final ExecutorService oneByOne =
      Executors.newSingleThreadExecutor(Thread.ofVirtual().factory());
  private final SharedIndexInformer<GenericKubernetesResource> services;

  /// What runs in place of a Service's image.
  ///
  /// @param command listens on `PORT` and `QUARKUS_HTTP_PORT`
  /// @param environment comes on top of the manifest's
  /// @param idle instead of the manifest's window; null: the window
  public record Program(
      List<String> command, Map<String, String> environment, @Nullable Duration idle) {
    /// With the manifest's environment and window.
    public Program(List<String> command) {
      this(command, Map.of(), null);
    }
  }

  /// @param template what it was made for
  private record Revision(JsonNode template, FunctionsOnDemand functions) {}

  private Serving(Eventing eventing, Program program) {
    this.lab = eventing.lab();
    this.client = lab.client();
    this.router = eventing.router();
    this.program = program;
    applyDefinition();
    this.services =
        client.genericKubernetesResources(SERVICES).inAnyNamespace().inform(new Changes());
    lab.endBefore(this::close);
  }

  /// Serves every Service there is and will be. It ends with the lab at the latest.
  public static Serving start(Eventing eventing, Program program) {
    return new Serving(eventing, program);
  }

  /// What runs for a Service, once it is served.
  ///
  /// @throws LabFailure if it is not served after two minutes; the message has its last problem
  public FunctionsOnDemand functions(String namespace, String name) {
    String key = namespace + "/" + name;
    Waiting.until(
        PATIENCE,
        () -> revisions.containsKey(key),
        () -> new LabFailure("The Service %s is not served after %s".formatted(key, PATIENCE)));
    return Objects.requireNonNull(revisions.get(key)).functions();
  }

  /// Ends every program; nothing is answered any more.
  @Override
  public void close() {
    if (!closed.getAndSet(true)) {
      services.stop();
      oneByOne.shutdownNow();
      revisions.values().forEach(it -> it.functions().close());
    }
  }

  private final class Changes implements ResourceEventHandler<GenericKubernetesResource> {
    @Override
    public void onAdd(GenericKubernetesResource service) {
      later(() -> serve(service));
    }

    @Override
    public void onUpdate(GenericKubernetesResource old, GenericKubernetesResource service) {
      later(() -> serve(service));
    }

    @Override
    public void onDelete(GenericKubernetesResource service, boolean unknown) {
      later(() -> end(service));
    }
  }

  private void later(Runnable task) {
    if (!closed.get()) {
      oneByOne.execute(task);
    }
  }

  private void serve(GenericKubernetesResource resource) {
    ObjectNode service = JSON.valueToTree(resource);
    JsonNode template = service.at("/spec/template");
    Revision present = revisions.get(key(resource));
    if (present == null || !present.template().equals(template)) {
      try {
        FunctionsOnDemand functions = start(resource, template);
        revisions.put(key(resource), new Revision(template, functions));
        router.route(host(resource), functions.address());
      } catch (RuntimeException e) {
        // For want of a ServiceAccount, most likely, which is applied a moment later.
        report(service, resource, e);
        Thread.ofVirtual().start(() -> again(resource));
        return;
      }
      if (present != null) {
        present.functions().close();
      }
    }
    report(service, resource, null);
  }

  private void again(GenericKubernetesResource resource) {
    try {
      Thread.sleep(AGAIN);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    GenericKubernetesResource now = client.resource(resource).get();
    if (now != null) {
      later(() -> serve(now));
    }
  }

  private void end(GenericKubernetesResource service) {
    Revision gone = revisions.remove(key(service));
    if (gone != null) {
      gone.functions().close();
    }
  }

  private FunctionsOnDemand start(GenericKubernetesResource service, JsonNode template) {
    String namespace = service.getMetadata().getNamespace();
    String name = service.getMetadata().getName();
    String account = template.at("/spec/serviceAccountName").asText("default");
    String revision = "%s-%05d".formatted(name, service.getMetadata().getGeneration());
    Container container = JSON.convertValue(template.at("/spec/containers/0"), Container.class);
    Map<String, String> environment =
        new ContainerEnvironment(client, namespace, revision + "-0", account).of(container);
    environment.putAll(Map.of("K_SERVICE", name, "K_CONFIGURATION", name, "K_REVISION", revision));
    environment.put("KUBECONFIG", lab.kubeconfig(namespace, account).toString());
    environment.putAll(program.environment());
    Duration idle = program.idle() != null ? program.idle() : window(template);
    Path log = lab.folder().resolve("serving-%s-%s.log".formatted(namespace, name));
    return FunctionsOnDemand.start(program.command(), environment, idle, log);
  }

  private static Duration window(JsonNode template) {
    JsonNode annotations = template.at("/metadata/annotations");
    String window = annotations.path("autoscaling.knative.dev/window").asText("60s");
    // Go's notation, without fractions: 1m30s
    return Duration.parse("PT" + window.toUpperCase(java.util.Locale.ROOT));
  }

  private void report(
      ObjectNode service, GenericKubernetesResource resource, @Nullable RuntimeException problem) {
    String url = "http://" + host(resource) + ".svc.cluster.local";
    ObjectNode status = JSON.createObjectNode();
    status.put("observedGeneration", resource.getMetadata().getGeneration());
    status.put("url", url);
    status.putObject("address").put("url", url);
    ArrayNode conditions = status.putArray("conditions");
    for (String type : List.of("ConfigurationsReady", "Ready", "RoutesReady")) {
      ObjectNode condition =
          conditions
              .addObject()
              .put("type", type)
              .put("status", problem == null ? "True" : "False");
      if (problem != null) {
        condition.put("reason", "NotServed").put("message", String.valueOf(problem.getMessage()));
      }
    }
    JsonNode before = service.path("status");
    boolean same =
        status.properties().stream()
            .allMatch(field -> field.getValue().toString().equals(text(before, field.getKey())));
    if (!same) {
      ObjectNode patch = JSON.createObjectNode();
      patch.set("status", status);
      client
          .resource(resource)
          .subresource("status")
          .patch(PatchContext.of(PatchType.JSON_MERGE), patch.toString());
    }
  }

  private static String text(JsonNode status, String field) {
    return status.path(field).toString();
  }

  private void applyDefinition() {
    try {
      KnativeManifests manifest =
          new KnativeManifests(
              lab.manifests("serving"), List.of("core/300-resources/service.yaml"));
      Path file = manifest.write(lab.folder().resolve("knative-serving.json"));
      lab.kubectl("apply", "--server-side", "--force-conflicts", "-f", file.toString()).orFail();
      lab.awaitListed("services.serving.knative.dev");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String host(GenericKubernetesResource service) {
    return service.getMetadata().getName() + "." + service.getMetadata().getNamespace();
  }

  private static String key(GenericKubernetesResource service) {
    return service.getMetadata().getNamespace() + "/" + service.getMetadata().getName();
  }
}
