package dev.chaperone.cluster;

import dev.chaperone.cluster.Slim.SlimPod;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Evictions;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.Settings;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/// Reads the Evictions that name Chaperone as a responder, where the installation responds to them.
/// Nothing that blocks depends on them, so what cannot be read is for the next event, and keeps
/// nothing else from being decided.
final class EvictionReader {
  private static final Logger LOG = Logger.getLogger(EvictionReader.class);
  private static final int NOT_FOUND = 404;

  /// Of an alpha API, without a model in the client.
  static final ResourceDefinitionContext EVICTIONS =
      new ResourceDefinitionContext.Builder()
          .withGroup("lifecycle.k8s.io")
          .withVersion("v1alpha1")
          .withKind("Eviction")
          .withPlural("evictions")
          .withNamespaced(true)
          .build();

  private final KubernetesClient client;
  private final Settings settings;

  EvictionReader(KubernetesClient client, Settings settings) {
    this.client = client;
    this.settings = settings;
  }

  /// Those of the Companion's namespace, and of their targets those that may be its guards.
  Evictions of(CompanionRef ref) {
    return orNone(
        () -> {
          var objects =
              labelled(client.genericKubernetesResources(EVICTIONS).inNamespace(ref.namespace()));
          return new Evictions(true, objects, targets(ref, Evictions.targetsOf(objects)));
        });
  }

  /// Those of every namespace, without their targets.
  Evictions everywhere() {
    String only = settings.scope().only();
    var evictions = client.genericKubernetesResources(EVICTIONS);
    return orNone(
        () ->
            new Evictions(
                true,
                labelled(only == null ? evictions.inAnyNamespace() : evictions.inNamespace(only)),
                List.of()));
  }

  private Evictions orNone(Supplier<Evictions> read) {
    if (!settings.respondsToEvictions()) {
      return Evictions.NONE;
    }
    try {
      return read.get();
    } catch (KubernetesClientException e) {
      if (e.getCode() != NOT_FOUND) {
        LOG.warnf("Cannot read Evictions: %s", Words.of(e));
      }
      return Evictions.NONE;
    }
  }

  private static List<GenericKubernetesResource> labelled(
      FilterWatchListDeletable<GenericKubernetesResource, GenericKubernetesResourceList, ?> all) {
    return Listing.of(all.withLabelIn(Evictions.RESPONDER, Evictions.ROLES.toArray(String[]::new)))
        .items();
  }

  private List<Pod> targets(CompanionRef ref, List<String> names) {
    List<String> guards =
        names.stream().filter(it -> it.startsWith(Made.guards(ref.name()) + "-")).toList();
    var pods = client.resources(SlimPod.class).inNamespace(ref.namespace());
    Stream<FilterWatchListDeletable<SlimPod, KubernetesResourceList<SlimPod>, ?>> queries =
        guards.size() <= RosterReader.FEW
            ? guards.stream().map(it -> pods.withField("metadata.name", it))
            : Stream.of(pods.withLabels(Made.guardLabels(ref.name())));
    Slim slim = new Slim();
    return queries.flatMap(it -> Listing.of(it, null, slim::pod).items().stream()).toList();
  }
}
