package dev.chaperone.cluster;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Observation;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Roster;
import dev.chaperone.decide.Snapshot;
import io.fabric8.kubernetes.api.model.APIResource;
import io.fabric8.kubernetes.api.model.APIResourceList;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.ListOptions;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.apps.DaemonSet;
import io.fabric8.kubernetes.api.model.apps.Deployment;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jspecify.annotations.Nullable;

/// The only reads. Live, never from a cache, and as few whatever the size of the cluster: all pods
/// and nodes are listed only when [Snapshot#needsEveryNode] asks for it.
@ApplicationScoped
public class ClusterReader {
  private static final long PAGE = 500;

  /// With more cordoned nodes than this, one list of everything is cheaper than two reads for each.
  private static final int FEW = 16;

  private static final int FORBIDDEN = 403;
  private static final ObjectMapper JSON = JsonMapper.builder().build();
  private static final TypeReference<Map<String, Object>> OBJECT = new TypeReference<>() {};
  private static final String AGGREGATE_TO_OBSERVE = "chaperone.dev/aggregate-to-observe: \"true\"";

  static final ResourceDefinitionContext PING_SOURCES =
      new ResourceDefinitionContext.Builder()
          .withGroup("sources.knative.dev")
          .withVersion("v1")
          .withKind("PingSource")
          .withPlural("pingsources")
          .withNamespaced(true)
          .build();

  private final KubernetesClient client;
  private final SharedRuns<String, String, List<Companion>> companions =
      new SharedRuns<>((all, _) -> all, Duration.ZERO);
  private final String guardImage;
  private final String pulseNamespace;
  private final String pulseName;

  ClusterReader(
      KubernetesClient client,
      @ConfigProperty(name = "chaperone.guard-image") String guardImage,
      @ConfigProperty(name = "chaperone.pulse.namespace") String pulseNamespace,
      @ConfigProperty(name = "chaperone.pulse.name") String pulseName) {
    this.client = client;
    this.guardImage = guardImage;
    this.pulseNamespace = pulseNamespace;
    this.pulseName = pulseName;
  }

  /// The PingSource of the pulse; empty if there is none, or somebody else's business.
  ///
  /// @throws Unavailable when the API server does not answer
  public Optional<GenericKubernetesResource> pulse() {
    try {
      return Optional.ofNullable(
          client
              .genericKubernetesResources(PING_SOURCES)
              .inNamespace(pulseNamespace)
              .withName(pulseName)
              .get());
    } catch (KubernetesClientException e) {
      if (e.getCode() == FORBIDDEN) {
        return Optional.empty();
      }
      throw new Unavailable("Cannot read PingSource " + pulseName + ": " + e.getMessage(), e);
    }
  }

  /// The Companions that may have to change because of this object: found by what their specs name,
  /// or by the namespace, so that also an object that is gone is understood.
  ///
  /// @throws Unavailable when the API server does not answer
  public SortedSet<CompanionRef> concerned(ObjectRef object, Deadline deadline) {
    return switch (object.kind()) {
      case "Companion" -> sorted(Stream.of(new CompanionRef(object.namespace(), object.name())));
      case "Hold" ->
          hold(object)
              .map(hold -> sorted(Stream.of(companionOf(hold))))
              .orElseGet(() -> refs(companionsIn(object.namespace()).stream()));
      case "Node" -> everyone(deadline);
      default -> refs(companions(deadline).stream().filter(it -> concerns(object, it)));
    };
  }

  private static boolean concerns(ObjectRef object, Companion companion) {
    String namespace = companion.getMetadata().getNamespace();
    CompanionSpec spec = companion.getSpec();
    boolean named =
        switch (object.kind()) {
          case "DaemonSet" ->
              object.isNamed(Snapshot.targetNamespace(companion), spec.targetRef().name())
                  || (spec.companionRef() != null
                      && object.isNamed(namespace, spec.companionRef().name()));
          case "Pod", "Deployment", "PodDisruptionBudget" -> object.namespace().equals(namespace);
          default -> false;
        };
    return named
        || spec.disruption().observe().stream()
            .filter(it -> it.kind().equals(object.kind()))
            .anyMatch(
                it ->
                    object.name().equals(it.name())
                        && (object.namespace().isEmpty()
                            || object.namespace().equals(namespaceOf(it, namespace))));
  }

  private static String namespaceOf(Observed observed, String own) {
    return observed.namespace() == null ? own : observed.namespace();
  }

