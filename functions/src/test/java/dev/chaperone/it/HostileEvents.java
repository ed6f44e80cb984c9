package dev.chaperone.it;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.api.EventKeySpec.Algorithm;
import dev.chaperone.signature.Signer;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.nio.charset.StandardCharsets;
import java.security.Key;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import javax.crypto.spec.SecretKeySpec;
import org.jspecify.annotations.Nullable;

/// Signed events that somebody might send who may not, and the answer to each.
///
/// @param key name of the EventKey of `signer`
/// @param events makes one that would be accepted, once it is signed
record HostileEvents(
    String namespace,
    String cluster,
    String key,
    Signer signer,
    Map<Algorithm, Signer> keys,
    Events events) {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// No word about the key: whoever has it not learns nothing of it.
  private static final String NOT_CONFIRMED = "has a signature that no EventKey confirms\n";

  private static final String NOT_SIGNED = "not a signed event";

  interface Events {
    ObjectNode event(String id, String type, Instant time);
  }

  /// @param words of the answer
  record Hostile(String title, String body, boolean binary, int status, @Nullable String words) {
    HttpRequest.Builder request(URI functions) {
      HttpRequest.Builder request = HttpRequest.newBuilder(functions);
      if (!binary) {
        return request
            .header("content-type", "application/cloudevents+json")
            .POST(BodyPublishers.ofString(body));
      }
      String[] parts = body.split("\n\n", 2);
      parts[0].lines().map(it -> it.split(": ", 2)).forEach(it -> request.header(it[0], it[1]));
      return request
          .header("content-type", "application/json")
          .POST(BodyPublishers.ofString(parts[1]));
    }

    @Override
    public String toString() {
      return title;
    }
  }

  List<Hostile> all(String type) {
    List<Hostile> all = new ArrayList<>();
    signatures(type, all);
    headers(type, all);
    forms(type, all);
    changed(type, all);
    times(type, all);
    forbidden(type, all);
    return all;
  }

  private void signatures(String type, List<Hostile> all) {
    Signer stranger = Signer.with(signer.algorithm());
    Key pem = hmac(signer.publicKey().getBytes(StandardCharsets.UTF_8));
    Key der = hmac(signer.keys().getPublic().getEncoded());
    ObjectNode event = event(type);
    String form = Signer.canonical(event);
    String good = signer.sign(header(), event);
    String head = good.substring(0, good.indexOf(".."));
    String signature = good.substring(good.indexOf("..") + 2);
    unconfirmed(all, "another key", event, stranger.sign(header(), event));
    unconfirmed(all, "no such key", event, signer.sign(header("kid", namespace + "/no"), event));
    unconfirmed(all, "no such namespace", event, signer.sign(header("kid", "no/" + key), event));
    keys.values().stream()
        .filter(it -> !it.equals(signer))
        .forEach(
            it ->
                unconfirmed(all, "the key of " + it.algorithm(), event, it.sign(header(), event)));
    unconfirmed(all, "HS256 with the PEM", event, Signer.sign("HS256", pem, header(), form));
    unconfirmed(all, "HS256 with the DER", event, Signer.sign("HS256", der, header(), form));
    unconfirmed(all, "none", event, Signer.encoded(headerOf("none")) + "..AA");
    unconfirmed(
        all, "none over the form", event, Signer.encoded(headerOf("none")) + ".." + signature);
    unconfirmed(
        all, "unknown algorithm", event, Signer.encoded(headerOf("XX1")) + ".." + signature);
    unconfirmed(all, "cut signature", event, good.substring(0, good.length() - 10));
    unconfirmed(all, "other bit", event, head + ".." + flipped(signature));
    unconfirmed(
        all,
        "header of another",
        event,
        Signer.encoded(headerOf(signer.algorithm().name()) + " ") + ".." + signature);
  }

  private void headers(String type, List<Hostile> all) {
    ObjectNode event = event(type);
    for (String more :
        List.of(
            "\"jwk\": {\"kty\": \"OKP\"}",
            "\"jku\": \"https://example.com/keys\"",
            "\"x5u\": \"https://example.com/chain\"",
            "\"x5c\": [\"AAAA\"]",
            "\"crit\": [\"b64\"], \"b64\": false",
            "\"crit\": [\"exp\"], \"exp\": 1",
            "\"kid\": \"%s/%s\"".formatted(namespace, key))) {
      String header = headerOf(signer.algorithm().name()).replace("{", "{" + more + ", ");
      unreadable(all, "header with " + more, event, Signer.encoded(header) + "..AA");
    }
    String good = signer.sign(header(), event);
    unreadable(
        all,
        "three parts",
        event,
        good.replace("..", "." + Signer.encoded(Signer.canonical(event)) + "."));
    unreadable(all, "no signature", event, good.substring(0, good.indexOf("..") + 2));
    unreadable(all, "cut header", event, good.substring(5));
    unreadable(all, "JSON serialization", event, "{\"protected\": \"e30\", \"signature\": \"AA\"}");
    unreadable(all, "padding", event, good + "==");
    unreadable(all, "huge", event, good + "A".repeat(100_000));
    unreadable(all, "kid is a path", event, signer.sign(header("kid", "../" + key), event));
    add(all, "no signature at all", event(type), 401, "needs a bearer token");
    add(all, "a number", event(type).put("jws", 7), 401, "needs a bearer token");
    add(
        all,
        "another cluster",
        signed(event(type), header("aud", "cluster-b")),
        401,
        "for another cluster");
    Map<String, String> nobody = header();
    nobody.remove("aud");
    add(all, "no audience", signed(event(type), nobody), 401, "for another cluster");
  }

  private void forms(String type, List<Hostile> all) {
    ObjectNode event = event(type);
    for (String form :
        List.of(
            event.toPrettyString(),
            event.toString(),
            event.get("data").toString(),
            Signer.canonical(event.get("data")),
            Signer.canonical(event) + "\n",
            Signer.canonical(event.deepCopy().put("datacontenttype", "application/json")),
            Signer.canonical(event.deepCopy().without("time")),
            Signer.encoded(Signer.canonical(event)),
            "")) {
      unconfirmed(
          all,
          "other form: " + form,
          event,
          Signer.sign(signer.algorithm().name(), signer.keys().getPrivate(), header(), form));
    }
    String twice = "{\"companion\": \"other/agent\", " + event.get("data").toString().substring(1);
    StringBuilder head = new StringBuilder();
    signed(event, header())
        .properties()
        .forEach(
            it -> {
              if (!it.getKey().equals("data")) {
                head.append("ce-%s: %s\n".formatted(it.getKey(), it.getValue().asText()));
              }
            });
    all.add(new Hostile("a name twice", head + "\n" + twice, true, 400, NOT_SIGNED));
    all.add(new Hostile("data without an object", head + "\n[]", true, 400, NOT_SIGNED));
  }

  private void changed(String type, List<Hostile> all) {
    changed(all, "id", type, it -> it.put("id", "another"));
    changed(all, "source", type, it -> it.put("source", "/arrays/8"));
    changed(
        all,
        "type",
        type,
        it ->
            it.put("type", type.endsWith("hold") ? "dev.chaperone.release" : "dev.chaperone.hold"));
    changed(all, "subject", type, it -> it.put("subject", "pool"));
    changed(all, "time", type, it -> it.put("time", Instant.now().minusSeconds(2).toString()));
    changed(all, "companion", type, it -> data(it).put("companion", namespace + "/other"));
    changed(all, "key", type, it -> data(it).put("key", "pool-43"));
    changed(all, "ttl", type, it -> data(it).put("ttl", "3h"));
    changed(all, "one more", type, it -> data(it).put("more", ""));
    changed(all, "one less", type, it -> data(it).remove("ttl"));
  }

  private void times(String type, List<Hostile> all) {
    for (Duration ago :
        List.of(Duration.ofMinutes(11), Duration.ofDays(400), Duration.ofMinutes(-2))) {
      ObjectNode event =
          events.event(
              "t",
              type,
              Instant.now().minus(ago).truncatedTo(java.time.temporal.ChronoUnit.SECONDS));
      add(all, "of " + ago + " ago", signed(event, header()), 401, "accepted for 10 minutes");
    }
    ObjectNode none = event(type);
    none.remove("time");
    add(all, "no time", signed(none, header()), 400, "must have the attribute time");
    add(all, "no such time", signed(event(type).put("time", "yesterday"), header()), 400, null);
    ObjectNode before =
        events.event(
            "b",
            type,
            Instant.now().minusSeconds(540).truncatedTo(java.time.temporal.ChronoUnit.SECONDS));
    add(all, "older than the key", signed(before, header()), 403, "it is newer than the event");
  }

  private void forbidden(String type, List<Hostile> all) {
    boolean holds = type.endsWith("hold");
    forbidden(
        all, type, "it has no Companion", it -> data(it).put("companion", namespace + "/other"));
    forbidden(all, type, "it has no Companion", it -> data(it).put("companion", "default/agent"));
    forbidden(all, type, "it has no source", it -> it.put("source", "/arrays/8"));
    if (holds) {
      forbidden(all, type, "a ttl of at most 4h", it -> data(it).put("ttl", "5h"));
      forbidden(all, type, "a ttl of at most 4h", it -> data(it).remove("ttl"));
    }
    if (signer.algorithm() == Algorithm.EdDSA) {
      add(
          all,
          "ended key",
          signed(event(type), header("kid", namespace + "/ended")),
          403,
          "it ended at");
      if (!holds) {
        add(
            all,
            "key for holds",
            signed(event(type), header("kid", namespace + "/only-holds")),
            403,
            "it may not Release");
      }
    }
  }

  private void changed(List<Hostile> all, String what, String type, Consumer<ObjectNode> change) {
    ObjectNode event = signed(event(type), header());
    change.accept(event);
    add(all, "other " + what, event, 401, NOT_CONFIRMED);
  }

  private void forbidden(List<Hostile> all, String type, String why, Consumer<ObjectNode> change) {
    ObjectNode event = event(type);
    change.accept(event);
    add(all, why, signed(event, header()), 403, why);
  }

  private static void unconfirmed(List<Hostile> all, String title, ObjectNode event, String jws) {
    add(all, title, event.deepCopy().put("jws", jws), 401, NOT_CONFIRMED);
  }

  private static void unreadable(List<Hostile> all, String title, ObjectNode event, String jws) {
    add(all, title, event.deepCopy().put("jws", jws), 400, NOT_SIGNED);
  }

  private static void add(
      List<Hostile> all, String title, ObjectNode event, int status, @Nullable String words) {
    all.add(new Hostile(title, event.toString(), false, status, words));
  }

  private ObjectNode event(String type) {
    return events.event(
        "hostile", type, Instant.now().truncatedTo(java.time.temporal.ChronoUnit.SECONDS));
  }

  private static ObjectNode data(ObjectNode event) {
    return (ObjectNode) event.get("data");
  }

  private ObjectNode signed(ObjectNode event, Map<String, String> header) {
    return event.deepCopy().put("jws", signer.sign(header, event));
  }

  private Map<String, String> header() {
    return new TreeMap<>(Map.of("kid", namespace + "/" + key, "aud", cluster));
  }

  private Map<String, String> header(String name, String value) {
    Map<String, String> header = header();
    header.put(name, value);
    return header;
  }

  private String headerOf(String algorithm) {
    return JSON.createObjectNode()
        .put("alg", algorithm)
        .put("kid", namespace + "/" + key)
        .put("aud", cluster)
        .toString();
  }

  private static Key hmac(byte[] secret) {
    return new SecretKeySpec(secret, "HmacSHA256");
  }

  private static String flipped(String signature) {
    char first = signature.charAt(0) == 'A' ? 'B' : 'A';
    return first + signature.substring(1);
  }
}
