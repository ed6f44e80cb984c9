package dev.chaperone.functions;

import dev.chaperone.decide.ObjectRef;
import io.cloudevents.CloudEvent;
import io.cloudevents.SpecVersion;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.rw.CloudEventRWException;
import java.net.URI;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// The attributes of an event, checked: Funqy itself asks for no more than an id or a content type.
final class Envelope {
  /// What a namespace, a node or another object can be called; no more gets into a request path.
  private static final Pattern NAME = Pattern.compile("[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?");

  private static final Pattern KIND = Pattern.compile("[A-Z][A-Za-z0-9]{0,62}");

  private Envelope() {}

  /// The event as the CloudEvents SDK knows it, without its data.
  ///
  /// @throws Malformed when an attribute is missing or cannot be what it should be
  static CloudEvent of(io.quarkus.funqy.knative.events.CloudEvent<?> received) {
    try {
      if (!SpecVersion.V1.toString().equals(received.specVersion())) {
        throw new Malformed("specversion must be 1.0, and is " + quote(received.specVersion()));
      }
      CloudEventBuilder event =
          CloudEventBuilder.v1().withId(received.id()).withType(received.type());
      if (received.source() != null) {
        event.withSource(URI.create(received.source()));
      }
      if (received.subject() != null) {
        event.withSubject(received.subject());
      }
      for (Map.Entry<String, String> extension : received.extensions().entrySet()) {
        if (extension.getValue() != null) {
          // Funqy hands over header names as they were sent, such as Apiversion.
          event.withExtension(extension.getKey().toLowerCase(Locale.ROOT), extension.getValue());
        }
      }
      return event.build();
    } catch (IllegalStateException | IllegalArgumentException | CloudEventRWException e) {
      throw new Malformed("not a CloudEvent: " + e.getMessage());
    }
  }

  /// The object that an event of an ApiServerSource is about.
  ///
  /// @throws Malformed when kind, namespace or name is missing or is no name
  static ObjectRef object(CloudEvent event) {
    String kind = extension(event, "kind");
    String namespace = extension(event, "namespace");
    String name = extension(event, "name");
    if (!KIND.matcher(kind).matches()) {
      throw new Malformed("extension attribute kind must be a kind, and is " + quote(kind));
    }
    if (!NAME.matcher(name).matches()) {
      throw new Malformed("extension attribute name must be a name, and is " + quote(name));
    }
    if (!namespace.isEmpty() && !NAME.matcher(namespace).matches()) {
      throw new Malformed(
          "extension attribute namespace must be a namespace, and is " + quote(namespace));
    }
    return new ObjectRef(kind, namespace, name);
  }

  private static String extension(CloudEvent event, String name) {
    Object value = event.getExtension(name);
    return value == null ? "" : value.toString();
  }

  private static String quote(@Nullable String value) {
    if (value == null || value.isEmpty()) {
      return "missing";
    }
    String printable = value.replaceAll("\\p{C}", "?");
    return "\"" + (printable.length() <= 80 ? printable : printable.substring(0, 80) + "…") + "\"";
  }
}