  /// Every Companion that there is.
  ///
  /// @throws Unavailable when the API server does not answer
  public SortedSet<CompanionRef> everyone(Deadline deadline) {
    return refs(companions(deadline).stream());
  }

  /// Everything a decision about the Companion depends on; empty if there is no such Companion, or
  /// it is being deleted.
  ///
  /// @throws Unavailable when the API server does not answer
  public Optional<Snapshot> read(
      CompanionRef ref, Instant now, Occasion occasion, Deadline deadline) {
    deadline.check("reading PodDisruptionBudgets of " + ref.namespace());
    String namespace = ref.namespace();
    List<PodDisruptionBudget> budgets =
        read(
            "PodDisruptionBudgets of " + namespace,
            () -> all(client.policy().v1().podDisruptionBudget().inNamespace(namespace)));
    deadline.check("reading Companion " + ref);
    Companion companion = companion(ref);
    if (companion == null || companion.getMetadata().getDeletionTimestamp() != null) {
      return Optional.empty();
    }
    deadline.check("reading what Companion " + ref + " names");
    try (Parallel parallel = new Parallel()) {
      var targetRef = companion.getSpec().targetRef();
      var followerRef = companion.getSpec().companionRef();
      String targetNamespace = Snapshot.targetNamespace(companion);
      var target = parallel.run(() -> daemonSet(targetNamespace, targetRef.name()));
      var follower =
          parallel.run(() -> followerRef == null ? null : daemonSet(namespace, followerRef.name()));
      var rivals =
          parallel.run(
              () ->
                  followerRef == null
                      ? List.<Companion>of()
                      : withFollower(namespace, followerRef.name()).stream()
                          .filter(it -> !it.getMetadata().getName().equals(ref.name()))
                          .toList());
      var guards = parallel.run(() -> deployment(namespace, Made.guards(ref.name())));
      var holds = parallel.run(() -> holds(ref));
      Map<String, Parallel.Result<Observation>> observed = new LinkedHashMap<>();
      for (Observed it : companion.getSpec().disruption().observe()) {
        observed.put(it.as(), parallel.run(() -> observe(it, namespace)));
      }
      boolean nodes = companion.getSpec().disruption().protect().contains(Protect.Nodes);
      var waiting = parallel.run(() -> nodes ? waitingGuards(ref) : List.<Pod>of());
      var cordoned = parallel.run(() -> nodes ? cordonedNodes() : List.<Node>of());
      DaemonSet theTarget = parallel.result(target);
      deadline.check("reading the cordoned nodes for Companion " + ref);
      Roster roster =
          rosterOf(parallel.result(cordoned), occasion.nodes(), ref, theTarget, parallel);
      Snapshot seen =
          new Snapshot(
              now,
              occasion.pulse(),
              guardImage,
              budgets,
              companion,
              parallel.result(rivals),
              theTarget,
              parallel.result(follower),
              parallel.result(guards),
              parallel.result(holds),
              results(observed, parallel),
              parallel.result(waiting),
              roster);
      if (theTarget == null || !seen.needsEveryNode()) {
        return Optional.of(seen);
      }
      deadline.check("reading every node for Companion " + ref);
      return Optional.of(seen.with(rosterOfAll(ref, theTarget, parallel)));
    }
  }

  /// Every Hold that names the Companion, whether that exists or not.
  ///
  /// @throws Unavailable when the API server does not answer
  public List<Hold> holds(CompanionRef ref) {
    return read(
        "Holds of Companion " + ref,
        () ->
            all(
                client
                    .resources(Hold.class)
                    .inNamespace(ref.namespace())
                    .withField("spec.companionRef.name", ref.name())));
  }

  private static <T> Map<String, T> results(
      Map<String, Parallel.Result<T>> running, Parallel parallel) {
    Map<String, T> results = new LinkedHashMap<>();
    running.forEach((name, result) -> results.put(name, parallel.result(result)));
    return results;
  }

