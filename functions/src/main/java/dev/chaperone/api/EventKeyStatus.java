package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Required;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What is known of an [EventKey]'s CloudEvents, so that none is accepted twice.
///
/// @param accepted the newest of each Hold, while one older than it could still be sent again
public record EventKeyStatus(
    @JsonPropertyDescription(
            "The newest CloudEvent of each Hold, so that none is accepted twice, and none after a"
                + " newer one.")
        @Nullable List<Accepted> accepted) {

  public EventKeyStatus {
    accepted = accepted == null ? null : List.copyOf(accepted);
  }

  /// A CloudEvent that was accepted.
  ///
  /// @param hold name of the Hold that it asks for, or releases
  /// @param time of the CloudEvent
  /// @param id of the CloudEvent
  /// @param release whether it releases
  /// @param done whether what it asks for was done
  public record Accepted(
      @Required @JsonPropertyDescription("Name of the Hold.") String hold,
      @Required @JsonPropertyDescription("time of the CloudEvent.") String time,
      @Required @JsonPropertyDescription("id of the CloudEvent.") String id,
      @JsonPropertyDescription("Whether it releases.") boolean release,
      @JsonPropertyDescription("Whether what it asks for was done.") boolean done) {

    public Accepted {
      Objects.requireNonNull(hold, "hold");
      Objects.requireNonNull(time, "time");
      Objects.requireNonNull(id, "id");
    }
  }
}
