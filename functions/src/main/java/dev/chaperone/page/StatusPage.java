package dev.chaperone.page;

import dev.chaperone.api.Companion;
import dev.chaperone.cluster.Access;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.Rate;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.page.Overview.Told;
import io.fabric8.kubernetes.api.model.authentication.UserInfo;
import io.vertx.core.Future;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.ext.web.Router;
import io.vertx.ext.web.RoutingContext;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.event.Observes;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.regex.Pattern;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// Answers `GET /` and `GET /?namespace=NAME` with the status page, for whoever may list Companions
/// there, and says 401 or 403 to everybody else. Reads the API server for each page anew and writes
/// nothing.
@ApplicationScoped
class StatusPage {
  private static final Logger LOG = Logger.getLogger(StatusPage.class);

  private static final Pattern NAMESPACE = Pattern.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");

  /// A second, and no more: reading for people must not keep events waiting.
  private static final int PAGES = 4;

  /// In the works or on their way, with those of whom it is not yet known who they are.
  private static final int AT_ONCE = 4;

  /// What takes longer to be taken only takes memory.
  private static final Duration TO_BE_TAKEN = Duration.ofSeconds(10);

  private static final int BAD_REQUEST = 400;
  private static final int UNAUTHORIZED = 401;
  private static final int FORBIDDEN = 403;
  private static final int INTERNAL_ERROR = 500;
  private static final int UNAVAILABLE = 503;

  private final boolean enabled;
  private final Access access;
  private final ClusterReader reader;
  private final String audience;
  private final @Nullable String only;
  private final Duration eventDeadline;
  private final Rate pages = new Rate(PAGES, InstantSource.system());
  private final Semaphore room = new Semaphore(AT_ONCE);

  StatusPage(
      @ConfigProperty(name = "chaperone.status-page") boolean enabled,
      Access access,
      ClusterReader reader,
      @ConfigProperty(name = "chaperone.audience") String audience,
      @ConfigProperty(name = "chaperone.namespace") Optional<String> namespace,
      @ConfigProperty(name = "chaperone.event-deadline") Duration eventDeadline) {
    this.enabled = enabled;
    this.access = access;
    this.reader = reader;
    this.audience = audience;
    this.only = namespace.orElse(null);
    this.eventDeadline = eventDeadline;
  }

  void install(@Observes Router router) {
    if (enabled) {
      router
          .route("/")
          .method(HttpMethod.GET)
          .method(HttpMethod.HEAD)
          // Before Funqy, whose own route takes every method.
          .order(-1)
          .handler(this::handle);
    }
  }

  private void handle(RoutingContext context) {
    HttpServerRequest request = context.request();
    Optional<String> token = token(request.getHeader("Authorization"));
    if (token.isEmpty()) {
      send(context, unauthorized());
    } else if (!room.tryAcquire()) {
      send(context, failure(tooMany()));
    } else {
      context
          .vertx()
          .executeBlocking(() -> answer(token.get(), request.getParam("namespace")), false)
          .otherwise(StatusPage::failure)
          .compose(answer -> send(context, answer))
          .onComplete(_ -> room.release());
    }
  }

  /// @param html whether the body is the page; if not, it is one line for people
  private record Answer(int status, String body, boolean html) {
    static Answer line(int status, String line) {
      return new Answer(status, line + "\n", false);
    }
  }

  private Answer answer(String token, @Nullable String asked) {
    if (asked != null && !NAMESPACE.matcher(asked).matches()) {
      return Answer.line(BAD_REQUEST, "namespace must be the name of a namespace");
    }
    String namespace = asked == null ? only : asked;
    Deadline deadline = Deadline.in(eventDeadline);
    Optional<UserInfo> known = access.user(token, deadline);
    if (known.isEmpty()) {
      return unauthorized();
    }
    if (!pages.take()) {
      throw tooMany();
    }
    UserInfo user = known.get();
    if (!access.mayListCompanions(user, namespace, deadline)) {
      return Answer.line(
          FORBIDDEN,
          mayNotList(user, "companions", namespace)
              + (namespace == null ? ". For one of them: /?namespace=NAME" : ""));
    }
    List<Companion> companions = reader.companions(namespace, deadline);
    Overview overview =
        Overview.of(namespace, companions, told(user, namespace, deadline), Instant.now());
    LOG.infof("Status page of %s for %s", overview.where(), user.getUsername());
    return new Answer(200, Html.of(overview), true);
  }