  /// A kind that the cluster does not know, an object that is not there and a right that is missing
  /// are what the Companion's failurePolicy is for; no answer is not.
  private Observation observe(Observed what, String ownNamespace) {
    String kind = what.kind() + " (" + what.apiVersion() + ")";
    try {
      APIResourceList known = client.getApiResources(what.apiVersion());
      Optional<APIResource> resource =
          Stream.ofNullable(known)
              .flatMap(it -> it.getResources().stream())
              .filter(it -> it.getKind().equals(what.kind()) && !it.getName().contains("/"))
              .findFirst();
      if (resource.isEmpty()) {
        return new Observation.Unseen(
            "the cluster does not know " + kind + ", observed as " + what.as());
      }
      var context =
          new ResourceDefinitionContext.Builder()
              .withGroup(group(what.apiVersion()))
              .withVersion(what.apiVersion().substring(what.apiVersion().indexOf('/') + 1))
              .withKind(what.kind())
              .withPlural(resource.get().getName())
              .withNamespaced(resource.get().getNamespaced())
              .build();
      var all = client.genericKubernetesResources(context);
      String namespace = namespaceOf(what, ownNamespace);
      GenericKubernetesResource object =
          resource.get().getNamespaced()
              ? all.inNamespace(namespace).withName(what.name()).get()
              : all.withName(what.name()).get();
      String name = (resource.get().getNamespaced() ? namespace + "/" : "") + what.name();
      return object == null
          ? new Observation.Unseen(
              kind + " " + name + ", observed as " + what.as() + ", does not exist")
          : new Observation.Seen(JSON.convertValue(object, OBJECT));
    } catch (KubernetesClientException e) {
      if (e.getCode() == FORBIDDEN) {
        return new Observation.Unseen(
            "Chaperone may not read %s: let a ClusterRole with the label %s grant get on it"
                .formatted(kind, AGGREGATE_TO_OBSERVE));
      }
      throw new Unavailable("Cannot read " + kind + " " + what.name() + ": " + e.getMessage(), e);
    }
  }

  private static String group(String apiVersion) {
    int slash = apiVersion.indexOf('/');
    return slash < 0 ? "" : apiVersion.substring(0, slash);
  }

  private Roster rosterOf(
      List<Node> cordoned,
      Set<String> named,
      CompanionRef ref,
      @Nullable DaemonSet target,
      Parallel parallel) {
    if (target == null) {
      return new Roster(false, List.of(), List.of(), List.of());
    }
    Set<String> others = new TreeSet<>(named);
    cordoned.forEach(node -> others.remove(node.getMetadata().getName()));
    if (cordoned.size() + others.size() > FEW) {
      return rosterOfAll(ref, target, parallel);
    }
    List<Parallel.Result<List<Pod>>> targetPods = new ArrayList<>();
    List<Parallel.Result<List<Pod>>> guards = new ArrayList<>();
    Stream.concat(cordoned.stream().map(node -> node.getMetadata().getName()), others.stream())
        .forEach(
            name -> {
              targetPods.add(parallel.run(() -> targetPods(target, name)));
              guards.add(parallel.run(() -> guards(ref, name)));
            });
    List<Pod> allGuards = guards.stream().flatMap(it -> parallel.result(it).stream()).toList();
    // After the guards: one whose node is not there has lost it.
    List<Node> nodes =
        Stream.concat(cordoned.stream(), others.stream().flatMap(name -> node(name).stream()))
            .toList();
    return new Roster(
        false,
        nodes,
        targetPods.stream().flatMap(it -> parallel.result(it).stream()).toList(),
        allGuards);
  }

  private Roster rosterOfAll(CompanionRef ref, DaemonSet target, Parallel parallel) {
    var targetPods = parallel.run(() -> targetPods(target, null));
    List<Pod> guards = guards(ref, null);
    // After the guards: one whose node is not in this list has lost it.
    List<Node> nodes = read("Nodes", () -> all(client.nodes()));
    return new Roster(true, nodes, parallel.result(targetPods), guards);
  }

  private List<Pod> targetPods(DaemonSet target, @Nullable String node) {
    var pods =
        client
            .pods()
            .inNamespace(target.getMetadata().getNamespace())
            .withLabelSelector(target.getSpec().getSelector());
    return read(
            "pods of DaemonSet " + target.getMetadata().getName(),
            () -> all(node == null ? pods : pods.withField("spec.nodeName", node)))
        .stream()
        .filter(
            pod ->
                pod.getMetadata().getOwnerReferences().stream()
                    .anyMatch(it -> Objects.equals(it.getUid(), target.getMetadata().getUid())))
        .toList();
  }

  private List<Pod> guards(CompanionRef ref, @Nullable String node) {
    var pods = client.pods().inNamespace(ref.namespace()).withLabels(Made.guardLabels(ref.name()));
    return read(
        "guards of Companion " + ref,
        () -> all(node == null ? pods : pods.withField("spec.nodeName", node)));
  }

