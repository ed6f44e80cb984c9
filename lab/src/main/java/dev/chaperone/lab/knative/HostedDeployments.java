package dev.chaperone.lab.knative;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.net.HostRouter;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.BindingBuilder;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.fabric8.kubernetes.api.model.Service;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import io.fabric8.kubernetes.client.informers.SharedIndexInformer;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Plays the kubelet for Knative's own Deployments, those of the cluster whose image is
/// [#image(String)]: KWOK lets their pods be Ready, and the real program of each runs here as a
/// process, with the environment and the ServiceAccount that its Deployment names at that time. A
/// changed pod template starts a new process before the old one ends, as a rollout would.
final class HostedDeployments implements AutoCloseable {
  private static final String IMAGE = "lab/";

  /// The label of the node that their pods are on. Nothing else tolerates its taint.
  static final String NODE_LABEL = "chaperone-lab";

  static final String NODE = "knative";

  /// Those that know nothing of leaders, nor of the probes that come with controllers.
  private static final Set<String> NO_CONTROLLERS = Set.of("ingress", "filter", "jobsink");

  private static final Set<String> NO_LEADERS =
      Set.of("ingress", "filter", "jobsink", "apiserver_receive_adapter");

  private static final int PROBE_MILLIS = 2_000;
  private static final Duration COMES_UP = Duration.ofMinutes(2);

  private final Lab lab;
  private final KubernetesClient client;
  private final HostRouter router;
  private final Map<String, CompletableFuture<@Nullable Void>> work = new ConcurrentHashMap<>();
  private final Map<String, Hosted> hosted = new ConcurrentHashMap<>();
  private final Map<String, RuntimeException> failures = new ConcurrentHashMap<>();
  private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
  private final SharedIndexInformer<Deployment> deployments;
  private volatile boolean closed;

  /// @param template what it was started for
  private record Hosted(String template, Map<String, String> labels, ServerProcess process) {}

  private record Ports(LoopbackPort http, LoopbackPort https, LoopbackPort probes) {
    Ports() {
      this(LoopbackPort.free(), LoopbackPort.free(), LoopbackPort.free());
    }
  }

  HostedDeployments(Lab lab, HostRouter router) {
    this.lab = lab;
    this.client = lab.client();
    this.router = router;
    this.deployments = client.apps().deployments().inAnyNamespace().runnableInformer(0);
    deployments.addEventHandler(new Changes());
  }

  /// Begins to follow what is there. Returns at once; see [#isSettled()].
  void start() {
    var _ = deployments.start();
  }

  /// The image that stands for a part of Knative.
  ///
  /// @param command the part's folder below Knative's `cmd`
  static String image(String command) {
    return IMAGE + command.substring(command.lastIndexOf('/') + 1);
  }

  /// The process of a Deployment, once it is ready for the first time.
  ///
  /// @throws LabFailure if there is none in time, or it did not start
  ServerProcess process(String namespace, String name) {
    String key = namespace + "/" + name;
    return await("a process of the Deployment " + key, () -> hosted.get(key)).process();
  }

  /// The process of the one Deployment with these labels, once it is ready for the first time.
  ServerProcess process(String namespace, Map<String, String> labels) {
    return await(
            "a process of a Deployment in %s with %s".formatted(namespace, labels),
            () -> find(namespace, labels).findFirst().orElse(null))
        .process();
  }

  /// All processes there are of Deployments with these labels.
  List<ServerProcess> processes(Map<String, String> labels) {
    return find("", labels).map(Hosted::process).toList();
  }

  /// Whether every Deployment that wants a process has the one that it wants.
  boolean isSettled() {
    requireNoFailure();
    return deployments.hasSynced()
        && work.values().stream().allMatch(CompletableFuture::isDone)
        && deployments.getStore().list().stream()
            .filter(HostedDeployments::isHere)
            .allMatch(
                it ->
                    it.getSpec().getReplicas() == 0
                        || Optional.ofNullable(hosted.get(key(it)))
                            .filter(found -> found.template().equals(template(it)))
                            .isPresent());
  }

