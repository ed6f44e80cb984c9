package dev.chaperone.lab.knative;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.net.HostRouter;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.ServerProcess;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.TaintBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;

/// Real Knative Eventing on a lab: its CRDs, roles, settings and controllers, Brokers over
/// in-memory channels, and the adapters of PingSources and ApiServerSources, which come and go
/// with those objects. Every part is a process of its own, to be ended, killed, frozen and started
/// again, with the rights that Knative gives it.
///
/// The lab plays DNS and Services ([HostRouter]) and the kubelet of Knative's pods. No webhook
/// runs: nothing is filled in and nothing refused, manifests have to say what a webhook would add.
public final class Eventing implements AutoCloseable {
  /// Where Knative itself is.
  public static final String NAMESPACE = "knative-eventing";

  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private static final List<String> MANIFESTS =
      List.of(
          "core/100-namespace.yaml",
          "core/200-*.yaml",
          "core/resources/*.yaml",
          "core/roles/*.yaml",
          "core/configmaps/*.yaml",
          "channels/in-memory-channel/resources/*.yaml",
          "channels/in-memory-channel/200-*.yaml",
          "channels/in-memory-channel/roles/*.yaml",
          "channels/in-memory-channel/configmaps/*.yaml",
          "channels/in-memory-channel/webhooks/secret.yaml",
          "brokers/mt-channel-broker/roles/*.yaml",
          "core/deployments/controller.yaml",
          "core/deployments/pingsource-mt-adapter.yaml",
          "channels/in-memory-channel/deployments/*.yaml",
          "brokers/mt-channel-broker/deployments/{broker-filter,broker-ingress,controller}.yaml");

  private static final Map<String, List<String>> KINDS =
      Map.of(
          "eventing.knative.dev/v1", List.of("Broker", "Trigger"),
          "messaging.knative.dev/v1", List.of("InMemoryChannel", "Subscription"),
          "sources.knative.dev/v1", List.of("ApiServerSource", "PingSource"));

  private static final Map<String, String> ADAPTER =
      Map.of("eventing.knative.dev/source", "apiserver-source-controller");

  private final AtomicBoolean closed = new AtomicBoolean();
  private final Lab lab;
  private final HostRouter router;
  private final HostedDeployments parts;

  private Eventing(Lab lab) {
    this.lab = lab;
    addNode();
    apply("knative-eventing.json", MANIFESTS);
    this.router = new HostRouter(lab.client(), lab.apiServer());
    this.parts = new HostedDeployments(lab, router);
    lab.endBefore(this::close);
    parts.start();
  }

  /// Installs it and returns when every part is up. It ends with the lab at the latest.
  ///
  /// @throws LabFailure if a part does not start; the message names its log
  public static Eventing start(Lab lab) {
    Eventing eventing = new Eventing(lab);
    try {
      Waiting.until(
          PATIENCE,
          eventing.parts::isSettled,
          () -> new LabFailure("Knative is not up after " + PATIENCE + ", see " + lab.folder()));
      return eventing;
    } catch (RuntimeException e) {
      eventing.close();
      throw e;
    }
  }

  /// Where the names of the cluster lead; tests add their own.
  public HostRouter router() {
    return router;
  }

  /// Waits until Knative itself calls every Broker, Trigger, source, channel and subscription
  /// Ready, for what their specs say now, and every adapter has established its watches: what is
  /// changed from now on is an event.
  ///
  /// @throws LabFailure if that is not so after two minutes; the message names each object and its
  /// reasons
  public void awaitReady() {
    Waiting.until(
        PATIENCE,
        () -> parts.isSettled() && notReady().isEmpty(),
        () -> new LabFailure("Not ready after %s: %s".formatted(PATIENCE, notReady())));
  }

  /// What reconciles sources, subscriptions and channels in general.
  public ServerProcess controller() {
    return parts.process(NAMESPACE, "eventing-controller");
  }

