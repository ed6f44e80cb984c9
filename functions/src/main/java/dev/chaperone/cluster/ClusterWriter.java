package dev.chaperone.cluster;

import dev.chaperone.decide.Change;
import dev.chaperone.decide.Decision.Refusal;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.Placement;
import io.fabric8.kubernetes.api.model.Binding;
import io.fabric8.kubernetes.api.model.BindingBuilder;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.stream.Stream;
import org.jboss.logging.Logger;

/// The only writes, all under one field manager.
@ApplicationScoped
public class ClusterWriter {
  private static final Logger LOG = Logger.getLogger(ClusterWriter.class);
  private static final int CONFLICT = 409;
  private static final int GONE = 404;

  /// What the API server says no to today and tomorrow: a spec it finds invalid, a right that is
  /// missing.
  private static final Set<Integer> FOR_GOOD = Set.of(400, 403, 404, 422);

  private static final String NAMESPACE_TERMINATING = "NamespaceTerminating";

  /// The length at which the API server refuses a Kubernetes Event's message.
  private static final int EVENT_MESSAGE = 1024;

  /// As many calls at the same time.
  private static final int AT_ONCE = 16;

  private static final ResourceDefinitionContext DAEMON_SETS =
      new ResourceDefinitionContext.Builder()
          .withGroup("apps")
          .withVersion("v1")
          .withKind("DaemonSet")
          .withPlural("daemonsets")
          .withNamespaced(true)
          .build();

  private final KubernetesClient client;

  ClusterWriter(KubernetesClient client) {
    this.client = client;
  }

  /// Writes the changes, in any order and several at the same time.
  ///
  /// @return those that the API server refused for good; all others are written
  /// @throws LostRace when an object is no longer as it was when the change was decided
  /// @throws Unavailable when the API server does not answer
  public List<Refusal> write(List<Change> changes, Deadline deadline) throws LostRace {
    if (changes.size() == 1) {
      return write(changes.getFirst(), deadline).stream().toList();
    }
    Semaphore free = new Semaphore(AT_ONCE);
    try (Parallel parallel = new Parallel()) {
      List<Parallel.Result<Optional<Refusal>>> results =
          changes.stream().map(it -> parallel.run(() -> write(it, deadline, free))).toList();
      return results.stream().map(parallel::result).flatMap(Optional::stream).toList();
    } catch (CompletionException e) {
      if (e.getCause() instanceof LostRace lost) {
        throw lost;
      }
      throw e;
    }
  }

  private Optional<Refusal> write(Change change, Deadline deadline, Semaphore free)
      throws LostRace, InterruptedException {
    free.acquire();
    try {
      return write(change, deadline);
    } finally {
      free.release();
    }
  }

  private Optional<Refusal> write(Change change, Deadline deadline) throws LostRace {
    deadline.check(describe(change));
    try {
      apply(change, deadline);
      LOG.debugf("Wrote %s", describe(change));
      return Optional.empty();
    } catch (KubernetesClientException e) {
      return failed(change, e);
    }
  }

  private static Optional<Refusal> failed(Change change, KubernetesClientException e)
      throws LostRace {
    String what = describe(change) + ": " + e.getMessage();
    if (isEnding(e)) {
      LOG.debugf("Not written: %s", what);
      return Optional.empty();
    }
    return switch (change) {
      // Somebody was faster, or it is gone: both are for the next event to see.
      case Change.Bind bind when e.getCode() == GONE || e.getCode() == CONFLICT -> Optional.empty();
      case Change.Delete delete when e.getCode() == GONE -> Optional.empty();
      case Change.Report report when e.getCode() == GONE -> Optional.empty();
      case Change.ReportHold report when e.getCode() == GONE || e.getCode() == CONFLICT ->
          Optional.empty();
      case Change.SetSchedule beat when e.getCode() == GONE || e.getCode() == CONFLICT ->
          Optional.empty();
      case Change.TellOnce told when e.getCode() == CONFLICT -> Optional.empty();
      // Nobody's safety hangs on an Event.
      case Change.Tell tell -> {
        LOG.warnf("Not told: %s", what);
        yield Optional.empty();
      }
      default -> {
        if (e.getCode() == CONFLICT) {
          throw new LostRace(what, e);
        }
        if (FOR_GOOD.contains(e.getCode())) {
          yield Optional.of(new Refusal(change, what));
        }
        throw new Unavailable("Not written: " + what, e);
      }
    };
  }

  /// Whether the namespace is being deleted, and the Companion with it.
  private static boolean isEnding(KubernetesClientException e) {
    return Optional.ofNullable(e.getStatus()).map(Status::getDetails).stream()
        .flatMap(details -> details.getCauses().stream())
        .anyMatch(cause -> NAMESPACE_TERMINATING.equals(cause.getReason()));
  }