  @Override
  public void close() {
    closed = true;
    deployments.stop();
    threads.close();
    hosted.values().forEach(it -> it.process().askToEnd());
    hosted.values().forEach(it -> it.process().awaitEnd());
  }

  private Stream<Hosted> find(String namespace, Map<String, String> labels) {
    return hosted.entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .filter(it -> namespace.isEmpty() || it.getKey().startsWith(namespace + "/"))
        .map(Map.Entry::getValue)
        .filter(it -> it.labels().entrySet().containsAll(labels.entrySet()));
  }

  private Hosted await(String what, java.util.function.Supplier<@Nullable Hosted> found) {
    Waiting.until(
        COMES_UP,
        () -> {
          requireNoFailure();
          return found.get() != null;
        },
        () -> new LabFailure("There is no %s after %s".formatted(what, COMES_UP)));
    return java.util.Objects.requireNonNull(found.get());
  }

  private void requireNoFailure() {
    failures.values().stream()
        .findFirst()
        .ifPresent(
            failure -> {
              throw failure;
            });
  }

  private final class Changes implements ResourceEventHandler<Deployment> {
    @Override
    public void onAdd(Deployment deployment) {
      onUpdate(deployment, deployment);
    }

    @Override
    public void onUpdate(Deployment old, Deployment deployment) {
      if (isHere(deployment)) {
        later(key(deployment));
      }
    }

    @Override
    public void onDelete(Deployment deployment, boolean unknown) {
      onUpdate(deployment, deployment);
    }
  }

  /// One after the other for each Deployment.
  private void later(String key) {
    if (!closed) {
      work.compute(
          key,
          (_, before) ->
              (before == null ? CompletableFuture.<@Nullable Void>completedFuture(null) : before)
                  .thenRunAsync(() -> attempt(key), threads));
    }
  }

  private void attempt(String key) {
    try {
      if (!closed) {
        follow(key);
        failures.remove(key);
      }
    } catch (RuntimeException e) {
      failures.put(key, e);
    }
  }

  /// Makes the process as the Deployment wants it now; what it wanted in between is past.
  private void follow(String key) {
    Deployment deployment = deployments.getStore().getByKey(key);
    Hosted present = hosted.get(key);
    if (deployment == null || deployment.getSpec().getReplicas() == 0) {
      end(key);
      return;
    }
    if (present == null || !present.template().equals(template(deployment))) {
      hosted.put(key, start(deployment));
      if (present != null) {
        present.process().stop();
      }
    }
    bindPods(deployment);
  }

  private void end(String key) {
    Hosted present = hosted.remove(key);
    if (present != null) {
      present.process().stop();
    }
  }

  private Hosted start(Deployment deployment) {
    String namespace = deployment.getMetadata().getNamespace();
    String name = deployment.getMetadata().getName();
    PodSpec pod = deployment.getSpec().getTemplate().getSpec();
    Container container = pod.getContainers().getFirst();
    String account = Optional.ofNullable(pod.getServiceAccountName()).orElse("default");
    String token = lab.token(namespace, account);
    Ports ports = new Ports();

    Map<String, String> environment =
        new ContainerEnvironment(client, namespace, name + "-0", account).of(container);
    environment.replaceAll((_, value) -> onPorts(value, ports));
    environment.put("CHANNEL_PORT", ports.http().toString());
    environment.put("CHANNEL_PORT_HTTPS", ports.https().toString());
    environment.put("PROBES_PORT", ports.probes().toString());
    environment.put("PROFILING_PORT", "0");
    environment.put("KUBECONFIG", lab.kubeconfigWith(token).toString());
    environment.put("HTTP_PROXY", router.address().toString());
    environment.put("HTTPS_PROXY", router.address().toString());
    environment.put("NO_PROXY", "127.0.0.1,localhost");

    boolean serves = container.getPorts().stream().anyMatch(port -> "http".equals(port.getName()));
    List<URI> probes = new ArrayList<>();
    if (!NO_CONTROLLERS.contains(part(container))) {
      // First: the channel's own probe believes that there are no channels until it has seen some.
      probes.add(ports.probes().uri().resolve("/readiness"));
    }
    if (serves) {
      probes.add(ports.http().uri().resolve(container.getReadinessProbe().getHttpGet().getPath()));
    }
    String config = environment.get("K_SOURCE_CONFIG");
    Predicate<Instant> watches =
        config == null ? _ -> true : new AdapterWatches(lab, config, token)::established;
    ServerProcess process =
        lab.startServer(
            namespace + "-" + name,
            command(container),
            environment,
            launched ->
                probes.stream().allMatch(HostedDeployments::answers) && watches.test(launched));
    if (serves) {
      services(deployment)
          .forEach(
              service ->
                  router.route(
                      service.getMetadata().getName() + "." + namespace, ports.http().uri()));
    }
    return new Hosted(template(deployment), labels(deployment), process);
  }