  /// What reconciles Brokers and Triggers.
  public ServerProcess brokerController() {
    return parts.process(NAMESPACE, "mt-broker-controller");
  }

  /// What reconciles in-memory channels.
  public ServerProcess channelController() {
    return parts.process(NAMESPACE, "imc-controller");
  }

  /// What takes events for every Broker.
  public ServerProcess ingress() {
    return parts.process(NAMESPACE, "mt-broker-ingress");
  }

  /// What holds the events of every Broker, in memory, and sends them again.
  public ServerProcess dispatcher() {
    return parts.process(NAMESPACE, "imc-dispatcher");
  }

  /// What applies the filters of every Trigger and calls its subscriber.
  public ServerProcess filter() {
    return parts.process(NAMESPACE, "mt-broker-filter");
  }

  /// What beats for every PingSource; there once there is one.
  public ServerProcess ping() {
    return parts.process(NAMESPACE, "pingsource-mt-adapter");
  }

  /// What watches for an ApiServerSource; there once Knative runs one for it.
  public ServerProcess adapter(String namespace, String source) {
    return parts.process(namespace, Map.of("eventing.knative.dev/sourceName", source));
  }

  /// What watches for all ApiServerSources there are now.
  public List<ServerProcess> adapters() {
    return parts.processes(ADAPTER);
  }

  /// Lets Knative make Jobs for JobSinks, and returns when it does: few tests need that, so that it
  /// is not there from the beginning.
  public ServerProcess startJobSinks() {
    apply("job-sink.json", List.of("core/deployments/job-sink.yaml"));
    return parts.process(NAMESPACE, "job-sink");
  }

  /// Where events for a Broker can be posted by hand.
  public URI broker(String namespace, String broker) {
    return router.lookUp("broker-ingress." + NAMESPACE).resolve("/" + namespace + "/" + broker);
  }

  /// Turns the feature `authentication-oidc` on or off: senders have tokens, and Brokers and
  /// channels verify them with the cluster's own keys.
  public void authenticate(boolean on) {
    lab.client()
        .configMaps()
        .inNamespace(NAMESPACE)
        .withName("config-features")
        .edit(
            features ->
                features
                    .edit()
                    .addToData("authentication-oidc", on ? "enabled" : "disabled")
                    .build());
  }

  Lab lab() {
    return lab;
  }

  /// Ends every part. The objects stay in the cluster.
  @Override
  public void close() {
    if (!closed.getAndSet(true)) {
      parts.close();
      router.close();
    }
  }

  private List<String> notReady() {
    return KINDS.entrySet().stream()
        .flatMap(group -> group.getValue().stream().flatMap(kind -> all(group.getKey(), kind)))
        .map(Readiness::new)
        .filter(it -> !it.isReady())
        .map(Readiness::toString)
        .toList();
  }

  private Stream<GenericKubernetesResource> all(String apiVersion, String kind) {
    return lab
        .client()
        .genericKubernetesResources(apiVersion, kind)
        .inAnyNamespace()
        .list()
        .getItems()
        .stream();
  }

  private void apply(String file, List<String> patterns) {
    try {
      KnativeManifests manifests = new KnativeManifests(lab.manifests("eventing"), patterns);
      lab.kubectl(
              "apply",
              "--server-side",
              "--force-conflicts",
              "-f",
              manifests.write(lab.folder().resolve(file)).toString())
          .orFail();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void addNode() {
    if (lab.client().nodes().withName(HostedDeployments.NODE).get() != null) {
      return;
    }
    lab.addNode(
        HostedDeployments.NODE,
        Map.of(HostedDeployments.NODE_LABEL, HostedDeployments.NODE),
        List.of(
            new TaintBuilder()
                .withKey(HostedDeployments.NODE_LABEL)
                .withValue(HostedDeployments.NODE)
                .withEffect("NoSchedule")
                .build()));
  }
}
