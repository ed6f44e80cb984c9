package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What is held, why, and until when.
///
/// @param reason what people read when their drain waits: 1 to 256 characters, not blank
/// @param expiresAt RFC 3339, with seconds and a zone; from then on the Hold holds nothing.
///     Absent: until it is deleted
/// @param nodeName the one node that is held: all others may go. Absent: every node
/// @param nodeSelector labels of the nodes that are held, each by itself, instead of a name
@ValidationRule(
    value = "self.reason.matches('\\\\S')",
    message = "reason must say why drains wait, for example: rebuilding pool 42")
@ValidationRule(
    // Nothing that cannot be read later: such a Hold would never end.
    value = "!has(self.expiresAt) || self.expiresAt" + Rules.IS_TIME,
    message =
        "expiresAt must be a time with seconds and a zone, for example 2026-11-24T06:00:00Z; leave"
            + " it out to hold until the Hold is deleted")
@ValidationRule(
    // Not in the rule above: a date that does not exist, as 30 February, is an error to CEL.
    value =
        "!has(self.expiresAt) || !self.expiresAt"
            + Rules.LOOKS_LIKE_TIME
            + " || timestamp(self.expiresAt) > timestamp('2000-01-01T00:00:00Z')",
    message = "expiresAt must be a date that exists, after the year 2000")
@ValidationRule(
    value = "!has(self.nodeName) || self.nodeName.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",
    message = "nodeName must be the name of a Node; leave it out to hold every node")
@ValidationRule(
    value = "!has(self.nodeName) || !has(self.nodeSelector)",
    message = "nodeName and nodeSelector exclude each other: leave one of them out")
@ValidationRule(
    value =
        "!has(self.nodeSelector) || self.nodeSelector.all(key, key"
            + Rules.IS_LABEL_KEY
            + " && self.nodeSelector[key]"
            + Rules.IS_LABEL_VALUE
            + ")",
    message =
        "nodeSelector must have labels of Nodes, for example topology.kubernetes.io/zone: zone-a;"
            + " leave it out to hold every node")
public record HoldSpec(
    @Required @JsonPropertyDescription("The Companion, in this namespace, that is held.")
        CompanionRef companionRef,
    @Required
        @Size(min = 1, max = 256)
        @JsonPropertyDescription("Why: what people read when their drain waits.")
        String reason,
    @Size(max = 40)
        @JsonPropertyDescription("When it stops holding by itself. Left out: when it is deleted.")
        @Nullable String expiresAt,
    @Size(min = 1, max = 253)
        @JsonPropertyDescription("The one node that is held. Left out: every node.")
        @Nullable String nodeName,
    @Size(min = 1, max = 8)
        @JsonPropertyDescription(
            "Labels of the nodes that are held, each by itself. Left out: every node.")
        @Nullable Map<String, @Size(max = 63) String> nodeSelector) {

  /// Of every node.
  public HoldSpec(CompanionRef companionRef, String reason, @Nullable String expiresAt) {
    this(companionRef, reason, expiresAt, null, null);
  }

  public HoldSpec {
    Objects.requireNonNull(companionRef, "companionRef");
    Objects.requireNonNull(reason, "reason");
    nodeSelector = nodeSelector == null ? null : Map.copyOf(nodeSelector);
  }

  /// The Companion that is held.
  @ValidationRule(
      value = "self.name.matches('^[a-z0-9]([-a-z0-9.]{0,48}[a-z0-9])?$')",
      message = "companionRef.name must be the name of a Companion in this namespace")
  public record CompanionRef(
      @Required @Size(max = 50) @JsonPropertyDescription("Name of the Companion.") String name) {
    public CompanionRef {
      Objects.requireNonNull(name, "name");
    }
  }
}