  private List<Pod> waitingGuards(CompanionRef ref) {
    return read(
            "waiting guards of Companion " + ref,
            () ->
                all(
                    client
                        .pods()
                        .inNamespace(ref.namespace())
                        .withLabels(Made.guardLabels(ref.name()))
                        .withField("spec.nodeName", "")))
        .stream()
        .filter(pod -> pod.getMetadata().getDeletionTimestamp() == null)
        .toList();
  }

  private List<Node> node(String name) {
    return read("Node " + name, () -> all(client.nodes().withField("metadata.name", name)));
  }

  private List<Node> cordonedNodes() {
    return read(
        "cordoned Nodes", () -> all(client.nodes().withField("spec.unschedulable", "true")));
  }

  private @Nullable DaemonSet daemonSet(String namespace, String name) {
    return read(
        "DaemonSet " + namespace + "/" + name,
        () -> client.apps().daemonSets().inNamespace(namespace).withName(name).get());
  }

  private @Nullable Deployment deployment(String namespace, String name) {
    return read(
        "Deployment " + namespace + "/" + name,
        () -> client.apps().deployments().inNamespace(namespace).withName(name).get());
  }

  /// The same as objects. One read for all events that ask before it has begun.
  ///
  /// @throws Unavailable when the API server does not answer
  public List<Companion> companions(Deadline deadline) {
    String all = "Companions";
    return companions
        .share(
            all,
            all,
            deadline,
            what -> read(what, () -> all(client.resources(Companion.class).inAnyNamespace())))
        .result();
  }

  private List<Companion> companionsIn(String namespace) {
    return namespace.isEmpty()
        ? List.of()
        : read(
            "Companions of " + namespace,
            () -> all(client.resources(Companion.class).inNamespace(namespace)));
  }

  private List<Companion> withFollower(String namespace, String name) {
    return read(
        "Companions with companionRef " + namespace + "/" + name,
        () ->
            all(
                client
                    .resources(Companion.class)
                    .inNamespace(namespace)
                    .withField("spec.companionRef.name", name)));
  }

  /// Whether there is such a Companion.
  ///
  /// @throws Unavailable when the API server does not answer
  public boolean exists(CompanionRef ref) {
    return companion(ref) != null;
  }

  /// The Companions with a signal of this type.
  ///
  /// @throws Unavailable when the API server does not answer
  public List<Companion> listening(String type, Deadline deadline) {
    return companions(deadline).stream()
        .filter(it -> it.getSpec().signals().stream().anyMatch(its -> its.type().equals(type)))
        .toList();
  }

  private @Nullable Companion companion(CompanionRef ref) {
    return read(
        "Companion " + ref,
        () ->
            client
                .resources(Companion.class)
                .inNamespace(ref.namespace())
                .withName(ref.name())
                .get());
  }

  /// The Hold; empty if it does not exist.
  ///
  /// @throws Unavailable when the API server does not answer
  public Optional<Hold> hold(ObjectRef ref) {
    return Optional.ofNullable(
        read(
            ref.toString(),
            () ->
                client
                    .resources(Hold.class)
                    .inNamespace(ref.namespace())
                    .withName(ref.name())
                    .get()));
  }

  private static CompanionRef companionOf(Hold hold) {
    return new CompanionRef(
        hold.getMetadata().getNamespace(), hold.getSpec().companionRef().name());
  }

  private static SortedSet<CompanionRef> refs(Stream<Companion> companions) {
    return sorted(companions.map(CompanionRef::of));
  }

  private static SortedSet<CompanionRef> sorted(Stream<CompanionRef> refs) {
    return refs.collect(Collectors.toCollection(TreeSet::new));
  }

  private static <T extends HasMetadata, L extends KubernetesResourceList<T>> List<T> all(
      FilterWatchListDeletable<T, L, ?> query) {
    List<T> items = new ArrayList<>();
    ListOptions page = new ListOptionsBuilder().withLimit(PAGE).build();
    do {
      L list = query.list(page);
      items.addAll(list.getItems());
      page =
          new ListOptionsBuilder()
              .withLimit(PAGE)
              .withContinue(list.getMetadata().getContinue())
              .build();
    } while (page.getContinue() != null && !page.getContinue().isEmpty());
    return items;
  }

  /// Absence is an answer; every other failure means that nothing is known.
  private static <T> T read(String what, Supplier<T> call) {
    try {
      return call.get();
    } catch (KubernetesClientException e) {
      throw new Unavailable("Cannot read " + what + ": " + e.getMessage(), e);
    }
  }
}
