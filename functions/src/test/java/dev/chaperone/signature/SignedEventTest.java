package dev.chaperone.signature;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.api.EventKeySpec;
import dev.chaperone.api.EventKeySpec.Algorithm;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import javax.crypto.spec.SecretKeySpec;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Which signature is good for which event.
class SignedEventTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Map<String, String> HEADER =
      Map.of("kid", "storage/array-7", "aud", "cluster-a");
  private static final Signer ED = Signer.with(Algorithm.EdDSA);
  private static final Signer PS = Signer.with(Algorithm.PS256);
  private static final String TIME = "2026-11-24T06:00:00.5Z";
  private static final String DATA =
      "{\"companion\": \"storage/agent\", \"n\": 1e3, \"é\": \"<&\"}";

  @ParameterizedTest
  @EnumSource(Algorithm.class)
  void an_event_is_signed_with_its_key_and_with_no_other(Algorithm algorithm) throws Exception {
    Signer signer = Signer.with(algorithm);
    SignedEvent event = received(signer.sign(HEADER, sent()), DATA);

    assertThat(event.keyNamespace() + " " + event.keyName()).isEqualTo("storage array-7");
    assertThat(event.audience()).isEqualTo("cluster-a");
    assertThat(event.isSignedWith(key(signer))).isTrue();
    assertThat(event.isSignedWith(key(Signer.with(algorithm)))).isFalse();
  }

  /// What bindings and Brokers do to it.
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"companion\": \"storage/agent\", \"n\": 1e3, \"é\": \"<&\"}",
        "{\"n\":1000.0,\"é\":\"\\u003c\\u0026\",\"companion\":\"storage/agent\"}",
        "{\n \"\\u00e9\": \"<&\", \"companion\": \"storage\\/agent\", \"n\": 1000}\n"
      })
  void the_signature_fits_however_the_data_is_written(String data) throws Exception {
    assertThat(received(ED.sign(HEADER, sent()), data).isSignedWith(key(ED))).isTrue();
  }

  @ParameterizedTest
  @CsvSource({
    "id, 2",
    "source, /arrays/8",
    "type, dev.chaperone.release",
    "subject, pool",
  })
  void an_event_with_another_attribute_has_no_signature(String name, String value)
      throws Exception {
    Map<String, String> attributes = attributes();
    attributes.put(name, value);
    assertThat(received(ED.sign(HEADER, sent()), attributes, TIME, DATA).isSignedWith(key(ED)))
        .isFalse();
  }

  @Test
  void an_event_of_another_time_or_with_other_data_has_no_signature() throws Exception {
    String jws = ED.sign(HEADER, sent());
    assertThat(received(jws, attributes(), "2026-11-24T06:00:00.51Z", DATA).isSignedWith(key(ED)))
        .isFalse();
    assertThat(
            received(jws, attributes(), "2026-11-24T07:00:00.500+01:00", DATA)
                .isSignedWith(key(ED)))
        .isTrue();
    assertThat(received(jws, DATA.replace("agent", "agents")).isSignedWith(key(ED))).isFalse();
    assertThat(received(jws, "").isSignedWith(key(ED))).isFalse();
  }

  /// The algorithm is the key's, whatever the header says.
  @Test
  void no_header_chooses_how_it_is_verified() throws Exception {
    String form = Signer.canonical(sent());
    var secret = new SecretKeySpec(PS.publicKey().getBytes(StandardCharsets.UTF_8), "HmacSHA256");
    var encoded = new SecretKeySpec(PS.keys().getPublic().getEncoded(), "HmacSHA256");
    String none = "{\"alg\":\"none\",\"kid\":\"storage/array-7\",\"aud\":\"cluster-a\"}";
    for (String jws :
        List.of(
            Signer.sign("HS256", secret, HEADER, form),
            Signer.sign("HS256", encoded, HEADER, form),
            Signer.sign("RS256", PS.keys().getPrivate(), HEADER, form),
            Signer.encoded(none) + "..AA",
            Signer.encoded(none) + ".." + Signer.encoded(form))) {
      assertThat(received(jws, DATA).isSignedWith(key(PS))).as(jws).isFalse();
      assertThat(received(jws, DATA).isSignedWith(key(ED))).as(jws).isFalse();
    }
    assertThat(received(ED.sign(HEADER, sent()), DATA).isSignedWith(garbage())).isFalse();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"alg\":\"EdDSA\",\"kid\":\"storage/a\",\"aud\":\"c\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"EdDSA\",\"kid\":\"storage/a\",\"aud\":\"c\",\"jwk\":{\"kty\":\"OKP\"}}",
        "{\"alg\":\"EdDSA\",\"kid\":\"storage/a\",\"aud\":\"c\",\"jku\":\"https://example.com\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"storage/a\",\"aud\":\"c\",\"x5u\":\"https://example.com\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"storage/a\",\"kid\":\"storage/b\",\"aud\":\"c\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"../a\",\"aud\":\"c\"}",
        "{\"alg\":\"EdDSA\",\"kid\":7,\"aud\":\"c\"}",
        "{\"alg\":\"EdDSA\",\"kid\":\"storage/a\",\"aud\":[\"c\",\"d\"]}",
        "{\"alg\":\"EdDSA\",\"aud\":\"c\"}",
        "{\"alg\":\"EdDSA\"",
        "[]",
        "",
      })
  void a_header_that_asks_for_more_is_refused(String header) {
    assertThatThrownBy(() -> received(Signer.encoded(header) + "..AA", DATA))
        .isInstanceOf(SignedEvent.Unreadable.class);
  }

  @Test
  void what_can_be_no_signed_event_is_refused() throws Exception {
    String jws = ED.sign(HEADER, sent());
    for (String other :
        List.of(
            jws.replace("..", "."),
            jws.replace("..", "." + Signer.encoded(DATA) + "."),
            jws + "=",
            jws.substring(0, jws.indexOf("..") + 2),
            jws + "a".repeat(2000))) {
      assertThatThrownBy(() -> received(other, DATA))
          .as(other)
          .isInstanceOf(SignedEvent.Unreadable.class);
    }
    for (String data :
        List.of(
            "{\"companion\": \"a\", \"companion\": \"b\"}",
            "[".repeat(5000),
            "{\"n\": 1e999}",
            "{} {}",
            "text")) {
      assertThatThrownBy(() -> received(jws, data))
          .as(data)
          .isInstanceOf(SignedEvent.Unreadable.class);
    }
    Map<String, String> attributes = attributes();
    attributes.put("source", "/a%20b");
    assertThatThrownBy(() -> received(jws, attributes, TIME, DATA)).hasMessageContaining("source");
  }

  private static EventKeySpec key(Signer signer) {
    return new EventKeySpec(
        signer.algorithm(), signer.publicKey(), List.of(), List.of(), List.of(), "1h", null);
  }

  private static EventKeySpec garbage() {
    return new EventKeySpec(
        Algorithm.EdDSA,
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
        List.of(),
        List.of(),
        List.of(),
        "1h",
        null);
  }

  private static ObjectNode sent() throws JsonProcessingException {
    return Signer.event("1", "/arrays/7", "dev.chaperone.hold", TIME, JSON.readTree(DATA));
  }

  private static Map<String, String> attributes() {
    return new HashMap<>(
        Map.of(
            "specversion", "1.0", "id", "1", "source", "/arrays/7", "type", "dev.chaperone.hold"));
  }

  private static SignedEvent received(String jws, String data) throws SignedEvent.Unreadable {
    return received(jws, attributes(), TIME, data);
  }

  private static SignedEvent received(
      String jws, Map<String, String> attributes, String time, String data)
      throws SignedEvent.Unreadable {
    Instant at = java.time.OffsetDateTime.parse(time).toInstant();
    return new SignedEvent(jws, attributes, at, data.getBytes(StandardCharsets.UTF_8));
  }
}