  private void apply(Change change, Deadline deadline) {
    switch (change) {
      case Change.Apply(PodDisruptionBudget budget)
          when budget.getMetadata().getResourceVersion() == null ->
          make(budget);
      case Change.Apply(PodDisruptionBudget budget) -> applyToSameSpec(budget, deadline);
      case Change.Apply apply -> serverSideApply(apply.object());
      case Change.Place place -> place(place);
      case Change.Bind bind -> bind(bind.object(), bind.node());
      case Change.Delete delete -> delete(delete.object());
      case Change.Report report -> client.resource(report.object()).updateStatus();
      case Change.ReportHold report -> client.resource(report.object()).updateStatus();
      case Change.SetSchedule beat -> setSchedule(beat);
      case Change.Tell tell -> {
        String about = tell.object().getMetadata().getName();
        ObjectMetaBuilder anyName = new ObjectMetaBuilder().withGenerateName(about + ".");
        tell(anyName, tell.object(), tell.warning(), tell.reason(), tell.message());
      }
      case Change.TellOnce tell -> {
        ObjectMetaBuilder oneName = new ObjectMetaBuilder().withName(tell.name());
        tell(oneName, tell.object(), true, tell.reason(), tell.message());
      }
    }
  }

  /// Not by an apply, which no version fences: it would open what another run has just made
  /// closed, for a newer Hold.
  private void make(PodDisruptionBudget budget) {
    client.raw(
        "/apis/policy/v1/namespaces/%s/poddisruptionbudgets?fieldManager=%s"
            .formatted(budget.getMetadata().getNamespace(), Made.FIELD_MANAGER),
        "POST",
        budget);
  }

  /// Kubernetes counts on a budget whenever a pod comes or goes, which makes a new version of it;
  /// only who changed the spec has decided something.
  private void applyToSameSpec(PodDisruptionBudget budget, Deadline deadline) {
    ObjectMeta seen = budget.getMetadata();
    String version = seen.getResourceVersion();
    while (true) {
      try {
        serverSideApply(
            new PodDisruptionBudgetBuilder(budget)
                .editMetadata()
                .withGeneration(null)
                .withResourceVersion(version)
                .endMetadata()
                .build());
        return;
      } catch (KubernetesClientException e) {
        PodDisruptionBudget now =
            e.getCode() == CONFLICT && deadline.left().isPositive()
                ? client.resource(budget).get()
                : null;
        if (now == null
            || !Objects.equals(now.getMetadata().getUid(), seen.getUid())
            || !Objects.equals(now.getMetadata().getGeneration(), seen.getGeneration())) {
          throw e;
        }
        version = now.getMetadata().getResourceVersion();
      }
    }
  }

  private void serverSideApply(HasMetadata object) {
    client.resource(object).fieldManager(Made.FIELD_MANAGER).forceConflicts().serverSideApply();
  }

