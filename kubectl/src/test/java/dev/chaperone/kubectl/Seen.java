package dev.chaperone.kubectl;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.Event;
import io.fabric8.kubernetes.api.model.NodeCondition;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// What there is to see of one situation.
///
/// @param evictions what the API server answers to each eviction that the drain asks for, by pod
/// @param events of the node and of the Companion
/// @param why what `kubectl chaperone why` prints, without its table of pods
/// @param onPage what the status page says of the Companion
/// @param nodeOnPage what the status page says of the node
/// @param series of the metrics page, those that the situation is about
/// @param alerts those that fire, and after how long
record Seen(
    Condition allowed,
    List<BlockingReason> reasons,
    Map<String, Integer> evictions,
    Optional<NodeCondition> onNode,
    List<Event> events,
    String describedNode,
    String describedCompanion,
    String why,
    JsonNode whyJson,
    StatusPageText.Section onPage,
    List<String> nodeOnPage,
    List<String> series,
    List<String> alerts) {

  Optional<String> event(String reason) {
    return events.stream()
        .filter(it -> it.getReason().equals(reason))
        .map(Event::getMessage)
        .findFirst();
  }

  /// The reasons in `why` that are Chaperone's, as a condition joins them.
  String saidByTheCompanion() {
    List<String> all = new ArrayList<>();
    for (JsonNode block : whyJson.at("/blockers")) {
      for (JsonNode because : block.at("/blocker/reasons")) {
        if (because.has("reason")) {
          all.add(
              new Blocker.Because(
                      because.path("reason").asText(),
                      because.path("message").asText(),
                      because.path("since").asText(null),
                      because.path("until").asText(null),
                      null)
                  .words());
        }
      }
    }
    return String.join("; ", all);
  }
}
