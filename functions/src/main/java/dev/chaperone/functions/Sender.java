package dev.chaperone.functions;

import dev.chaperone.cluster.Access;
import dev.chaperone.cluster.Access.Verb;
import dev.chaperone.cluster.Deadline;
import io.cloudevents.CloudEvent;
import io.fabric8.kubernetes.api.model.authentication.UserInfo;
import io.quarkus.vertx.http.runtime.CurrentVertxRequest;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.List;
import java.util.Optional;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/// Who sends an event, by the bearer token that comes with it. Only what holds and releases needs
/// that; every other event has no authority anyway.
@ApplicationScoped
class Sender {
  private static final Logger LOG = Logger.getLogger(Sender.class);

  private final Access access;
  private final CurrentVertxRequest request;
  private final List<String> trustedSources;

  Sender(
      Access access,
      CurrentVertxRequest request,
      @ConfigProperty(name = "chaperone.trusted-sources") Optional<List<String>> trustedSources) {
    this.access = access;
    this.request = request;
    this.trustedSources = trustedSources.orElse(List.of());
  }

  /// What the sender may do.
  interface Rights {
    /// Returns when they may.
    ///
    /// @throws Denied with 403 when they may not
    void require(Verb verb, String namespace);
  }

  /// Finds out who sent the event.
  ///
  /// @throws Denied with 401 when nobody knows
  Rights of(CloudEvent event, Deadline deadline) {
    Optional<String> token =
        Access.bearerToken(request.getCurrent().request().getHeader("Authorization"));
    String what = "event " + event.getType() + " " + event.getId() + " of " + event.getSource();
    if (token.isEmpty()) {
      if (trustedSources.contains(event.getSource().toString())) {
        return (verb, namespace) -> LOG.infof("%s: trusted without a token", what);
      }
      throw Denied.unknown(what + " needs a bearer token, and has none");
    }
    UserInfo user =
        access
            .user(token.get(), deadline)
            .orElseThrow(
                () ->
                    Denied.unknown(
                        what
                            + " has a token that is not valid, has expired, or is not meant for"
                            + " Chaperone"));
    return (verb, namespace) -> {
      if (!access.mayHold(user, verb, namespace, deadline)) {
        throw Denied.forbidden(
            "%s: %s may not %s holds in namespace %s"
                .formatted(what, user.getUsername(), verb, namespace));
      }
    };
  }
}
