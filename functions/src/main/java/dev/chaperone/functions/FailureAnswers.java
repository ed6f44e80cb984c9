package dev.chaperone.functions;

import dev.chaperone.cluster.Unavailable;
import io.quarkus.funqy.runtime.ApplicationException;
import io.quarkus.funqy.runtime.InternalError;
import io.vertx.core.http.HttpMethod;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.util.concurrent.RejectedExecutionException;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// What a failed event is answered with. Knative sends an event again on 404, 408, 409, 429 and
/// 5xx, and on nothing else, so the status says whether sending it again can help; Funqy by itself
/// says 500 to nearly everything.
@ApplicationScoped
class FailureAnswers {
  private static final Logger LOG = Logger.getLogger(FailureAnswers.class);

  private static final int BAD_REQUEST = 400;
  private static final int NOT_FOUND = 404;
  private static final int UNPROCESSABLE = 422;
  private static final int INTERNAL_ERROR = 500;
  private static final int UNAVAILABLE = 503;

  private static final String HOW_TO_POST =
      "not a CloudEvent of at most 256 KiB: post it to /, with ce-id and the other ce- headers, or"
          + " as application/cloudevents+json";

  void install(@Observes Router router) {
    router.route().failureHandler(FailureAnswers::answer);
  }

  private static void answer(RoutingContext context) {
    if (!context.request().method().equals(HttpMethod.POST) || context.response().headWritten()) {
      context.next();
      return;
    }
    Failure failure = failure(context.failure(), context.statusCode());
    if (failure.status() == INTERNAL_ERROR) {
      LOG.errorf(context.failure(), "Event %s failed", context.request().getHeader("ce-id"));
    } else {
      LOG.warnf(
          "Event %s answered with %d: %s",
          context.request().getHeader("ce-id"), failure.status(), failure.message());
    }
    if (failure.status() == UNAVAILABLE) {
      context.response().putHeader("Retry-After", "5");
    }
    context
        .response()
        .setStatusCode(failure.status())
        .putHeader("Content-Type", "text/plain; charset=utf-8")
        .end(failure.message() + "\n");
  }

  private record Failure(int status, String message) {}

  private static Failure failure(@Nullable Throwable thrown, int status) {
    boolean inFunction = thrown instanceof ApplicationException;
    boolean broken = thrown instanceof InternalError;
    Throwable cause = thrown != null && inFunction ? thrown.getCause() : thrown;
    return switch (cause) {
      case null -> new Failure(status == NOT_FOUND ? BAD_REQUEST : status, HOW_TO_POST);
      case Malformed malformed -> new Failure(BAD_REQUEST, String.valueOf(malformed.getMessage()));
      case Ineffective ineffective ->
          new Failure(UNPROCESSABLE, String.valueOf(ineffective.getMessage()));
      case Denied denied -> new Failure(denied.status(), String.valueOf(denied.getMessage()));
      case Unavailable unavailable ->
          new Failure(UNAVAILABLE, String.valueOf(unavailable.getMessage()));
      case RejectedExecutionException busy -> new Failure(UNAVAILABLE, "too many events at once");
      // Thrown outside of a function: Funqy could not read the event, of which it takes the
      // attributes for granted.
      case NullPointerException missing when !inFunction && !broken ->
          new Failure(BAD_REQUEST, "not a CloudEvent: specversion, id, source or type is missing");
      case Exception unreadable when !inFunction && !broken ->
          new Failure(BAD_REQUEST, "not a CloudEvent: " + unreadable.getMessage());
      default -> new Failure(INTERNAL_ERROR, "internal error: " + cause);
    };
  }
}
