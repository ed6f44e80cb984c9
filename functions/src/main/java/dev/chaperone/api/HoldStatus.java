package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What Chaperone makes of a [Hold].
///
/// @param conditions `Active`: whether this [Hold] counts as a reason to block. `Enforced`: whether
///     the API server refuses every eviction that it should; False says what is missing, by name
/// @param unprotectedGuards as in [CompanionStatus]
public record HoldStatus(
    @JsonPropertyDescription(
            "Active: this Hold counts. Enforced: evictions are refused on every node that runs the"
                + " target.")
        @Nullable List<Condition> conditions,
    @JsonPropertyDescription(CompanionStatus.UNPROTECTED_GUARDS)
        @Nullable List<String> unprotectedGuards) {

  public HoldStatus {
    unprotectedGuards = unprotectedGuards == null ? null : List.copyOf(unprotectedGuards);
    conditions = conditions == null ? null : List.copyOf(conditions);
  }
}
