package dev.chaperone.functions;

import dev.chaperone.decide.Answer;
import dev.chaperone.decide.CompanionRef;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventBuilder;
import io.quarkus.vertx.http.runtime.CurrentVertxRequest;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// What goes back to whoever sent the event, and with a Broker in between to all who subscribe.
///
/// An event has one reply, about one Companion, so that `subject` can be filtered on. An answer
/// that turned waits here until a reply with it was taken: where one event turned several, or its
/// sender was gone before it was answered, the next event that concerns the Companion brings it.
/// There is one at once, because the status that says so was written. Only the last answer of each
/// Companion waits, and it goes with the process.
@ApplicationScoped
class Replies {
  private final Map<CompanionRef, Turn> waiting = new ConcurrentHashMap<>();
  private final CurrentVertxRequest request;

  Replies(CurrentVertxRequest request) {
    this.request = request;
  }

  /// An answer that turned, and whether a reply took it along.
  private record Turn(Answer answer, AtomicBoolean taken) {}

  /// The answer of a Companion as it is now. What waits and is no longer so, because another
  /// process found it turned back, is not told.
  ///
  /// @param turned whether it is another than the last
  void seen(Answer answer, boolean turned) {
    if (turned) {
      waiting.put(answer.companion(), new Turn(answer, new AtomicBoolean()));
    } else {
      waiting.computeIfPresent(
          answer.companion(), (_, turn) -> turn.answer().result() == answer.result() ? turn : null);
    }
  }

  /// These are all the Companions there are.
  void retain(Collection<CompanionRef> everyone) {
    waiting.keySet().retainAll(everyone);
  }

  /// Whether an answer of one of these is still to be told.
  boolean areWaiting(Collection<CompanionRef> companions) {
    return companions.stream()
        .flatMap(it -> Stream.ofNullable(waiting.get(it)))
        .anyMatch(it -> !it.taken().get());
  }

  /// The reply to the present event, about one of the Companions that it concerned.
  ///
  /// @return none if nothing is to be told of them
  @Nullable CloudEvent<ReplyData> about(Collection<CompanionRef> companions) {
    RoutingContext http = request.getCurrent();
    if (http.response().closed()) {
      return null;
    }
    for (CompanionRef companion : companions) {
      Turn turn = waiting.get(companion);
      if (turn != null && turn.taken().compareAndSet(false, true)) {
        http.addEndHandler(
            answered -> {
              if (answered.succeeded()) {
                waiting.remove(companion, turn);
              } else {
                turn.taken().set(false);
              }
            });
        if (http.response().closed()) {
          // Perhaps before anybody listened for that.
          turn.taken().set(false);
        }
        return reply(turn.answer());
      }
    }
    return null;
  }

  private static CloudEvent<ReplyData> reply(Answer answer) {
    return CloudEventBuilder.create()
        .type(
            "dev.chaperone.disruption."
                + switch (answer.result()) {
                  case ALLOWED -> "allowed";
                  case HELD -> "held";
                  case NOT_ENFORCED -> "notenforced";
                })
        .source(
            "/apis/chaperone.dev/v1alpha1/namespaces/%s/companions/%s"
                .formatted(answer.companion().namespace(), answer.companion().name()))
        .subject(answer.companion().toString())
        .build(ReplyData.of(answer));
  }
}
