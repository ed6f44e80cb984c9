package dev.chaperone.cluster;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.FollowerRef;
import dev.chaperone.api.CompanionSpec.Observed;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.EventKey;
import dev.chaperone.api.Hold;
import dev.chaperone.decide.CompanionReady;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.FewNodes;
import dev.chaperone.decide.HoldReports;
import dev.chaperone.decide.Holds;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.Made;
import dev.chaperone.decide.NodeChoice;
import dev.chaperone.decide.NodesInEvent;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Observation;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Roster;
import dev.chaperone.decide.Scope;
import dev.chaperone.decide.Settings;
import dev.chaperone.decide.Snapshot;
import dev.chaperone.decide.Survey;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
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
import java.util.Collection;
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
/// and nodes are listed only when [FewNodes#needEveryNode] asks for it.
@ApplicationScoped
public class ClusterReader {
  /// With more nodes than this, one list of everything is cheaper than reads for each.
  public static final int FEW_NODES = 16;

  private static final int FORBIDDEN = 403;

  /// Where nothing says otherwise, as outside of a pod.
  private static final String DEFAULT_NAMESPACE = "chaperone";

  private static final Set<String> OURS = Set.of("Companion", "Hold");

  static final ResourceDefinitionContext PING_SOURCES =
      new ResourceDefinitionContext.Builder()
          .withGroup("sources.knative.dev")
          .withVersion("v1")
          .withKind("PingSource")
          .withPlural("pingsources")
          .withNamespaced(true)
          .build();

  /// After a list that was shared, so that whoever sends many events makes it no more often.
  private static final Duration PAUSE = Duration.ofMillis(50);

  private final KubernetesClient client;
  private final SharedRuns<String, String, List<Companion>> companions =
      new SharedRuns<>((all, _) -> all, PAUSE);
  private final Scope scope;
  private final ObservedReader observedObjects;
  private final Settings settings;
  private final EvictionReader evictionReader;
  private final String pulseNamespace;
  private final String pulseName;

  ClusterReader(
      KubernetesClient client,
      @ConfigProperty(name = "chaperone.namespace") Optional<String> namespace,
      GuardConfig guardConfig,
      @ConfigProperty(name = "chaperone.node-conditions") boolean marksNodes,
      @ConfigProperty(name = "chaperone.eviction-responder") boolean respondsToEvictions,
      @ConfigProperty(name = "chaperone.max-hold-duration") Optional<String> maxHoldDuration,
      @ConfigProperty(name = "chaperone.pulse.namespace") String pulseNamespace,
      @ConfigProperty(name = "chaperone.pulse.name") String pulseName) {
    this.client = client;
    this.scope = new Scope(namespace.orElse(null));
    this.observedObjects = new ObservedReader(client, scope);
    this.settings =
        new Settings(
            scope,
            guardConfig.settings(),
            marksNodes,
            respondsToEvictions,
            maxHoldDuration.orElse(null));
    this.evictionReader = new EvictionReader(client, settings);
    this.pulseNamespace = pulseNamespace;
    this.pulseName = pulseName;
  }

