package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.kubernetes.api.model.Condition;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What Chaperone makes of a [Hold].
///
/// @param conditions `Active`: whether this [Hold] keeps its Companion's budgets closed, and if
///     not, why not
public record HoldStatus(
    @JsonPropertyDescription("Active: whether this keeps budgets closed.")
        @Nullable List<Condition> conditions) {}
