package dev.chaperone.decide;

import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Every reason that a condition, a reply, a Kubernetes Event, a log line or a metric can carry,
/// and what follows from it. The constants are spelled as people read them.
public enum Reason {
  NothingHolds(
      About.DISRUPTION_ALLOWED,
      "No Hold, expression or window blocks; at most maxUnavailable nodes may be disrupted at a time."),
  NodesHeld(
      About.DISRUPTION_ALLOWED,
      "Holds with nodeName or nodeSelector block some nodes, each by itself; the message names them. Of the others,"
          + " at most maxUnavailable may be disrupted at a time."),
  OneDomainAtATime(
      About.DISRUPTION_ALLOWED,
      "A node of one failure domain (spec.disruption.topologyKey) is out, so no node of another may"
          + " be disrupted until it is back or deleted; the message names it."),
  OnlyUnhealthyNodes(
      About.DISRUPTION_ALLOWED,
      "Nothing holds, and maxUnavailable is used up, also by nodes whose target pod is not ready:"
          + " only those may be drained (spec.disruption.unhealthyNodeEvictionPolicy); the message"
          + " names them."),
  AlwaysAllow(
      About.DISRUPTION_ALLOWED,
      "spec.disruption.policy is AlwaysAllow (break glass): Holds, expressions and windows are"
          + " ignored. Set it back to Auto when you are done."),
  BreakGlass(
      About.DISRUPTION_ALLOWED,
      "spec.disruption.breakGlass.until has not passed: until then the policy, Holds, expressions and"
          + " windows are ignored. They count again at most a minute later, or at once when you remove"
          + " the field."),
  AlwaysHold(
      About.DISRUPTION_ALLOWED,
      "spec.disruption.policy is AlwaysHold: nothing may be disrupted until it is set to Auto.",
      Trait.BLOCKS,
      Trait.EARLY),
  Hold(
      About.DISRUPTION_ALLOWED,
      "A Hold is active. Delete it when its cause has gone, or wait until it expires.",
      Trait.BLOCKS,
      Trait.EARLY,
      Trait.SETTLES,
      Trait.YIELDS),
  ExpressionTrue(
      About.DISRUPTION_ALLOWED,
      "An expression of spec.disruption.holdWhen is true; the message has the values that it read.",
      Trait.BLOCKS,
      Trait.SETTLES,
      Trait.YIELDS),
  ExpressionFailed(
      About.DISRUPTION_ALLOWED,
      "An expression cannot be evaluated, or an observed object cannot be read, and failurePolicy"
          + " is Hold. With failurePolicy Allow, what cannot be read still never ends a block.",
      Trait.BLOCKS,
      Trait.SETTLES,
      Trait.YIELDS,
      Trait.WARNS),
  OutsideWindow(
      About.DISRUPTION_ALLOWED,
      "The time is outside all spec.disruption.maintenanceWindows; the message says when the next"
          + " one begins.",
      Trait.BLOCKS,
      Trait.EARLY),
  Settling(
      About.DISRUPTION_ALLOWED,
      "spec.disruption.settlePeriod has not yet passed since the last reason cleared or the last"
          + " node was drained.",
      Trait.BLOCKS),
  OverlappingBudget(
      About.DISRUPTION_ALLOWED,
      "Another PodDisruptionBudget selects the same pods, and the API server refuses every eviction"
          + " of a pod with two budgets. Delete it or narrow its selector.",
      Trait.BLOCKS,
      Trait.SETTLES,
      Trait.WARNS),
  ForeignGuards(
      About.DISRUPTION_ALLOWED,
      "Pods that are not Chaperone's carry all labels of its guards, so Kubernetes would count them"
          + " as guards. Delete them or change their labels.",
      Trait.BLOCKS,
      Trait.WARNS),
  GuardsUpdating(
      About.DISRUPTION_ALLOWED,
      "The guard pods are being replaced, node by node, because their template changed. It ends by"
          + " itself.",
      Trait.BLOCKS),
  TargetNotFound(
      About.DISRUPTION_ALLOWED,
      "The target DaemonSet does not exist. Guards and budgets are kept, and block, until it has"
          + " been missing for 5 minutes and nothing holds. Create it, or correct spec.targetRef.",
      Trait.BLOCKS,
      Trait.SETTLES,
      Trait.WARNS),
  TargetElsewhere(
      About.DISRUPTION_ALLOWED,
      "The target is in a namespace that this installation does not serve, so nothing is known of"
          + " it.",
      Trait.BLOCKS,
      Trait.WARNS),
  MaxHoldDurationExceeded(
      About.DISRUPTION_ALLOWED,
      "Every reason to block has lasted longer than spec.disruption.maxHoldDuration and no longer"
          + " counts.",
      Trait.WARNS),
  MaxUnavailableReached(
      About.DISRUPTION_ALLOWED,
      "Nothing holds, but maxUnavailable is used up by nodes whose guard does not run; the message"
          + " names them. Drains continue when one of them is back or deleted. While a node has no"
          + " running guard at all, its drain is not blocked, and the condition's status is"
          + " Unknown."),
  NotEnforced(
      About.DISRUPTION_ALLOWED,
      "Something should block, but does not everywhere: a budget could not be closed, or nodes have"
          + " no running guard. The message says what is missing. The condition's status is"
          + " Unknown.",
      Trait.WARNS),
  NotOpened(
      About.DISRUPTION_ALLOWED,
      "Nothing holds, but a budget could not be opened; the message has the API server's words.",
      Trait.WARNS),
  FactUnreadable(
      About.DISRUPTION_ALLOWED,
      "Something that decides could not be read. What was blocked stays blocked until it can be"
          + " read.",
      Trait.WARNS),

