package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What the owner of a [Companion] asks for. An object read from the API server has its defaults
/// filled in and its rules checked, so `disruption` and everything in it is present.
///
/// @param targetRef the existing DaemonSet
/// @param followerRef the companion DaemonSet, which follows the target; absent: the target's nodes
///     are guarded and nothing follows
/// @param disruption when drains and evictions may go ahead, and how many at once
/// @param signals which CloudEvents of others hold and release
/// @param maintenance whether the maintenance of nodes is reported; absent: it is not
/// @param nodeCondition the condition that nodes get; absent: none
@ValidationRule(
    value = "!has(self.nodeCondition) || has(self.followerRef)",
    message = "nodeCondition says whether the follower is ready: name it in followerRef")
public record CompanionSpec(
    @Required @JsonPropertyDescription("The existing DaemonSet that is followed.")
        TargetRef targetRef,
    @JsonPropertyDescription(
            "The companion DaemonSet, in this namespace. Chaperone owns its placement"
                + " (nodeSelector, node affinity, tolerations) and nothing else of it. If unset,"
                + " the target's nodes are guarded and nothing follows.")
        @Nullable FollowerRef followerRef,
    @Default("{}")
        @JsonPropertyDescription("When drains and evictions may go ahead, and how many at once.")
        Disruption disruption,
    @Size(max = 16)
        @JsonPropertyDescription(
            "CloudEvents of others that hold and release. The sender needs the right to"
                + " create, or delete, holds in this namespace.")
        List<Signal> signals,
    @JsonPropertyDescription(
            "If set, even to {}: nodes of the target whose maintenance is planned, or has started, are"
                + " reported in the status, in Kubernetes Events and in reply CloudEvents.")
        @Nullable Maintenance maintenance,
    @JsonPropertyDescription(
            "CompanionReady: nodes of the target and of the follower say by the condition"
                + " chaperone.dev/CompanionReady whether the follower is ready there. Needs"
                + " knative/overlays/node-conditions. Left out: they say nothing.")
        @Nullable NodeConditionType nodeCondition) {

  public CompanionSpec {
    Objects.requireNonNull(targetRef, "targetRef");
    // Here, because the default of disruption itself is empty.
    Objects.requireNonNull(disruption.protect(), "disruption.protect");
    Objects.requireNonNull(disruption.policy(), "disruption.policy");
    Objects.requireNonNull(disruption.maxUnavailable(), "disruption.maxUnavailable");
    Objects.requireNonNull(disruption.failurePolicy(), "disruption.failurePolicy");
    signals = orEmpty(signals);
  }

  /// Without a condition of nodes.
  public CompanionSpec(
      TargetRef targetRef,
      @Nullable FollowerRef followerRef,
      Disruption disruption,
      List<Signal> signals,
      @Nullable Maintenance maintenance) {
    this(targetRef, followerRef, disruption, signals, maintenance, null);
  }

  /// Without signals, and without reports of maintenance.
  public CompanionSpec(
      TargetRef targetRef, @Nullable FollowerRef followerRef, Disruption disruption) {
    this(targetRef, followerRef, disruption, List.of(), null);
  }

  private static <T> List<T> orEmpty(@Nullable List<T> list) {
    return list == null ? List.of() : List.copyOf(list);
  }

  private static final String DNS_NAME =
      "self.name.matches('^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$')";

  /// The target.
  ///
  /// @param namespace absent: the Companion's own
  @ValidationRule(
      value = DNS_NAME,
      message = "targetRef.name must be the name of a DaemonSet, for example storage-node")
  @ValidationRule(
      value =
          "!has(self.__namespace__)"
              + " || self.__namespace__.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
      message = "targetRef.namespace must be the name of a namespace; leave it out for this one")
  public record TargetRef(
      @Required @Size(max = 253) @JsonPropertyDescription("Name of the DaemonSet.") String name,
      @Size(max = 63)
          @JsonPropertyDescription("Namespace of the DaemonSet. Left out: the Companion's own.")
          @Nullable String namespace) {
    public TargetRef {
      Objects.requireNonNull(name, "name");
    }
  }

  /// The companion DaemonSet.
  @ValidationRule(
      value = DNS_NAME,
      message =
          "followerRef.name must be the name of a DaemonSet in this namespace; leave followerRef"
              + " out when nothing follows")
  public record FollowerRef(
      @Required
          @Size(max = 253)
          @JsonPropertyDescription("Name of the DaemonSet, in this namespace.")
          String name) {
    public FollowerRef {
      Objects.requireNonNull(name, "name");
    }
  }

  /// What waits, for how long, and how much goes at once.
  ///
  /// @param protect never empty; [Protect#Pods]: companion pods against eviction, [Protect#Nodes]:
  ///     nodes against drains
  /// @param maxUnavailable how many nodes, and companion pods, may go at once when nothing holds:
  ///     an integer from 1 to 100000, or `"1%"` to `"100%"`, rounded up as Kubernetes does
  /// @param observe other objects that expressions may read
  /// @param holdWhen expressions of which each holds while it is true
  /// @param failurePolicy what an expression means that cannot be evaluated
  /// @param settlePeriod how long to keep blocking after the last reason has cleared, and after
  ///     each drained node; absent: not at all
  /// @param maxHoldDuration how long each reason blocks at most, from its own beginning; absent: as
  ///     long as it lasts
  /// @param maintenanceWindows outside of them all drains wait; empty: at any time
  /// @param breakGlass for how long nothing of this blocks; absent: it does
  /// @param topologyKey label of nodes by which they form failure domains, of which at most one is
  ///     disrupted at a time, and there at most maxUnavailable nodes; absent: nodes form none
  /// @param unhealthyNodeEvictionPolicy when a node may be drained whose target pod is not ready
  @ValidationRule(
      value =
          "!has(self.protect) || (size(self.protect) > 0"
              + " && self.protect.all(p, self.protect.exists_one(q, q == p)))",
      message = "protect must name Pods, Nodes, or both, each once; leave it out for both")
  @ValidationRule(
      value =
          "!has(self.maxUnavailable) || (type(self.maxUnavailable) == int"
              + " ? self.maxUnavailable >= 1 && self.maxUnavailable <= 100000"
              + " : self.maxUnavailable.matches('^([1-9][0-9]?|100)%$'))",
      message =
          "maxUnavailable must be an integer from 1 to 100000, or a percentage from \"1%\" to"
              + " \"100%\"; to hold always, write policy: AlwaysHold")
  @ValidationRule(
      value =
          "!has(self.settlePeriod) || (self.settlePeriod"
              + Rules.IS_DURATION
              + " && self.settlePeriod"
              + Rules.IS_POSITIVE
              + ")",
      message = "settlePeriod must be a duration greater than zero, for example 60s, 5m or 1m30s")
  @ValidationRule(
      value =
          "!has(self.maxHoldDuration) || (self.maxHoldDuration"
              + Rules.IS_DURATION
              + " && self.maxHoldDuration"
              + Rules.IS_POSITIVE
              + ")",
      message =
          "maxHoldDuration must be a duration greater than zero, for example 24h, 90m or 1h30m")
  @ValidationRule(
      value =
          "!has(self.observe) || self.observe.all(o, self.observe.exists_one(p, p.__as__ == o.__as__))",
      message = "observe must have each name (as) once")
  @ValidationRule(
      value =
          "!has(self.holdWhen) || self.holdWhen.all(h, self.holdWhen.exists_one(i, i.name =="
              + " h.name))",
      message = "holdWhen must have each name once")
  @ValidationRule(
      value =
          "!has(self.topologyKey) || self.topologyKey.matches('^topology[.][-a-z0-9.]+/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",
      message =
          "topologyKey must be the key of a node label that begins with topology., for example"
              + " topology.kubernetes.io/zone")
  @ValidationRule(
      value =
          "!has(self.topologyKey) || !has(self.unhealthyNodeEvictionPolicy)"
              + " || self.unhealthyNodeEvictionPolicy == 'IfBudgetAllows'",
      message =
          "unhealthyNodeEvictionPolicy: IfNothingHolds cannot be combined with topologyKey: remove"
              + " one of them")
  public record Disruption(
      @Default("Auto")
          @JsonPropertyDescription(
              "Auto: Holds, expressions and windows decide. AlwaysAllow: ignore them (break glass)."
                  + " AlwaysHold: always block.")
          Policy policy,
      @Default("[\"Pods\",\"Nodes\"]")
          @JsonPropertyDescription(
              "Pods: evictions of companion pods wait. Nodes: drains of the target's nodes wait.")
          @Size(max = 2)
          List<Protect> protect,
      @Default("1")
          @JsonPropertyDescription(
              "Maximum number of nodes that may be disrupted at the same time when nothing blocks:"
                  + " an integer, or a percentage, rounded up.")
          IntOrString maxUnavailable,
      @Size(max = 8)
          @JsonPropertyDescription("Other objects that expressions may read, of any kind.")
          List<Observed> observe,
      @Size(max = 16)
          @JsonPropertyDescription("CEL expressions. While one of them is true, every drain waits.")
          List<HoldExpression> holdWhen,
      @Default("Hold")
          @JsonPropertyDescription(
              "What it means when an expression cannot be evaluated or an observed object is"
                  + " missing: Hold, or Allow.")
          FailurePolicy failurePolicy,
      @Size(max = 20)
          @JsonPropertyDescription(
              "Keep blocking this long after the last reason has cleared and after each drained node:"
                  + " health checks need time to notice. For example 60s.")
          @Nullable String settlePeriod,
      @Size(max = 20)
          @JsonPropertyDescription(
              "How long each Hold and each expression blocks at most, from its own beginning. After"
                  + " that it no longer counts, and a Warning Event says so. For example 24h.")
          @Nullable String maxHoldDuration,
      @Size(max = 8) @JsonPropertyDescription("If there are any, drains wait outside of them.")
          List<MaintenanceWindow> maintenanceWindows,
      @JsonPropertyDescription(
              "Until when the policy, Holds, expressions and windows are ignored (break glass).")
          @Nullable BreakGlass breakGlass,
      @Size(max = 316)
          @JsonPropertyDescription(
              "Label of Nodes, for example topology.kubernetes.io/zone. Nodes of at most one of its"
                  + " values are disrupted at the same time, and of these at most maxUnavailable.")
          @Nullable String topologyKey,
      @Default("IfBudgetAllows")
          @JsonPropertyDescription(
              "When a node whose target pod is not ready may be drained. IfBudgetAllows: as any"
                  + " other node, while maxUnavailable is not used up. IfNothingHolds: whenever"
                  + " nothing blocks; it uses up one of maxUnavailable itself, and the other nodes"
                  + " wait. Not with topologyKey.")
          UnhealthyNodeEvictionPolicy unhealthyNodeEvictionPolicy) {

    public Disruption {
      observe = orEmpty(observe);
      holdWhen = orEmpty(holdWhen);
      maintenanceWindows = orEmpty(maintenanceWindows);
      // A CRD that is older than the functions has no default for it.
      unhealthyNodeEvictionPolicy =
          Objects.requireNonNullElse(
              unhealthyNodeEvictionPolicy, UnhealthyNodeEvictionPolicy.IfBudgetAllows);
    }

    /// Whether unhealthy nodes may be drained although others have to wait.
    public boolean letsUnhealthyNodesGo() {
      return unhealthyNodeEvictionPolicy == UnhealthyNodeEvictionPolicy.IfNothingHolds
          && topologyKey == null;
    }

    /// The same with another maximum.
    public Disruption withMaxHoldDuration(@Nullable String another) {
      return new Disruption(
          policy,
          protect,
          maxUnavailable,
          observe,
          holdWhen,
          failurePolicy,
          settlePeriod,
          another,
          maintenanceWindows,
          breakGlass,
          topologyKey,
          unhealthyNodeEvictionPolicy);
    }

    /// With Holds alone to decide.
    public Disruption(Policy policy, List<Protect> protect, IntOrString maxUnavailable) {
      this(
          policy,
          protect,
          maxUnavailable,
          List.of(),
          List.of(),
          FailurePolicy.Hold,
          null,
          null,
          List.of(),
          null,
          null,
          UnhealthyNodeEvictionPolicy.IfBudgetAllows);
    }
  }

  /// Break glass with an end: until then disruptions are allowed whatever blocks, as with
  /// [Policy#AlwaysAllow], and afterwards blocked again without anybody doing anything.
  ///
  /// @param until RFC 3339, with seconds and a zone; a time that cannot be read allows nothing
  /// @param reason what people read when they ask why nothing blocks: 1 to 256 characters, not
  ///     blank
  @ValidationRule(
      value = "self.until" + Rules.IS_TIME,
      message =
          "breakGlass.until must be a time with seconds and a zone, for example"
              + " 2026-11-24T06:00:00Z; to ignore what blocks without an end, write policy:"
              + " AlwaysAllow")
  @ValidationRule(
      value =
          "!self.until"
              + Rules.LOOKS_LIKE_TIME
              + " || timestamp(self.until) > timestamp('2000-01-01T00:00:00Z')",
      message = "breakGlass.until must be a date that exists, after the year 2000")
  @ValidationRule(
      value = "self.reason.matches('\\\\S')",
      message = "breakGlass.reason must say why, for example: the disk of node-3 is failing")
  public record BreakGlass(
      @Required @Size(max = 40) @JsonPropertyDescription("When it ends, by itself.") String until,
      @Required
          @Size(min = 1, max = 256)
          @JsonPropertyDescription("Why: what people read when they ask why nothing blocks.")
          String reason) {
    public BreakGlass {
      Objects.requireNonNull(until, "until");
      Objects.requireNonNull(reason, "reason");
    }
  }

  /// An object that expressions may read.
  ///
  /// @param as the name that it has in expressions
  /// @param resource the plural name in the request path, so that nothing has to be looked up
  /// @param scope of the resource; never absent
  /// @param namespace absent: the Companion's own; for cluster-scoped resources it means nothing
  @ValidationRule(
      value = "self.__as__.matches('^[a-z][a-zA-Z0-9]{0,30}$')",
      message = "observe.as must be a name for expressions, for example ceph")
  @ValidationRule(
      value = "!(self.__as__ in ['target', 'follower', 'guards', 'now'])",
      message = "observe.as must not be target, follower, guards or now: those are there already")
  @ValidationRule(
      value =
          "!(self.__as__ in ['true', 'false', 'null', 'in', 'as', 'break', 'const', 'continue',"
              + " 'else', 'for', 'function', 'if', 'import', 'let', 'loop', 'package', 'namespace',"
              + " 'return', 'var', 'void', 'while'])",
      message = "observe.as must not be a reserved word of CEL")
  @ValidationRule(
      value =
          "self.apiVersion.matches('^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
              + "v[0-9][a-z0-9]*$')",
      message = "observe.apiVersion must be a group and version, for example ceph.rook.io/v1")
  @ValidationRule(
      value = "self.resource.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
      message =
          "observe.resource must be the plural name that kubectl api-resources shows, for example"
              + " cephclusters")
  @ValidationRule(
      value =
          "!has(self.__namespace__)"
              + " || self.__namespace__.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
      message = "observe.namespace must be the name of a namespace; leave it out for this one")
  @ValidationRule(
      value = "self.name.matches('^[a-z0-9]([-a-z0-9.:]{0,251}[a-z0-9])?$')",
      message = "observe.name must be the name of an object")
  public record Observed(
      @Required @Size(max = 31) @JsonPropertyDescription("Its name in expressions.") String as,
      @Required @Size(max = 128) String apiVersion,
      @Required
          @Size(max = 63)
          @JsonPropertyDescription(
              "Plural name, as kubectl api-resources shows it, for example cephclusters.")
          String resource,
      @Default("Namespaced")
          @JsonPropertyDescription("Namespaced, or Cluster for objects without a namespace.")
          Scope scope,
      @Size(max = 63)
          @JsonPropertyDescription("Namespace of the object. If unset: the Companion's own.")
          @Nullable String namespace,
      @Required @Size(max = 253) String name) {
    public Observed {
      Objects.requireNonNull(as, "as");
      Objects.requireNonNull(apiVersion, "apiVersion");
      Objects.requireNonNull(resource, "resource");
      Objects.requireNonNull(scope, "scope");
      Objects.requireNonNull(name, "name");
    }
  }

  /// Holds while its expression is true.
  ///
  /// @param expression CEL that gives true or false
  /// @param message what people read when their drain waits
  @ValidationRule(
      value = "self.name.matches('^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$')",
      message = "holdWhen.name must consist of lower case letters, digits and -")
  public record HoldExpression(
      @Required @Size(max = 63) @JsonPropertyDescription("A short name for it.") String name,
      @Required
          @Size(min = 1, max = 2048)
          @JsonPropertyDescription(
              "CEL over target, follower (DaemonSets), guards (desired, bound, running), now, and"
                  + " what observe names.")
          String expression,
      @Size(max = 256) @JsonPropertyDescription("What people read when their drain waits.")
          @Nullable String message) {
    public HoldExpression {
      Objects.requireNonNull(name, "name");
      Objects.requireNonNull(expression, "expression");
    }
  }

  /// A time in which nodes may go.
  ///
  /// @param schedule when it begins: cron with five fields
  /// @param timeZone of the schedule, from the IANA database
  @ValidationRule(
      value = "self.schedule.matches('^[^ ]+( +[^ ]+){4}$')",
      message = "schedule must be cron with five fields, for example 0 22 * * 1-5")
  @ValidationRule(
      value = "self.duration" + Rules.IS_DURATION + " && self.duration" + Rules.IS_POSITIVE,
      message =
          "maintenanceWindows.duration must be a duration greater than zero, for example 6h or 90m")
  @ValidationRule(
      value = "!has(self.timeZone) || self.timeZone.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')",
      message = "timeZone must be a name from the IANA database, for example Europe/Budapest")
  public record MaintenanceWindow(
      @Required @Size(max = 100) @JsonPropertyDescription("Cron with five fields: when it begins.")
          String schedule,
      @Required @Size(max = 20) @JsonPropertyDescription("How long it lasts, for example 6h.")
          String duration,
      @Default("UTC")
          @Size(max = 64)
          @JsonPropertyDescription("Of the schedule, from the IANA database.")
          String timeZone) {
    public MaintenanceWindow {
      Objects.requireNonNull(schedule, "schedule");
      Objects.requireNonNull(duration, "duration");
      Objects.requireNonNull(timeZone, "timeZone");
    }
  }

  /// CloudEvents of one type that hold and release.
  ///
  /// @param holdWhen CEL over type, source, subject and data; true holds
  /// @param releaseWhen the same; true releases. Absent: `ttl` alone ends it
  /// @param ttl how long it holds without another such event
  /// @param key CEL that gives a string, to distinguish holds of one source; absent: the subject
  /// @param nodeName CEL that gives the name of the one node to hold; absent, or an empty string:
  ///     every node
  @ValidationRule(
      value = "!self.type.startsWith('dev.chaperone.') && !self.type.startsWith('dev.knative.')",
      message = "signals.type must be a type of your own, not one that Chaperone itself receives")
  @ValidationRule(
      value =
          "!has(self.ttl) || (self.ttl"
              + Rules.IS_DURATION
              + " && self.ttl"
              + Rules.IS_POSITIVE
              + ")",
      message = "signals.ttl must be a duration greater than zero, for example 2h or 90m")
  @ValidationRule(
      value = "has(self.releaseWhen) || has(self.ttl)",
      message = "signals must say when they end: write releaseWhen, ttl, or both")
  public record Signal(
      @Required @Size(min = 1, max = 256) @JsonPropertyDescription("The type of the CloudEvents.")
          String type,
      @Required
          @Size(min = 1, max = 2048)
          @JsonPropertyDescription("CEL over type, source, subject and data: true holds.")
          String holdWhen,
      @Size(max = 2048) @JsonPropertyDescription("The same: true releases.")
          @Nullable String releaseWhen,
      @Size(max = 20)
          @JsonPropertyDescription("How long it holds without another such event, for example 2h.")
          @Nullable String ttl,
      @Size(max = 2048)
          @JsonPropertyDescription(
              "CEL that gives a string: events of one source with the same key are about the same"
                  + " hold. Left out: the subject.")
          @Nullable String key,
      @Size(max = 256) @JsonPropertyDescription("What people read when their drain waits.")
          @Nullable String reason,
      @Size(max = 2048)
          @JsonPropertyDescription(
              "CEL that gives the name of the one Node to hold. Left out: every node.")
          @Nullable String nodeName) {
    public Signal {
      Objects.requireNonNull(type, "type");
      Objects.requireNonNull(holdWhen, "holdWhen");
    }
  }

  /// What is reported of the maintenance of nodes.
  ///
  /// @param plannedTaints keys of taints with which a team says that it is going to maintain a node
  @ValidationRule(
      value =
          "!has(self.plannedTaints) || self.plannedTaints.all(t,"
              + " t.matches('^([a-z0-9.-]+/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
      message =
          "maintenance.plannedTaints must be keys of taints, for example example.com/patch-due")
  public record Maintenance(
      @Size(max = 16)
          @JsonPropertyDescription(
              "Keys of taints that say that maintenance is planned, besides the condition"
                  + " MaintenancePlanned and Cluster API's taint of outdated nodes.")
          List<@Size(max = 316) String> plannedTaints) {
    public Maintenance {
      plannedTaints = orEmpty(plannedTaints);
    }
  }

  /// A condition of nodes.
  public enum NodeConditionType {
    CompanionReady
  }

  /// Whether a resource has namespaces.
  public enum Scope {
    Namespaced,
    Cluster
  }

  /// What it means when it is not known whether to hold.
  public enum FailurePolicy {
    Hold,
    Allow
  }

  /// Whether Holds decide.
  public enum Policy {
    Auto,
    AlwaysAllow,
    AlwaysHold
  }

  /// When a node may be drained whose target pod is not ready.
  public enum UnhealthyNodeEvictionPolicy {
    IfBudgetAllows,
    IfNothingHolds
  }

  /// What a closed budget keeps in place.
  public enum Protect {
    Pods,
    Nodes
  }
}