  /// Asks as a kubelet does; Knative's servers tell it by the name.
  private static boolean answers(URI probe) {
    try {
      HttpURLConnection connection = (HttpURLConnection) probe.toURL().openConnection();
      connection.setConnectTimeout(PROBE_MILLIS);
      connection.setReadTimeout(PROBE_MILLIS);
      connection.setRequestProperty("User-Agent", "kube-probe/lab");
      return connection.getResponseCode() < HttpURLConnection.HTTP_BAD_REQUEST;
    } catch (IOException e) {
      return false;
    }
  }

  /// One replica needs no leader, and would wait for the lease of the one that was killed.
  private List<String> command(Container container) {
    String program = lab.program(Module.KNATIVE).toString();
    return NO_LEADERS.contains(part(container))
        ? List.of(program, part(container))
        : List.of(program, part(container), "--disable-ha");
  }

  private static String part(Container container) {
    return container.getImage().substring(IMAGE.length());
  }

  /// In a pod of its own each could have these; here they share one machine.
  private static String onPorts(String value, Ports ports) {
    return switch (value) {
      case "8080" -> ports.http().toString();
      case "8443" -> ports.https().toString();
      default -> value;
    };
  }

  private Stream<Service> services(Deployment deployment) {
    return client
        .services()
        .inNamespace(deployment.getMetadata().getNamespace())
        .list()
        .getItems()
        .stream()
        .filter(it -> it.getSpec().getSelector() != null && !it.getSpec().getSelector().isEmpty())
        .filter(
            it -> labels(deployment).entrySet().containsAll(it.getSpec().getSelector().entrySet()));
  }

  /// The scheduler leaves them alone for the taint of their node.
  private void bindPods(Deployment deployment) {
    for (Pod pod :
        client
            .pods()
            .inNamespace(deployment.getMetadata().getNamespace())
            .withLabelSelector(deployment.getSpec().getSelector())
            .list()
            .getItems()) {
      if (pod.getSpec().getNodeName() == null && pod.getMetadata().getDeletionTimestamp() == null) {
        bind(pod);
      }
    }
  }

  private void bind(Pod pod) {
    try {
      client
          .resource(
              new BindingBuilder()
                  .withNewMetadata()
                  .withNamespace(pod.getMetadata().getNamespace())
                  .withName(pod.getMetadata().getName())
                  .endMetadata()
                  .withNewTarget()
                  .withApiVersion("v1")
                  .withKind("Node")
                  .withName(NODE)
                  .endTarget()
                  .build())
          .create();
    } catch (KubernetesClientException e) {
      boolean boundOrGone = e.getCode() == 409 || e.getCode() == 404;
      if (!boundOrGone) {
        throw e;
      }
    }
  }

  private static boolean isHere(Deployment deployment) {
    return deployment.getSpec().getTemplate().getSpec().getContainers().stream()
        .limit(1)
        .anyMatch(it -> it.getImage() != null && it.getImage().startsWith(IMAGE));
  }

  private static Map<String, String> labels(Deployment deployment) {
    return new HashMap<>(deployment.getSpec().getTemplate().getMetadata().getLabels());
  }

  private static String template(Deployment deployment) {
    return io.fabric8.kubernetes.client.utils.Serialization.asJson(
        deployment.getSpec().getTemplate());
  }

  private static String key(Deployment deployment) {
    return deployment.getMetadata().getNamespace() + "/" + deployment.getMetadata().getName();
  }
}