  SpecUnreadable(
      About.DISRUPTION_ALLOWED,
      "The Companion's spec cannot be read by this version. What was made for it blocks until it"
          + " can be read: correct the spec.",
      Trait.BLOCKS,
      Trait.EARLY,
      Trait.WARNS),
  InternalError(
      About.DISRUPTION_ALLOWED,
      "Looking at this Companion failed in a way that should not be. What was blocked stays"
          + " blocked; the log of the functions says more.",
      Trait.WARNS),

  FollowsTarget(About.PLACED, "The follower has the target's placement."),
  NothingFollows(About.PLACED, "spec.followerRef is not set."),
  FollowerIsTarget(
      About.PLACED,
      "targetRef and followerRef name the same DaemonSet. Name another one, or leave followerRef out.",
      Trait.WARNS),
  FollowerTaken(
      About.PLACED,
      "An older Companion already places this follower. Delete one of the two.",
      Trait.WARNS),
  FollowerNotFound(About.PLACED, "The follower DaemonSet does not exist. Create it.", Trait.WARNS),
  PlacementConflict(
      About.PLACED,
      "Somebody else declares a placement for the follower, or keeps changing it back. Take"
          + " nodeSelector, node affinity and tolerations out of its manifest.",
      Trait.WARNS),
  Refused(
      About.PLACED,
      "The API server or an admission policy refused a write; the message has its words.",
      Trait.WARNS),

  EveryNodeGuarded(
      About.GUARDED, "Every node that runs a target pod, and is not drained, has a running guard."),
  NodesUnguarded(
      About.GUARDED,
      "Nodes that run a target pod have no running guard, so no budget blocks their drain; the"
          + " message and status.unguardedNodes say which and why."),
  GuardRefused(
      About.GUARDED,
      "A kubelet refused a guard; it is tried again at the next resync.",
      Trait.WARNS),
  GuardsForbidden(
      About.GUARDED,
      "Guard pods cannot be created: a quota or an admission policy forbids them.",
      Trait.WARNS),
  NodesNotProtected(About.GUARDED, "spec.disruption.protect does not name Nodes."),
  NameTaken(
      About.GUARDED,
      "An object with the name that Chaperone needs already exists and is not owned by this"
          + " Companion. Delete it or rename the Companion.",
      Trait.WARNS),

  Evaluated(About.EVALUATED, "Every expression and window could be evaluated."),
  EvaluationFailed(
      About.EVALUATED,
      "An expression or window could not be evaluated; the message says which and why.",
      Trait.WARNS),

  MaintenancePlanned(
      About.NODE,
      "A mark on a node of the target says that its maintenance is planned, and"
          + " spec.maintenance asks for reports."),
  MaintenanceStarted(
      About.NODE,
      "The node is cordoned, drained or maintained, or a taint says that it is being emptied."),
  MaintenanceEnded(About.NODE, "Nothing on the node says so any longer, or the node is gone."),

