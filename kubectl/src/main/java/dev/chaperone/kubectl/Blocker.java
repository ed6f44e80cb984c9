package dev.chaperone.kubectl;

import com.fasterxml.jackson.annotation.JsonInclude;
import dev.chaperone.decide.Reason;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What refuses an eviction, and whose it is.
///
/// @param object such as `PodDisruptionBudget storage/agent-nodes`
/// @param owner such as `Companion storage/storage-agent`; absent: nobody is written down
/// @param reasons why, at least one
@JsonInclude(JsonInclude.Include.NON_NULL)
record Blocker(Kind kind, String object, @Nullable String owner, List<Because> reasons) {
  Blocker {
    reasons = List.copyOf(reasons);
    if (reasons.isEmpty()) {
      throw new IllegalArgumentException(object + " blocks without a reason");
    }
  }

  /// Whose it is.
  enum Kind {
    /// A budget that Chaperone made for a Companion.
    Companion,
    /// A budget of somebody else.
    OtherBudget,
    /// Several budgets that select the same pod.
    OverlappingBudgets,
    /// An admission policy or webhook.
    AdmissionPolicy,
    /// The API server, for a cause that only its words tell.
    ApiServer
  }

  /// One reason.
  ///
  /// @param reason CamelCase, as in the Companion's status; absent: it is not Chaperone's
  /// @param message in the words of the status or of the API server
  /// @param since RFC 3339
  /// @param until RFC 3339; absent: nobody knows
  /// @param advice what to do
  @JsonInclude(JsonInclude.Include.NON_NULL)
  record Because(
      @Nullable String reason,
      String message,
      @Nullable String since,
      @Nullable String until,
      @Nullable String advice) {

    /// As Chaperone says it in conditions, Events and replies.
    String words() {
      return Optional.ofNullable(reason)
          .flatMap(Reason::of)
          .map(it -> it.describe(message, since, until))
          .orElse(message);
    }
  }

  /// `object (owner)`, for a cell.
  String brief() {
    return owner == null ? object : object + " (" + owner + ")";
  }
}