  private Answer unauthorized() {
    return Answer.line(
        UNAUTHORIZED,
        ("The password is a token for %1$s, with any user name: kubectl create token NAME"
                + " -n NAMESPACE --audience %1$s")
            .formatted(audience));
  }

  private static Unavailable tooMany() {
    return new Unavailable("Too many pages at once: load it again");
  }

  private static String mayNotList(UserInfo user, String what, @Nullable String namespace) {
    return "%s may not list %s in %s"
        .formatted(
            user.getUsername(),
            what,
            namespace == null ? "all namespaces" : "namespace " + namespace);
  }

  /// A browser can send a token only as a password.
  private static Optional<String> token(@Nullable String authorization) {
    Optional<String> bearer = Access.bearerToken(authorization);
    if (bearer.isPresent() || authorization == null) {
      return bearer;
    }
    String[] parts = authorization.split(" +", 2);
    if (!parts[0].equalsIgnoreCase("Basic") || parts.length == 1) {
      return Optional.empty();
    }
    try {
      String pair = new String(Base64.getDecoder().decode(parts[1]), StandardCharsets.UTF_8);
      return Access.bearerToken("Bearer " + pair.substring(pair.indexOf(':') + 1).strip());
    } catch (IllegalArgumentException garbled) {
      return Optional.empty();
    }
  }

  private Told told(UserInfo user, @Nullable String namespace, Deadline deadline) {
    try {
      if (!access.mayListEvents(user, namespace, deadline)) {
        return new Told(List.of(), mayNotList(user, "Kubernetes Events", namespace));
      }
      return new Told(reader.told(namespace, deadline), "");
    } catch (Unavailable e) {
      return new Told(List.of(), String.valueOf(e.getMessage()));
    }
  }

  private static Answer failure(Throwable failure) {
    if (failure instanceof Unavailable) {
      return Answer.line(UNAVAILABLE, String.valueOf(failure.getMessage()));
    }
    LOG.error("The status page failed", failure);
    return Answer.line(INTERNAL_ERROR, "internal error; the log of the functions says more");
  }

  /// Ends when it was taken, or whoever asked is gone.
  private static Future<Void> send(RoutingContext context, Answer answer) {
    HttpServerResponse response = context.response();
    if (response.closed()) {
      return Future.succeededFuture();
    }
    response
        .setStatusCode(answer.status())
        .putHeader("Content-Type", (answer.html() ? "text/html" : "text/plain") + "; charset=utf-8")
        .putHeader("Content-Security-Policy", answer.html() ? Html.POLICY : Html.NOTHING)
        .putHeader("Cache-Control", "no-store")
        .putHeader("Cross-Origin-Opener-Policy", "same-origin")
        .putHeader("Cross-Origin-Resource-Policy", "same-origin")
        .putHeader("Referrer-Policy", "no-referrer")
        .putHeader("X-Content-Type-Options", "nosniff");
    switch (answer.status()) {
      case UNAUTHORIZED ->
          response.putHeader("WWW-Authenticate", "Basic realm=\"Chaperone\", charset=\"UTF-8\"");
      case UNAVAILABLE -> response.putHeader("Retry-After", "1");
      default -> {}
    }
    long late =
        context
            .vertx()
            .setTimer(TO_BE_TAKEN.toMillis(), _ -> context.request().connection().close());
    return response.end(answer.body()).onComplete(_ -> context.vertx().cancelTimer(late));
  }
}
