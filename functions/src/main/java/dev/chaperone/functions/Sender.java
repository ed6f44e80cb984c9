package dev.chaperone.functions;

import dev.chaperone.cluster.Access;
import dev.chaperone.cluster.Access.Verb;
import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.decide.SignalEvent.Ask;
import io.cloudevents.CloudEvent;
import io.fabric8.kubernetes.api.model.authentication.UserInfo;
import io.quarkus.vertx.http.runtime.CurrentVertxRequest;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/// Who sends an event, by the bearer token that comes with it, or by its own signature. Only what
/// holds and releases needs that; every other event has no authority anyway.
@ApplicationScoped
class Sender {
  private static final Logger LOG = Logger.getLogger(Sender.class);

  /// Extension attribute with the signature.
  private static final String JWS = "jws";

  private final Access access;
  private final CurrentVertxRequest request;
  private final List<String> trustedSources;
  private final Optional<Signatures> signatures;

  /// @param cluster what signed events must be meant for; absent: signatures confirm nothing
  Sender(
      Access access,
      ClusterReader reader,
      ClusterWriter writer,
      CurrentVertxRequest request,
      @ConfigProperty(name = "chaperone.trusted-sources") Optional<List<String>> trustedSources,
      @ConfigProperty(name = "chaperone.signed-events-audience") Optional<String> cluster) {
    this.access = access;
    this.request = request;
    this.trustedSources = trustedSources.orElse(List.of());
    this.signatures = cluster.map(it -> new Signatures(reader, writer, it));
  }

  /// What the sender may do.
  interface Rights {
    /// Has the work done that is asked for.
    ///
    /// @param work what is asked for, as whoever asks for it
    /// @throws Denied with 403 when they may not ask for that; the work is then not begun
    void exercise(Ask ask, Deadline deadline, Consumer<Ask> work);
  }

  /// Finds out who sent the event. One with a signature stands by that alone.
  ///
  /// @throws Denied with 401 when nobody knows
  Rights of(
      CloudEvent event,
      io.quarkus.funqy.knative.events.CloudEvent<byte[]> received,
      Deadline deadline) {
    Object jws = event.getExtension(JWS);
    if (jws != null && signatures.isPresent()) {
      return signatures.get().of(jws.toString(), event, received, deadline);
    }
    Optional<String> token =
        Access.bearerToken(request.getCurrent().request().getHeader("Authorization"));
    String what = name(event);
    if (token.isEmpty()) {
      if (trustedSources.contains(event.getSource().toString())) {
        return (ask, _, work) -> {
          LOG.infof("%s: trusted without a token", what);
          work.accept(ask);
        };
      }
      throw Denied.unknown(
          what
              + " needs a bearer token, and has none"
              + (jws == null ? "" : "; signatures are not enabled here"));
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
    return (ask, its, work) -> {
      String namespace = ask.request().companion().namespace();
      Verb verb = ask instanceof Ask.ToHold ? Verb.CREATE : Verb.DELETE;
      if (!access.mayHold(user, verb, namespace, its)) {
        throw Denied.forbidden(
            "%s: %s may not %s holds in namespace %s"
                .formatted(what, user.getUsername(), verb, namespace));
      }
      work.accept(ask);
    };
  }

  /// What an event is called in answers.
  static String name(CloudEvent event) {
    return "event " + event.getType() + " " + event.getId() + " of " + event.getSource();
  }
}
