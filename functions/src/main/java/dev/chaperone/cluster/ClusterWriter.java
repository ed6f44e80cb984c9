package dev.chaperone.cluster;

import dev.chaperone.decide.Change;
import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.Placement;
import dev.chaperone.decide.WriteFailure;
import dev.chaperone.decide.Written;
import dev.chaperone.decide.Written.Refusal;
import io.fabric8.kubernetes.api.model.Binding;
import io.fabric8.kubernetes.api.model.BindingBuilder;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.EventBuilder;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.api.model.coordination.v1.Lease;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Semaphore;
import java.util.stream.Stream;
import org.jboss.logging.Logger;
import org.jboss.logging.Logger.Level;
import org.jspecify.annotations.Nullable;

/// The only writes, all under one field manager.
@ApplicationScoped
public class ClusterWriter {
  private static final Logger LOG = Logger.getLogger(ClusterWriter.class);
  private static final int CONFLICT = 409;

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

  private static final PatchContext JSON = by(PatchType.JSON);
  private static final PatchContext JSON_MERGE = by(PatchType.JSON_MERGE);
  private static final PatchContext STRATEGIC_MERGE = by(PatchType.STRATEGIC_MERGE);

  private final KubernetesClient client;

  ClusterWriter(KubernetesClient client) {
    this.client = client;
  }

  /// Writes the changes, in any order and several at the same time.
  ///
  /// @return what was stored, and what the API server refused or did not answer: one change that
  ///     fails keeps none of the others from being written and reported
  /// @throws LostRace when an object is no longer as it was when the change was decided
  /// @throws Unavailable when there is no time left to begin
  public Written write(List<Change> changes, Deadline deadline) throws LostRace {
    if (changes.size() == 1) {
      return write(changes.getFirst(), deadline);
    }
    Semaphore free = new Semaphore(AT_ONCE);
    try (Parallel parallel = new Parallel()) {
      List<Parallel.Result<Written>> results =
          changes.stream().map(it -> parallel.run(() -> write(it, deadline, free))).toList();
      return results.stream().map(parallel::result).reduce(Written.NOTHING, Written::and);
    } catch (CompletionException e) {
      if (e.getCause() instanceof LostRace lost) {
        throw lost;
      }
      throw e;
    }
  }

  private Written write(Change change, Deadline deadline, Semaphore free)
      throws LostRace, InterruptedException {
    free.acquire();
    try {
      return write(change, deadline);
    } finally {
      free.release();
    }
  }

  private Written write(Change change, Deadline deadline) throws LostRace {
    deadline.check(describe(change));
    try {
      Optional<HasMetadata> stored = apply(change, deadline);
      LOG.debugf("Wrote %s", describe(change));
      return new Written(stored.stream().toList(), List.of());
    } catch (KubernetesClientException e) {
      return new Written(List.of(), failed(change, e).stream().toList());
    }
  }

  private static Optional<Refusal> failed(Change change, KubernetesClientException e)
      throws LostRace {
    String what = describe(change) + ": " + Words.of(e);
    if (isEnding(e)) {
      LOG.debugf("Not written: %s", what);
      return Optional.empty();
    }
    WriteFailure failure = WriteFailure.of(e.getCode());
    if (change.harmless().contains(failure)) {
      // Of the harmless ones, only an Event that could not be told leaves something undone.
      LOG.logf(change instanceof Change.Tell ? Level.WARN : Level.DEBUG, "Not written: %s", what);
      return Optional.empty();
    }
    return switch (failure) {
      case CONFLICT -> throw new LostRace(what, e);
      case NOT_FOUND, REJECTED -> Optional.of(new Refusal(change, what, true));
      case TRANSIENT -> Optional.of(new Refusal(change, what, false));
    };
  }

  /// Whether the namespace is being deleted, and the Companion with it.
  private static boolean isEnding(KubernetesClientException e) {
    return Optional.ofNullable(e.getStatus()).map(Status::getDetails).stream()
        .flatMap(details -> details.getCauses().stream())
        .anyMatch(cause -> NAMESPACE_TERMINATING.equals(cause.getReason()));
  }

