package dev.chaperone.functions;

import dev.chaperone.cluster.ClusterReader;
import dev.chaperone.cluster.ClusterWriter;
import dev.chaperone.cluster.Deadline;
import dev.chaperone.cluster.LostRace;
import dev.chaperone.cluster.Rate;
import dev.chaperone.cluster.Unavailable;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.DeadLetter;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEvent;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import jakarta.inject.Singleton;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jboss.logging.Logger;

/// An event of any type that Knative gave up, or that was refused: people find it as an Event on
/// each Companion that it concerns, and in the log. Alerts find the time of the last one that was
/// given up in a Lease.
///
/// It is a Service of its own that exports this function, which then gets every event whatever its
/// type. Everywhere else it cannot be reached: the type below is no event's.
@Singleton
public class ReportDeadLetter {
  private static final Logger LOG = Logger.getLogger(ReportDeadLetter.class);
  private static final String NAME = "deadLetter";
  private static final String TYPE = "dev.chaperone.dead-letter";

  /// Each of them costs a few calls to the API server.
  private static final int A_SECOND = 20;

  private final ClusterReader reader;
  private final ClusterWriter writer;
  private final Duration patience;
  private final boolean exported;
  private final Clock clock = Clock.systemUTC();
  private final Rate rate = new Rate(A_SECOND, clock);
  private final Rate notes = new Rate(1, clock);

  ReportDeadLetter(
      ClusterReader reader,
      ClusterWriter writer,
      @ConfigProperty(name = "chaperone.event-deadline") Duration patience,
      @ConfigProperty(name = "quarkus.funqy.export") Optional<String> export) {
    this.reader = reader;
    this.writer = writer;
    this.patience = patience;
    this.exported = export.filter(NAME::equals).isPresent();
  }

  @Funq(NAME)
  @CloudEventMapping(trigger = TYPE)
  public void deadLetter(CloudEvent<byte[]> received) {
    var event = Envelope.of(received);
    if (!exported) {
      throw new Malformed("this Service handles no CloudEvents of type " + event.getType());
    }
    if (!rate.take()) {
      throw new Unavailable("Too many dead letters at once");
    }
    Deadline deadline = Deadline.in(patience);
    DeadLetter letter = letter(event);
    Collection<CompanionRef> concerned = concerned(event, received, deadline);
    LOG.warnf("%s (%s; concerns %s)", letter.message(), letter.reason(), concerned);
    List<Change> told = new ArrayList<>();
    letter
        .note(reader.ownNamespace(), clock.instant())
        .filter(_ -> notes.take())
        .ifPresent(told::add);
    if (!concerned.isEmpty()) {
      deadline.check("reading Companions " + concerned);
      reader.companions(deadline).stream()
          .filter(it -> concerned.contains(CompanionRef.of(it)))
          .map(it -> letter.tell(it, clock.instant()))
          .forEach(told::add);
    }
    try {
      writer
          .write(told, deadline)
          .refused()
          .forEach(refused -> LOG.warnf("Not reported: %s", refused.message()));
    } catch (LostRace e) {
      throw new Unavailable("Somebody wrote the same Event at the same time: " + e.getMessage());
    }
  }

  /// Nobody, if the event does not say: it may be that very mistake for which it was refused.
  private Collection<CompanionRef> concerned(
      io.cloudevents.CloudEvent event, CloudEvent<byte[]> received, Deadline deadline) {
    try {
      return switch (event.getType()) {
        case "dev.knative.sources.ping" -> reader.everyone(deadline);
        case "dev.chaperone.hold", "dev.chaperone.release" ->
            Set.of(HoldOnRequest.companion(Payload.object(received)));
        case String type when type.startsWith(DeadLetter.CHANGES) ->
            reader.companionsOf(Envelope.object(event), deadline);
        case String type ->
            reader.listening(type, deadline).stream().map(CompanionRef::of).toList();
      };
    } catch (Malformed unknown) {
      return Set.of();
    }
  }

  private static DeadLetter letter(io.cloudevents.CloudEvent event) {
    String code = extension(event, "knativeerrorcode");
    return new DeadLetter(
        event.getType(),
        event.getId(),
        event.getSource().toString(),
        extension(event, "knativeerrordest"),
        code.matches("[1-5][0-9]{2}")
            ? OptionalInt.of(Integer.parseInt(code))
            : OptionalInt.empty(),
        decoded(extension(event, "knativeerrordata")));
  }

  private static String extension(io.cloudevents.CloudEvent event, String name) {
    return Optional.ofNullable(event.getExtension(name)).map(Object::toString).orElse("");
  }

  /// Base64 that Knative cuts off wherever 1024 characters end.
  private static String decoded(String data) {
    try {
      byte[] bytes = Base64.getDecoder().decode(data.substring(0, data.length() / 4 * 4));
      return new String(bytes, StandardCharsets.UTF_8);
    } catch (IllegalArgumentException plain) {
      return data;
    }
  }
}