  /// Where Chaperone itself runs.
  public String ownNamespace() {
    return Objects.requireNonNullElse(client.getNamespace(), DEFAULT_NAMESPACE);
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
      throw new Unavailable("Cannot read PingSource " + pulseName + ": " + Words.of(e), e);
    }
  }

  /// Whom an event about this object concerns. Of nodes, [#concernedBy] says it better.
  ///
  /// @throws Unavailable when the API server does not answer
  public Concern concern(ObjectRef object, Instant now, Deadline deadline) {
    return object.kind().equals("Hold") && scope.covers(object.namespace())
        ? concernOfHold(object, now)
        : new Concern(companionsOf(object, deadline));
  }

  /// The Companions that may have to change because of this object: found by what their specs name,
  /// or by the namespace, so that also an object that is gone is understood. Reads Companions, and
  /// Holds by their names, and nothing else: that is all that the account of dead letters may.
  ///
  /// @throws Unavailable when the API server does not answer
  public SortedSet<CompanionRef> companionsOf(ObjectRef object, Deadline deadline) {
    if (OURS.contains(object.kind()) && !scope.covers(object.namespace())) {
      return new TreeSet<>();
    }
    return switch (object.kind()) {
      case "Companion" -> sorted(Stream.of(new CompanionRef(object.namespace(), object.name())));
      case "Hold" -> namedBy(hold(object), () -> companionsIn(object.namespace()));
      case ObjectRef.NODE -> everyone(deadline);
      default ->
          object
              .madeFor()
              .filter(this::exists)
              .map(it -> sorted(Stream.of(it)))
              .orElseGet(() -> refs(readable(companions(deadline)).filter(object::concerns)));
    };
  }

  /// With what is known of the Companions in the same round: what blocks is to close at once, and
  /// each round of calls takes time. Where a namespace has too many of them for that, one after the
  /// other.
  private Concern concernOfHold(ObjectRef object, Instant now) {
    if (object.namespace().isEmpty()) {
      return new Concern(new TreeSet<>());
    }
    Optional<NamespaceFacts> facts = namespaceFacts(object.namespace());
    if (facts.isEmpty()) {
      Optional<Hold> hold = hold(object);
      return new Concern(namedBy(hold, () -> companionsIn(object.namespace())), hold, Map.of());
    }
    Optional<Hold> hold = facts.get().hold(object.name());
    SortedSet<CompanionRef> companions = namedBy(hold, facts.get()::companions);
    return new Concern(companions, hold, facts.get().known(companions, now, settings));
  }

  /// The Companion that the Hold names; of one that is gone, all of its namespace.
  private static SortedSet<CompanionRef> namedBy(
      Optional<Hold> hold, Supplier<List<Companion>> ofNamespace) {
    return hold.map(it -> sorted(Stream.of(CompanionRef.of(it))))
        .orElseGet(() -> refs(ofNamespace.get().stream()));
  }

  /// The Companions that may have to change because something happened to these nodes.
  ///
  /// @throws Unavailable when the API server does not answer
  public SortedSet<CompanionRef> concernedBy(Set<String> nodes, Deadline deadline) {
    List<Companion> all = companions(deadline);
    if (nodes.size() > FEW_NODES) {
      return refs(all.stream());
    }
    NodesInEvent event = new NodesInEvent(nodes, podsOn(nodes, readable(all).toList()));
    return refs(readable(all).filter(event::concerns));
  }

  /// Pods of the namespaces of these Companions and their targets.
  private List<Pod> podsOn(Set<String> nodes, List<Companion> companions) {
    Set<String> namespaces =
        companions.stream()
            .flatMap(it -> Stream.of(it.getMetadata().getNamespace(), Snapshot.targetNamespace(it)))
            .filter(scope::covers)
            .filter(PathName::isOne)
            .collect(Collectors.toSet());
    boolean each = scope.only() != null || nodes.size() * namespaces.size() <= FEW_NODES;
    try (Parallel parallel = new Parallel()) {
      return nodes.stream()
          .flatMap(
              node ->
                  each
                      ? namespaces.stream().map(it -> podsOn(node, it, parallel))
                      : Stream.of(podsOn(node, null, parallel)))
          .toList()
          .stream()
          .flatMap(it -> parallel.result(it).stream())
          .toList();
    }
  }

  private Parallel.Result<List<Pod>> podsOn(
      String node, @Nullable String namespace, Parallel parallel) {
    return parallel.run(() -> RosterReader.podsOn(client, node, namespace, null));
  }

  /// Where they cannot be read at once, reads by name may still do.
  private Optional<NamespaceFacts> namespaceFacts(String namespace) {
    try {
      return NamespaceFacts.read(client, namespace);
    } catch (Unavailable e) {
      return Optional.empty();
    }
  }

  static Stream<Companion> readable(List<Companion> companions) {
    return companions.stream().filter(it -> it.whyUnreadable().isEmpty());
  }

  /// Every Companion that there is.
  ///
  /// @throws Unavailable when the API server does not answer
  public SortedSet<CompanionRef> everyone(Deadline deadline) {
    return refs(companions(deadline).stream());
  }

  /// Those that nothing was said of yet, and those whose guards do not run yet.
  ///
  /// @throws Unavailable when the API server does not answer
  public List<CompanionRef> unfinished(Deadline deadline) {
    return companions(deadline).stream()
        .filter(Survey::isUnfinished)
        .map(CompanionRef::of)
        .toList();
  }

  /// Everything at once, for decisions about many Companions.
  ///
  /// @param companions about how many there are
  /// @throws Unavailable when the API server does not answer
  public Survey survey(int companions, Instant now, Deadline deadline) {
    return new SurveyReader(client, settings, observedObjects, evictionReader, companions)
        .survey(now, deadline);
  }

  /// The Companion, its budgets, each by its name, and its Holds: for a list, the API server may
  /// first have to wait for its own news. Empty if there is no such Companion, or it is being
  /// deleted.
  ///
  /// @throws Unavailable when the API server does not answer
  public Optional<KnownFacts> knownFacts(CompanionRef ref, Instant now, Deadline deadline) {
    if (!PathName.isOne(ref.name())) {
      return Optional.empty();
    }
    deadline.check("reading Companion " + ref);
    try (Parallel parallel = new Parallel()) {
      var budgets = budgets(ref.namespace(), Made.budgets(ref.name()), parallel);
      var holds = parallel.run(() -> holds(ref));
      Companion companion = companion(ref);
      if (companion == null || !isLiving(companion)) {
        return Optional.empty();
      }
      var more = budgets(ref.namespace(), Made.moreBudgets(companion), parallel);
      return Optional.of(
          new KnownFacts(
              now,
              settings,
              companion,
              Stream.concat(budgets.stream(), more.stream())
                  .flatMap(it -> parallel.result(it).stream())
                  .toList(),
              parallel.result(holds),
              null));
    }
  }

  private List<Parallel.Result<Optional<PodDisruptionBudget>>> budgets(
      String namespace, List<String> names, Parallel parallel) {
    return names.stream().map(name -> parallel.run(() -> budget(namespace, name))).toList();
  }

  /// Everything that a decision about the Companion depends on.
  ///
  /// All of it comes after the known facts, because the specs of its budgets, as they were then,
  /// fence the decision: the Companion and its Holds are read once more.
  ///
  /// @param everyNode taken before every node is read; what is returned may need it
  /// @throws LostRace when the Companion is gone the second time, or asks for something else, or
  ///     every node had to wait
  /// @throws Unavailable when the API server does not answer
  public Snapshot read(KnownFacts known, Occasion occasion, Room.Place everyNode, Deadline deadline)
      throws LostRace {
    Companion first = known.companion();
    CompanionRef ref = CompanionRef.of(first);
    deadline.check("reading what Companion " + ref + " names");
    try (Parallel parallel = new Parallel()) {
      String namespace = ref.namespace();
      var targetRef = first.getSpec().targetRef();
      var followerRef = first.getSpec().followerRef();
      String targetNamespace = Snapshot.targetNamespace(first);
      var companions = parallel.run(() -> withTheSameFollower(first));
      var budgets = parallel.run(() -> budgets(namespace));
      var target =
          parallel.run(
              () ->
                  scope.covers(targetNamespace)
                      ? daemonSet(targetNamespace, targetRef.name())
                      : null);
      var follower =
          parallel.run(() -> followerRef == null ? null : daemonSet(namespace, followerRef.name()));
      var guards = parallel.run(() -> deployment(namespace, Made.guards(ref.name())));
      var holds = parallel.run(() -> holds(ref));
      var evictions = parallel.run(() -> evictionReader.of(ref));
      Map<String, Parallel.Result<Observation>> observed = new LinkedHashMap<>();
      for (Observed it : first.getSpec().disruption().observe()) {
        observed.put(it.as(), parallel.run(() -> observedObjects.read(it, namespace)));
      }
      Set<NodeChoice.Labeled> selectors = Holds.selectors(known.holds(), known.now());
      Optional<RosterReader> rosters =
          first.getSpec().disruption().protect().contains(Protect.Nodes)
                  && scope.covers(targetNamespace)
              ? Optional.of(
                  new RosterReader(
                      client,
                      ref,
                      targetNamespace,
                      occasion.nodesFor(known, RosterReader.FEW),
                      selectors,
                      everyNode,
                      deadline,
                      parallel))
              : Optional.empty();
      Companion companion =
          parallel.result(companions).stream()
              .filter(it -> asksTheSame(first, it))
              .filter(ClusterReader::isLiving)
              .findFirst()
              .orElseThrow(() -> new LostRace("Companion " + ref + " changed while it was read"));
      if (!selectors.containsAll(Holds.selectors(parallel.result(holds), known.now()))) {
        throw new LostRace("A Hold of Companion %s is new, and selects nodes".formatted(ref));
      }
      DaemonSet theTarget = parallel.result(target);
      deadline.check("reading the cordoned nodes for Companion " + ref);
      Snapshot seen =
          new Snapshot(
              known.now(),
              settings,
              occasion.pulse(),
              known.budgetsAnd(parallel.result(budgets)),
              companion,
              Snapshot.rivals(companion, parallel.result(companions)),
              theTarget,
              parallel.result(follower),
              parallel.result(guards),
              parallel.result(holds),
              results(observed, parallel),
              rosters.map(RosterReader::notRunning).orElse(List.of()),
              known.placed(),
              parallel.result(evictions),
              rosters.isPresent() ? rosters.get().few(theTarget) : Roster.NONE);
      return rosters.isEmpty() || !FewNodes.needEveryNode(seen)
          ? seen
          : withMoreNodes(seen, rosters.get(), occasion, deadline);
    }
  }

  /// With those nodes that may be without a guard, as far as somebody names them; where they do not
  /// explain what was seen, with every node.
  private static Snapshot withMoreNodes(
      Snapshot seen, RosterReader rosters, Occasion occasion, Deadline deadline) throws LostRace {
    DaemonSet target = Objects.requireNonNull(seen.target());
    if (FewNodes.needFewMore(seen, RosterReader.FEW)) {
      deadline.check("reading some nodes for Companion " + seen.ref());
      Set<String> more = new TreeSet<>(occasion.mayBeUnguarded(seen.toldUnguarded()));
      if (seen.expectsNodes()) {
        more.addAll(rosters.nodesThatStart(target));
      }
      if (!more.isEmpty() && more.size() <= RosterReader.FEW) {
        Snapshot some = seen.with(rosters.few(target, more));
        if (!FewNodes.needEveryNode(some)) {
          return some;
        }
      }
    }
    deadline.check("reading every node for Companion " + seen.ref());
    return seen.with(rosters.all(target));
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

  /// As [HoldReports#strays], of every Hold that there is.
  ///
  /// @throws Unavailable when the API server does not answer
  public SortedSet<CompanionRef> strays(Collection<CompanionRef> everyone, Instant now) {
    var holds = client.resources(Hold.class);
    String only = scope.only();
    return HoldReports.strays(
        read("Holds", () -> all(only == null ? holds.inAnyNamespace() : holds.inNamespace(only))),
        everyone,
        now);
  }

  /// Where followers are ready, of those Companions that ask for the condition of it.
  ///
  /// @param nodes as [#markedNodes] had them before
  /// @throws Unavailable when the API server does not answer
  public CompanionReady companionReady(List<Companion> everyone, List<Node> nodes) {
    List<Companion> asking = everyone.stream().filter(CompanionReady::isAskedFor).toList();
    return new CompanionReady(new FollowerReader(client, scope).asking(asking), nodes);
  }

  /// Nodes that may have a condition of Chaperone; none where the installation wants no conditions
  /// on nodes.
  ///
  /// @param cordoned only the cordoned ones
  /// @throws Unavailable when the API server does not answer
  public List<Node> markedNodes(boolean cordoned) {
    if (!settings.marksNodes()) {
      return List.of();
    }
    return cordoned
        ? RosterReader.nodes(client, "spec.unschedulable", "true", Set.of())
        : RosterReader.nodes(client, Set.of());
  }

  private static <T> Map<String, T> results(
      Map<String, Parallel.Result<T>> running, Parallel parallel) {
    Map<String, T> results = new LinkedHashMap<>();
    running.forEach((name, result) -> results.put(name, parallel.result(result)));
    return results;
  }

  private List<PodDisruptionBudget> budgets(String namespace) {
    return read(
        "PodDisruptionBudgets of " + namespace,
        () -> all(client.policy().v1().podDisruptionBudget().inNamespace(namespace)));
  }

  private Optional<PodDisruptionBudget> budget(String namespace, String name) {
    return Optional.ofNullable(
        read(
            "PodDisruptionBudget " + namespace + "/" + name,
            () ->
                client
                    .policy()
                    .v1()
                    .podDisruptionBudget()
                    .inNamespace(namespace)
                    .withName(name)
                    .get()));
  }

  private static boolean asksTheSame(Companion one, Companion other) {
    return Objects.equals(one.getMetadata().getUid(), other.getMetadata().getUid())
        && Objects.equals(one.getMetadata().getGeneration(), other.getMetadata().getGeneration());
  }

  /// Returns if nobody has changed the Companion, or said something of it, since it was seen.
  ///
  /// @throws LostRace if somebody has
  /// @throws Unavailable when the API server does not answer
  public void requireUnchanged(Companion seen) throws LostRace {
    CompanionRef ref = CompanionRef.of(seen);
    Companion now = companion(ref);
    if (now == null
        || !Objects.equals(
            now.getMetadata().getResourceVersion(), seen.getMetadata().getResourceVersion())) {
      throw new LostRace("Companion " + ref + " changed after it was read");
    }
  }

  static boolean isLiving(Companion companion) {
    return companion.getMetadata().getDeletionTimestamp() == null;
  }

  private @Nullable DaemonSet daemonSet(String namespace, String name) {
    if (!PathName.isOne(namespace) || !PathName.isOne(name)) {
      return null;
    }
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
            (what, _) ->
                scope.only() == null
                    ? read(what, () -> all(client.resources(Companion.class).inAnyNamespace()))
                    : companionsIn(scope.only()))
        .result();
  }

  /// The same of one namespace; none if Chaperone does not serve it.
  ///
  /// @param namespace absent: of all that Chaperone serves
  /// @throws Unavailable when the API server does not answer
  public List<Companion> companions(@Nullable String namespace, Deadline deadline) {
    if (namespace == null || namespace.equals(scope.only())) {
      return companions(deadline);
    }
    return isServed(namespace) ? companionsIn(namespace) : List.of();
  }

  /// Kubernetes Events that Chaperone wrote on Companions and that the API server still has, in no
  /// order: at most one page of them, of more nobody knows which.
  ///
  /// @param namespace absent: of all that Chaperone serves
  /// @throws Unavailable when the API server does not answer, or does not let the functions read
  ///     Kubernetes Events
  public List<Event> told(@Nullable String namespace, Deadline deadline) {
    String one = namespace == null ? scope.only() : namespace;
    if (one != null && !isServed(one)) {
      return List.of();
    }
    deadline.check("reading Kubernetes Events");
    var events = client.v1().events();
    return read(
        "Kubernetes Events",
        () ->
            (one == null ? events.inAnyNamespace() : events.inNamespace(one))
                .withField("involvedObject.kind", "Companion")
                .withField("reportingComponent", Made.REPORTER)
                .list(Listing.onePage())
                .getItems());
  }

  private boolean isServed(String namespace) {
    return scope.covers(namespace) && PathName.isOne(namespace);
  }

  private List<Companion> companionsIn(String namespace) {
    return namespace.isEmpty()
        ? List.of()
        : read(
            "Companions of " + namespace,
            () -> all(client.resources(Companion.class).inNamespace(namespace)));
  }

  /// The Companion, and the others of its namespace with a followerRef of this name.
  private List<Companion> withTheSameFollower(Companion companion) {
    String namespace = companion.getMetadata().getNamespace();
    Optional<String> follower =
        Optional.ofNullable(companion.getSpec().followerRef())
            .map(FollowerRef::name)
            .filter(PathName::isOne);
    String field = follower.isPresent() ? "spec.followerRef.name" : "metadata.name";
    String name = follower.orElse(companion.getMetadata().getName());
    return read(
        "Companions of " + namespace,
        () -> all(client.resources(Companion.class).inNamespace(namespace).withField(field, name)));
  }

  /// Whether there is such a Companion, in a namespace that Chaperone serves.
  ///
  /// @throws Unavailable when the API server does not answer
  public boolean exists(CompanionRef ref) {
    return scope.covers(ref.namespace())
        && PathName.isOne(ref.namespace())
        && PathName.isOne(ref.name())
        && companion(ref) != null;
  }

  /// The Companions with a signal of this type.
  ///
  /// @throws Unavailable when the API server does not answer
  public List<Companion> listening(String type, Deadline deadline) {
    return readable(companions(deadline))
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

  /// The Hold; empty if it does not exist in a namespace that Chaperone serves.
  ///
  /// @throws Unavailable when the API server does not answer
  public Optional<Hold> hold(ObjectRef ref) {
    if (!scope.covers(ref.namespace())) {
      return Optional.empty();
    }
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

  /// The key; empty if it does not exist in a namespace that Chaperone serves, or is not
  /// understood.
  ///
  /// @throws Unavailable when the API server does not answer, or not in time
  public Optional<EventKey> eventKey(String namespace, String name, Deadline deadline) {
    if (!scope.covers(namespace) || !PathName.isOne(name)) {
      return Optional.empty();
    }
    String what = "EventKey " + namespace + "/" + name;
    deadline.check("reading " + what);
    return Optional.ofNullable(
            read(
                what,
                () -> client.resources(EventKey.class).inNamespace(namespace).withName(name).get()))
        .filter(EventKey::canBeRead)
        .filter(it -> it.getMetadata().getDeletionTimestamp() == null);
  }

  private static SortedSet<CompanionRef> refs(Stream<Companion> companions) {
    return sorted(companions.map(CompanionRef::of));
  }

  private static SortedSet<CompanionRef> sorted(Stream<CompanionRef> refs) {
    return refs.collect(Collectors.toCollection(TreeSet::new));
  }

  private static <T extends HasMetadata, L extends KubernetesResourceList<T>> List<T> all(
      FilterWatchListDeletable<T, L, ?> query) {
    return Listing.of(query).items();
  }

  /// Absence is an answer; every other failure means that nothing is known.
  static <T> T read(String what, Supplier<T> call) {
    try {
      return call.get();
    } catch (KubernetesClientException e) {
      throw new Unavailable("Cannot read " + what + ": " + Words.of(e), e);
    }
  }
}