  private Optional<HasMetadata> apply(Change change, Deadline deadline) {
    switch (change) {
      case Change.Create create -> {
        return Optional.of(create(create.object()));
      }
      case Change.Replace replace -> {
        return Optional.of(replace(replace, deadline));
      }
      case Change.Apply apply ->
          client
              .resource(apply.object())
              .fieldManager(Made.FIELD_MANAGER)
              .forceConflicts()
              .serverSideApply();
      case Change.Place place -> place(place);
      case Change.Bind bind -> bind(bind.object(), bind.node());
      case Change.SetApart apart -> setApart(apart);
      case Change.Delete delete -> delete(delete.object());
      case Change.Report report -> client.resource(report.object()).updateStatus();
      case Change.ReportHold report -> client.resource(report.object()).updateStatus();
      case Change.ReportKey report -> {
        return Optional.of(client.resource(report.object()).updateStatus());
      }
      case Change.Respond respond -> respond(respond);
      case Change.SetSchedule beat -> setSchedule(beat);
      case Change.Mark mark -> patchConditions(mark.object(), mark.condition());
      case Change.Unmark unmark -> unmark(unmark);
      case Change.Renew renew -> renew(renew.object());
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
    return Optional.empty();
  }

  /// Not by an apply, which no version fences: it would open what another run has just made
  /// closed, for a newer Hold.
  private HasMetadata create(HasMetadata object) {
    String made =
        client.raw(
            "/apis/%s/namespaces/%s/%s?fieldManager=%s"
                .formatted(
                    object.getApiVersion(),
                    object.getMetadata().getNamespace(),
                    HasMetadata.getPlural(object.getClass()),
                    Made.FIELD_MANAGER),
            "POST",
            object);
    return client.getKubernetesSerialization().unmarshal(made, object.getClass());
  }

  /// Kubernetes counts on a budget or a Deployment whenever a pod comes or goes, which makes a new
  /// version of it; only who changed the spec, or closed it for other reasons, has decided
  /// something.
  private HasMetadata replace(Change.Replace replace, Deadline deadline) {
    HasMetadata seen = replace.seen();
    HasMetadata now = seen;
    while (true) {
      try {
        return writable(now).patch(JSON, json(patch(replace.object(), now)));
      } catch (KubernetesClientException e) {
        boolean again = e.getCode() == CONFLICT && deadline.left().isPositive();
        HasMetadata newer = again ? writable(seen).get() : null;
        if (newer == null || !isSameDecision(newer.getMetadata(), seen.getMetadata())) {
          throw e;
        }
        now = newer;
      }
    }
  }

  private static boolean isSameDecision(ObjectMeta one, ObjectMeta other) {
    return Objects.equals(one.getUid(), other.getUid())
        && Objects.equals(one.getGeneration(), other.getGeneration())
        && Objects.equals(closedFor(one), closedFor(other));
  }

  private static @Nullable String closedFor(ObjectMeta metadata) {
    return metadata.getAnnotations() == null
        ? null
        : metadata.getAnnotations().get(Made.CLOSED_FOR);
  }

  /// The whole spec, since fields that others set would stay in a merge, and make it invalid or
  /// mean something else.
  private static List<Map<String, Object>> patch(HasMetadata wanted, HasMetadata now) {
    List<Map<String, Object>> patch = new ArrayList<>();
    patch.add(onlyOn(now));
    patch.add(operation("replace", "/spec", spec(wanted)));
    merge(patch, "labels", wanted.getMetadata().getLabels(), now.getMetadata().getLabels());
    merge(
        patch,
        "annotations",
        wanted.getMetadata().getAnnotations(),
        now.getMetadata().getAnnotations());
    if (closedFor(wanted.getMetadata()) == null && closedFor(now.getMetadata()) != null) {
      patch.add(
          Map.of("op", "remove", "path", "/metadata/annotations/" + escaped(Made.CLOSED_FOR)));
    }
    return patch;
  }

  /// By its name alone: the client copies the object that it is given.
  private Resource<? extends HasMetadata> writable(HasMetadata object) {
    ObjectMeta name =
        new ObjectMetaBuilder()
            .withNamespace(object.getMetadata().getNamespace())
            .withName(object.getMetadata().getName())
            .build();
    return switch (object) {
      case PodDisruptionBudget budget ->
          client.resource(new PodDisruptionBudgetBuilder().withMetadata(name).build());
      case Deployment deployment ->
          client.resource(new DeploymentBuilder().withMetadata(name).build());
      default -> throw new IllegalArgumentException("Chaperone replaces no " + object.getKind());
    };
  }

  private static Object spec(HasMetadata object) {
    return switch (object) {
      case PodDisruptionBudget budget -> budget.getSpec();
      case Deployment deployment -> deployment.getSpec();
      default -> throw new IllegalArgumentException("Chaperone replaces no " + object.getKind());
    };
  }

  private static void merge(
      List<Map<String, Object>> patch,
      String field,
      @Nullable Map<String, String> wanted,
      @Nullable Map<String, String> now) {
    String path = "/metadata/" + field;
    if (wanted == null || wanted.isEmpty()) {
      return;
    }
    if (now == null || now.isEmpty()) {
      patch.add(operation("add", path, wanted));
      return;
    }
    wanted.forEach((key, value) -> patch.add(operation("add", path + "/" + escaped(key), value)));
  }

  /// Writing the version that was seen makes the API server refuse the patch on any other.
  private static Map<String, Object> onlyOn(HasMetadata seen) {
    return operation(
        "replace", "/metadata/resourceVersion", seen.getMetadata().getResourceVersion());
  }

  private static PatchContext by(PatchType type) {
    return new PatchContext.Builder()
        .withPatchType(type)
        .withFieldManager(Made.FIELD_MANAGER)
        .build();
  }

  private String json(Object patch) {
    return client.getKubernetesSerialization().asJson(patch);
  }

  private static Map<String, Object> operation(String op, String path, Object value) {
    return Map.of("op", op, "path", path, "value", value);
  }

  /// As RFC 6901 has it.
  private static String escaped(String key) {
    return key.replace("~", "~0").replace("/", "~1");
  }

  private void place(Change.Place place) {
    HasMetadata follower = place.object();
    if (!place.inTheWay().isEmpty()) {
      List<Map<String, Object>> patch =
          Stream.concat(
                  Stream.of(onlyOn(follower)),
                  place.inTheWay().stream()
                      .map(pointer -> Map.<String, Object>of("op", "remove", "path", pointer)))
              .toList();
      client.resource(follower).patch(JSON, json(patch));
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

  private void setApart(Change.SetApart apart) {
    String label = "/metadata/labels/" + escaped(apart.label());
    List<Map<String, Object>> patch =
        List.of(
            onlyOn(apart.object()),
            apart.value() == null
                ? Map.of("op", "remove", "path", label)
                : operation("add", label, apart.value()));
    client.pods().resource(apart.object()).patch(JSON, json(patch));
  }

  private void respond(Change.Respond respond) {
    List<Map<String, Object>> patch =
        List.of(
            onlyOn(respond.object()),
            operation("replace", "/status/responders/" + respond.index(), respond.entry()));
    client
        .genericKubernetesResources(EvictionReader.EVICTIONS)
        .resource(respond.object())
        .subresource("status")
        .patch(JSON, json(patch));
  }

  private void setSchedule(Change.SetSchedule beat) {
    Map<String, Object> patch =
        Map.of(
            "metadata", Map.of("resourceVersion", beat.object().getMetadata().getResourceVersion()),
            "spec", Map.of("schedule", beat.schedule()));
    client
        .genericKubernetesResources(ClusterReader.PING_SOURCES)
        .resource(beat.object())
        .patch(JSON_MERGE, json(patch));
  }

  private void unmark(Change.Unmark unmark) {
    Map<String, String> gone = Map.of("type", unmark.type(), "$patch", "delete");
    if (unmark.companion() == null) {
      patchConditions(unmark.object(), gone);
      return;
    }
    Node node = client.nodes().withName(unmark.object().getMetadata().getName()).get();
    if (node != null && DrainBlocked.isSaidBy(unmark.companion(), node)) {
      patchConditions(node, gone);
    }
  }

  /// Conditions are merged by their type, so that those of others stay as they are.
  private void patchConditions(Node node, Object condition) {
    client
        .nodes()
        .withName(node.getMetadata().getName())
        .subresource("status")
        .patch(
            STRATEGIC_MERGE,
            json(
                Map.of(
                    "metadata",
                    version(node),
                    "status",
                    Map.of("conditions", List.of(condition)))));
  }

  private static Map<String, String> version(Node node) {
    String version = node.getMetadata().getResourceVersion();
    return version == null ? Map.of() : Map.of("resourceVersion", version);
  }

  private void renew(Lease lease) {
    // As a resource, not by its name: that would read it first, which takes another right.
    client.leases().resource(lease).patch(JSON_MERGE, json(Map.of("spec", lease.getSpec())));
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
            .withReportingComponent(Made.REPORTER)
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
      case Change.Create create -> "create " + name;
      case Change.Replace replace -> "replace " + name;
      case Change.Apply apply -> "apply " + name;
      case Change.Place place -> "place " + name;
      case Change.Bind bind -> "bind " + name + " to " + bind.node();
      case Change.SetApart apart -> "label " + apart.label() + " of " + name;
      case Change.Delete delete -> "delete " + name;
      case Change.Report report -> "status of " + name;
      case Change.ReportHold report -> "status of " + name;
      case Change.ReportKey report -> "status of " + name;
      case Change.Respond respond -> "answer of " + name;
      case Change.SetSchedule beat -> "set schedule " + beat.schedule() + " of " + name;
      case Change.Mark mark -> "condition " + mark.condition().getType() + " on " + name;
      case Change.Unmark unmark -> "remove condition " + unmark.type() + " from " + name;
      case Change.Renew renew -> "time of " + name;
      case Change.Tell tell -> "Event " + tell.reason() + " on " + name;
      case Change.TellOnce tell -> "Event " + tell.reason() + " on " + name;
    };
  }
}
