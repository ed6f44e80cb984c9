package dev.chaperone.functions;

import dev.chaperone.decide.Answer;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Maintenance;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventBuilder;
import io.quarkus.vertx.http.runtime.CurrentVertxRequest;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.Collection;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentNavigableMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/// What goes back to whoever sent the event, and with a Broker in between to all who subscribe.
///
/// An event has one reply, about one Companion or one node's maintenance, so that `subject` can be
/// filtered on. What turned waits here until a reply with it was taken: where one event turned
/// several, or its sender was gone before it was answered, the next event that concerns the
/// Companion brings it. There is one at once, because the status that says so was written. Only
/// what turned last of each Companion and node waits, and it goes with the process.
@ApplicationScoped
class Replies {
  private static final String OF_THE_COMPANION = "";
  private static final ConcurrentNavigableMap<String, Turn> NONE = new ConcurrentSkipListMap<>();

  /// By the Companion and the name of a node, what is of the Companion itself first.
  private final Map<CompanionRef, ConcurrentNavigableMap<String, Turn>> waiting =
      new ConcurrentHashMap<>();

  private final CurrentVertxRequest request;

  Replies(CurrentVertxRequest request) {
    this.request = request;
  }

  /// What turned, and whether a reply took it along.
  ///
  /// @param answer of the Companion at that time
  /// @param node absent: the answer itself turned
  private record Turn(Answer answer, Maintenance.@Nullable Turn node, AtomicBoolean taken) {}

  /// The answer of a Companion as it is now. What waits and is no longer so, because another
  /// process found it turned back, is not told.
  ///
  /// @param turned whether it is another than the last
  void seen(Answer answer, boolean turned) {
    if (turned) {
      of(answer).put(OF_THE_COMPANION, new Turn(answer, null, new AtomicBoolean()));
    } else {
      turns(answer.companion())
          .computeIfPresent(
              OF_THE_COMPANION,
              (_, turn) -> turn.answer().result() == answer.result() ? turn : null);
    }
  }

  /// The maintenance of a node turned.
  void seen(Answer answer, Maintenance.Turn node) {
    of(answer).put(node.node(), new Turn(answer, node, new AtomicBoolean()));
  }

  private ConcurrentNavigableMap<String, Turn> of(Answer answer) {
    return waiting.computeIfAbsent(answer.companion(), _ -> new ConcurrentSkipListMap<>());
  }

  private ConcurrentNavigableMap<String, Turn> turns(CompanionRef companion) {
    return waiting.getOrDefault(companion, NONE);
  }

  /// These are all the Companions there are.
  void retain(Collection<CompanionRef> everyone) {
    waiting.keySet().retainAll(everyone);
  }

  /// Whether an answer of one of these is still to be told.
  boolean areWaiting(Collection<CompanionRef> companions) {
    return companions.stream()
        .flatMap(it -> turns(it).values().stream())
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
      Map<String, Turn> turns = turns(companion);
      for (Map.Entry<String, Turn> waits : turns.entrySet()) {
        Turn turn = waits.getValue();
        if (turn.taken().compareAndSet(false, true)) {
          http.addEndHandler(
              answered -> {
                if (answered.succeeded()) {
                  turns.remove(waits.getKey(), turn);
                } else {
                  turn.taken().set(false);
                }
              });
          if (http.response().closed()) {
            // Perhaps before anybody listened for that.
            turn.taken().set(false);
          }
          return reply(turn);
        }
      }
    }
    return null;
  }

  private static CloudEvent<ReplyData> reply(Turn turn) {
    Answer answer = turn.answer();
    Maintenance.Turn node = turn.node();
    return CloudEventBuilder.create()
        .type(node == null ? type(answer) : type(node))
        .source(
            "/apis/chaperone.dev/v1alpha1/namespaces/%s/companions/%s"
                .formatted(answer.companion().namespace(), answer.companion().name()))
        .subject(node == null ? answer.companion().toString() : node.node())
        .build(node == null ? ReplyData.of(answer) : ReplyData.of(answer, node));
  }

  private static String type(Answer answer) {
    return "dev.chaperone.disruption."
        + switch (answer.result()) {
          case ALLOWED -> "allowed";
          case HELD -> "held";
          case NOT_ENFORCED -> "notenforced";
        };
  }

  private static String type(Maintenance.Turn node) {
    return "dev.chaperone.maintenance."
        + switch (node.phase()) {
          case Planned -> "planned";
          case Started -> "started";
          case Ended -> "ended";
        };
  }
}