  Ready(About.READY, "Everything that the Companion asks for is in place."),
  NodeConditionsOff(
      About.READY,
      "spec.nodeCondition asks for a condition on nodes, and this installation writes none. Apply"
          + " knative/overlays/node-conditions, or remove the field."),

  Active(About.HOLD, "The Hold counts as a reason to block."),
  Enforced(
      About.HOLD,
      "Evictions are refused on every node that runs the target, or on those that nodeName or nodeSelector"
          + " names."),
  NotActive(About.HOLD, "The Hold does not count; the condition Active says why."),
  Expired(About.HOLD, "spec.expiresAt has passed."),
  NoMatchingNodes(
      About.HOLD,
      "No node that runs the target has the labels of spec.nodeSelector, so this Hold blocks nothing."
          + " When a node gets them, it does from the next look on."),
  CompanionNotFound(
      About.HOLD,
      "The Companion does not exist in this namespace, so this Hold has no effect. Fix"
          + " companionRef.name or create the Companion.",
      Trait.WARNS);

  /// Where a reason appears first; it may appear in other conditions as well.
  public enum About {
    DISRUPTION_ALLOWED("Companion: DisruptionAllowed"),
    PLACED("Companion: Placed"),
    GUARDED("Companion: Guarded"),
    EVALUATED("Companion: Evaluated"),
    READY("Companion: Ready"),
    NODE("Companion: maintenance of its nodes"),
    HOLD("Hold: Active, Enforced");

    private final String title;

    About(String title) {
      this.title = title;
    }

    /// For people.
    public String title() {
      return title;
    }
  }

  private enum Trait {
    BLOCKS,
    EARLY,
    SETTLES,
    YIELDS,
    WARNS
  }

  private final About about;
  private final String documentation;

  @SuppressWarnings("ImmutableEnumChecker") // Set.of gives an immutable one
  private final Set<Trait> traits;

  Reason(About about, String documentation, Trait... traits) {
    this.about = about;
    this.documentation = documentation;
    this.traits = Set.of(traits);
  }

  /// Where it appears first.
  public About about() {
    return about;
  }

  /// What it means and what to do, in one or two sentences.
  public String documentation() {
    return documentation;
  }

  /// Whether disruptions are blocked because of it.
  public boolean blocks() {
    return traits.contains(Trait.BLOCKS);
  }

  /// Whether it blocks as soon as the Companion and its Holds are known ([KnownFacts]), before
  /// anything else is read.
  boolean isEarly() {
    return traits.contains(Trait.EARLY);
  }

  /// Whether `settlePeriod` follows when it clears.
  public boolean settles() {
    return traits.contains(Trait.SETTLES);
  }

  /// Whether it no longer counts after `maxHoldDuration`.
  public boolean yields() {
    return traits.contains(Trait.YIELDS);
  }

  /// Whether its Kubernetes Event is a Warning.
  public boolean warns() {
    return traits.contains(Trait.WARNS);
  }

  /// Whether it may end before the end that is known.
  public boolean mayEndSooner() {
    return this == ExpressionTrue || this == ExpressionFailed;
  }

  /// What ends it where no time does; empty: nobody knows.
  public String endsWhen() {
    return this == Hold ? "it is deleted" : "";
  }

  /// A reason to block with its beginning and its end, as conditions, Kubernetes Events and replies
  /// have it.
  ///
  /// @param since RFC 3339; absent: not known
  /// @param until RFC 3339; absent: not known
  public String describe(String message, @Nullable String since, @Nullable String until) {
    String from = since == null ? "" : "since " + since;
    String end = endsWhen().isEmpty() ? "" : "until " + endsWhen();
    String to = until == null ? end : (mayEndSooner() ? "at most until " : "until ") + until;
    String when = from.isEmpty() || to.isEmpty() ? from + to : from + ", " + to;
    return when.isEmpty() ? message : message + " (" + when + ")";
  }

  /// Empty for what this version does not know, such as a reason that a newer one wrote.
  public static Optional<Reason> of(String name) {
    return Stream.of(values()).filter(it -> it.name().equals(name)).findFirst();
  }
}
