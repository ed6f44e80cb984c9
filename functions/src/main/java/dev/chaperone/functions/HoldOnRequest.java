package dev.chaperone.functions;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.HoldRequest;
import dev.chaperone.decide.SignalEvent.Ask;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import java.util.List;
import java.util.function.BiFunction;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Somebody asks to hold a Companion, or to release it: a Hold is made, or deleted.
@Observed
public class HoldOnRequest {
  private static final Pattern COMPANION =
      Pattern.compile("([a-z0-9][-a-z0-9]{0,62})/([a-z0-9][-a-z0-9.]{0,49})");

  private final Sender sender;
  private final HoldKeeper keeper;
  private final Replies replies;

  HoldOnRequest(Sender sender, HoldKeeper keeper, Replies replies) {
    this.sender = sender;
    this.keeper = keeper;
    this.replies = replies;
  }

  @Funq
  @CloudEventMapping(trigger = "dev.chaperone.hold")
  public @Nullable CloudEvent<ReplyData> hold(CloudEvent<byte[]> received) {
    return answer(
        received,
        (request, data) ->
            new Ask.ToHold(
                request,
                Payload.reason(Payload.text(data, "reason", "")),
                Payload.nodeName(Payload.text(data, "nodeName", "")),
                Payload.length(Payload.text(data, "ttl", ""))));
  }

  @Funq
  @CloudEventMapping(trigger = "dev.chaperone.release")
  public @Nullable CloudEvent<ReplyData> release(CloudEvent<byte[]> received) {
    return answer(received, (request, _) -> new Ask.ToRelease(request));
  }

  private @Nullable CloudEvent<ReplyData> answer(
      CloudEvent<byte[]> received, BiFunction<HoldRequest, JsonNode, Ask> asks) {
    var event = Envelope.of(received);
    Deadline deadline = keeper.begin();
    Sender.Rights rights = sender.of(event, received, deadline);
    JsonNode data = Payload.object(received);
    HoldRequest request = request(event.getSource().toString(), data);
    rights.exercise(
        asks.apply(request, data),
        deadline,
        ask -> keeper.carryOut(ask, Payload.time(received), deadline));
    return replies.about(List.of(request.companion()));
  }

  private static HoldRequest request(String source, JsonNode data) {
    return new HoldRequest(companion(data), source, Payload.text(data, "key", ""));
  }

  /// The Companion that such an event names.
  ///
  /// @throws Malformed when it names none
  static CompanionRef companion(JsonNode data) {
    var companion = COMPANION.matcher(Payload.text(data, "companion", ""));
    if (!companion.matches()) {
      throw new Malformed("data.companion must be namespace/name of a Companion");
    }
    return new CompanionRef(companion.group(1), companion.group(2));
  }
}
