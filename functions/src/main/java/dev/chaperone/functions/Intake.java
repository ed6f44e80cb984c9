package dev.chaperone.functions;

import io.vertx.core.http.HttpHeaders;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.annotation.Priority;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.atomic.AtomicBoolean;

/// How much is taken in at once. What comes in is kept until it is answered, and reading its JSON
/// takes many times as much memory, so large bodies are few at a time; whoever posts them leaves
/// room for the small ones, which is what nearly every event is.
///
/// Knative says how long each body is; one of unknown length counts as large.
///
/// How long a single body may be is `quarkus.http.limits.max-body-size`.
@ApplicationScoped
class Intake {
  private static final long SMALL = 8 << 10;
  private static final int SMALL_AT_ONCE = 128;
  private static final int LARGE_AT_ONCE = 4;

  /// A body that comes more slowly only takes the room of others.
  private static final Duration TO_ARRIVE = Duration.ofSeconds(10);

  /// Every event is answered by then.
  private static final Duration TO_ANSWER = Duration.ofSeconds(30);

  private static final Set<HttpMethod> WITHOUT_BODY = Set.of(HttpMethod.GET, HttpMethod.HEAD);

  private final Semaphore small = new Semaphore(SMALL_AT_ONCE);
  private final Semaphore large = new Semaphore(LARGE_AT_ONCE);

  /// Before the body is read, and after [EventCounter], which counts what is refused here, too.
  void install(@Observes @Priority(Integer.MAX_VALUE) Router router) {
    router.route().order(Integer.MIN_VALUE).handler(this::admit);
  }

  private void admit(RoutingContext context) {
    HttpServerRequest request = context.request();
    long length = length(request);
    if (length == 0 && WITHOUT_BODY.contains(request.method())) {
      context.next();
      return;
    }
    Semaphore room = length <= SMALL ? small : large;
    if (!room.tryAcquire()) {
      // What is still to come is thrown away.
      request.resume();
      context.fail(new RejectedExecutionException());
      return;
    }
    long late =
        context
            .vertx()
            .setTimer(
                TO_ARRIVE.toMillis(),
                _ -> {
                  if (!request.isEnded()) {
                    request.connection().close();
                  }
                });
    AtomicBoolean taken = new AtomicBoolean(true);
    Runnable release =
        () -> {
          context.vertx().cancelTimer(late);
          if (taken.compareAndSet(true, false)) {
            room.release();
          }
        };
    context.addHeadersEndHandler(_ -> release.run());
    context.addEndHandler(
        answered -> {
          if (answered.succeeded() || !request.isEnded()) {
            release.run();
          } else {
            // Whoever sent it is gone, and it is being worked on all the same.
            context.vertx().setTimer(TO_ANSWER.toMillis(), _ -> release.run());
          }
        });
    context.next();
  }

  /// How long the body is going to be; any length if that is not said.
  private static long length(HttpServerRequest request) {
    if (request.headers().contains(HttpHeaders.TRANSFER_ENCODING)) {
      return Long.MAX_VALUE;
    }
    String length = request.getHeader(HttpHeaders.CONTENT_LENGTH);
    try {
      return length == null ? 0 : Long.parseLong(length);
    } catch (NumberFormatException unknown) {
      return Long.MAX_VALUE;
    }
  }
}