  private void place(Change.Place place) {
    HasMetadata follower = place.object();
    if (!place.inTheWay().isEmpty()) {
      // Writing the version that was seen makes the API server refuse the patch on any other.
      List<Map<String, Object>> patch =
          Stream.concat(
                  Stream.of(
                      Map.<String, Object>of(
                          "op", "replace",
                          "path", "/metadata/resourceVersion",
                          "value", follower.getMetadata().getResourceVersion())),
                  place.inTheWay().stream()
                      .map(pointer -> Map.<String, Object>of("op", "remove", "path", pointer)))
              .toList();
      client
          .resource(follower)
          .patch(
              new PatchContext.Builder()
                  .withPatchType(PatchType.JSON)
                  .withFieldManager(Made.FIELD_MANAGER)
                  .build(),
              client.getKubernetesSerialization().asJson(patch));
    }
    GenericKubernetesResource placement = new GenericKubernetesResource();
    placement.setApiVersion(follower.getApiVersion());
    placement.setKind(follower.getKind());
    placement.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(follower.getMetadata().getNamespace())
            .withName(follower.getMetadata().getName())
            // With it, a follower that was deleted meanwhile is not made again.
            .withUid(follower.getMetadata().getUid())
            .build());
    placement.setAdditionalProperty(
        "spec", Map.of("template", Map.of("spec", podSpec(place.placement()))));
    client
        .genericKubernetesResources(DAEMON_SETS)
        .resource(placement)
        .fieldManager(Made.FIELD_MANAGER)
        .forceConflicts()
        .serverSideApply();
  }

  private static Map<String, Object> podSpec(Placement placement) {
    Map<String, Object> affinity = new LinkedHashMap<>();
    if (!placement.requiredNodes().isEmpty()) {
      affinity.put(
          "requiredDuringSchedulingIgnoredDuringExecution",
          Map.of("nodeSelectorTerms", placement.requiredNodes()));
    }
    if (!placement.preferredNodes().isEmpty()) {
      affinity.put("preferredDuringSchedulingIgnoredDuringExecution", placement.preferredNodes());
    }
    Map<String, Object> spec = new LinkedHashMap<>();
    if (!placement.nodeSelector().isEmpty()) {
      spec.put("nodeSelector", placement.nodeSelector());
    }
    if (!affinity.isEmpty()) {
      spec.put("affinity", Map.of("nodeAffinity", affinity));
    }
    if (!placement.tolerations().isEmpty()) {
      spec.put("tolerations", placement.tolerations());
    }
    return spec;
  }

  private void bind(Pod guard, String node) {
    Binding binding =
        new BindingBuilder()
            .withNewMetadata()
            .withNamespace(guard.getMetadata().getNamespace())
            .withName(guard.getMetadata().getName())
            .withUid(guard.getMetadata().getUid())
            .endMetadata()
            .withNewTarget()
            .withKind("Node")
            .withName(node)
            .endTarget()
            .build();
    client.raw(
        "/api/v1/namespaces/%s/pods/%s/binding"
            .formatted(guard.getMetadata().getNamespace(), guard.getMetadata().getName()),
        "POST",
        binding);
  }

  private void setSchedule(Change.SetSchedule beat) {
    Map<String, Object> patch =
        Map.of(
            "metadata", Map.of("resourceVersion", beat.object().getMetadata().getResourceVersion()),
            "spec", Map.of("schedule", beat.schedule()));
    client
        .genericKubernetesResources(ClusterReader.PING_SOURCES)
        .resource(beat.object())
        .patch(
            new PatchContext.Builder()
                .withPatchType(PatchType.JSON_MERGE)
                .withFieldManager(Made.FIELD_MANAGER)
                .build(),
            client.getKubernetesSerialization().asJson(patch));
  }

  private void delete(HasMetadata object) {
    if (object instanceof Pod) {
      // The kubelet of a vanished node never confirms. Pods have names of their own for ever, so
      // this is the one.
      client.resource(object).withGracePeriod(0).delete();
    } else {
      client
          .resource(object)
          .lockResourceVersion(object.getMetadata().getResourceVersion())
          .delete();
    }
  }

  private void tell(
      ObjectMetaBuilder name, HasMetadata about, boolean warning, String reason, String message) {
    String namespace = Optional.ofNullable(about.getMetadata().getNamespace()).orElse("default");
    String now = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    Event event =
        new EventBuilder()
            .withMetadata(name.withNamespace(namespace).build())
            .withNewInvolvedObject()
            .withApiVersion(about.getApiVersion())
            .withKind(about.getKind())
            .withNamespace(about.getMetadata().getNamespace())
            .withName(about.getMetadata().getName())
            .withUid(about.getMetadata().getUid())
            .endInvolvedObject()
            .withType(warning ? "Warning" : "Normal")
            .withReason(reason)
            .withMessage(
                message.length() <= EVENT_MESSAGE
                    ? message
                    : message.substring(0, EVENT_MESSAGE - 1) + "…")
            .withNewSource()
            .withComponent(Made.FIELD_MANAGER)
            .endSource()
            .withReportingComponent("chaperone.dev/functions")
            .withReportingInstance(Made.FIELD_MANAGER)
            .withFirstTimestamp(now)
            .withLastTimestamp(now)
            .withCount(1)
            .build();
    client.v1().events().resource(event).create();
  }

  private static String describe(Change change) {
    HasMetadata object = change.object();
    String name =
        object.getKind()
            + " "
            + Optional.ofNullable(object.getMetadata().getNamespace())
                .map(it -> it + "/")
                .orElse("")
            + object.getMetadata().getName();
    return switch (change) {
      case Change.Apply apply -> "apply " + name;
      case Change.Place place -> "place " + name;
      case Change.Bind bind -> "bind " + name + " to " + bind.node();
      case Change.Delete delete -> "delete " + name;
      case Change.Report report -> "status of " + name;
      case Change.ReportHold report -> "status of " + name;
      case Change.SetSchedule beat -> "set schedule " + beat.schedule() + " of " + name;
      case Change.Tell tell -> "Event " + tell.reason() + " on " + name;
      case Change.TellOnce tell -> "Event " + tell.reason() + " on " + name;
    };
  }
}
