package dev.chaperone.signature;

import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.api.EventKeySpec;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.time.temporal.ChronoField;
import java.util.Base64;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.erdtman.jcs.JsonCanonicalizer;
import org.jose4j.base64url.Base64Url;
import org.jose4j.jwa.AlgorithmConstraints;
import org.jose4j.jwa.AlgorithmConstraints.ConstraintType;
import org.jose4j.jws.JsonWebSignature;
import org.jose4j.lang.JoseException;

/// A CloudEvent with a signature over itself: a detached compact JWS (RFC 7515, appendix F) over
/// its signed form, which is the same in each binding and after each Broker.
///
/// The signed form is the event in CloudEvents' JSON format with `specversion`, `id`, `source`,
/// `type`, `time` and, where it has them, `subject` and `data`, canonical by RFC 8785. What else an
/// event has, a Broker may add or change. `time` is in UTC with `Z` and a fraction without trailing
/// zeros, as Knative's Brokers write it.
public final class SignedEvent {
  private static final int MAX_LENGTH = 256;

  private static final Pattern JWS = Pattern.compile("([\\w-]{1,1024})\\.\\.[\\w-]{1,1024}");
  private static final Pattern KEY_ID =
      Pattern.compile("([a-z0-9][-a-z0-9]{0,62})/([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)");

  /// Everything else would be written in another way by some binding: percent-encoded, or not.
  private static final Pattern PLAIN = Pattern.compile("[!#$&-~]{1," + MAX_LENGTH + "}");

  /// Nothing that would have to be understood, and no key of the sender's own.
  private static final Set<String> HEADER = Set.of("alg", "kid", "aud", "typ");

  private static final DateTimeFormatter TIME =
      new DateTimeFormatterBuilder()
          .appendPattern("uuuu-MM-dd'T'HH:mm:ss")
          .appendFraction(ChronoField.NANO_OF_SECOND, 0, 9, true)
          .appendLiteral('Z')
          .toFormatter()
          .withZone(ZoneOffset.UTC);

  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final String jws;
  private final JsonNode header;
  private final Matcher keyId;
  private final byte[] signed;

  /// @param jws the header and the signature, with nothing in between
  /// @param attributes as text, but for `time`
  /// @param data empty: it has none
  /// @throws Unreadable when it could be no signed event, whatever the key
  public SignedEvent(String jws, Map<String, String> attributes, Instant time, byte[] data)
      throws Unreadable {
    this.jws = jws;
    this.header = header(jws);
    this.keyId = KEY_ID.matcher(text("kid"));
    if (!keyId.matches()) {
      throw new Unreadable("kid must be namespace/name of an EventKey");
    }
    this.signed = signedForm(attributes, time, data);
  }

  /// Cannot be what it should be.
  public static final class Unreadable extends Exception {
    Unreadable(String message) {
      super(message);
    }
  }

  /// Where the key is that it says it is signed with.
  public String keyNamespace() {
    return keyId.group(1);
  }

  /// What the key is called that it says it is signed with.
  public String keyName() {
    return keyId.group(2);
  }

  /// The cluster that it says it is meant for.
  public String audience() {
    return text("aud");
  }

  /// Whether whoever has this key signed this event, all of what [SignedEvent] says.
  public boolean isSignedWith(EventKeySpec key) {
    String algorithm = key.algorithm().name();
    if (!text("alg").equals(algorithm)) {
      return false;
    }
    try {
      JsonWebSignature signature = new JsonWebSignature();
      signature.setAlgorithmConstraints(new AlgorithmConstraints(ConstraintType.PERMIT, algorithm));
      signature.setCompactSerialization(jws.replace("..", "." + Base64Url.encode(signed) + "."));
      signature.setKey(publicKey(key));
      return signature.verifySignature();
    } catch (JoseException | GeneralSecurityException | IllegalArgumentException e) {
      return false;
    }
  }

  private static PublicKey publicKey(EventKeySpec key) throws GeneralSecurityException {
    byte[] encoded =
        Base64.getMimeDecoder().decode(key.publicKey().replaceAll("-----[A-Z ]+-----", ""));
    return KeyFactory.getInstance(
            switch (key.algorithm()) {
              case RS256, PS256 -> "RSA";
              case EdDSA -> "Ed25519";
            })
        .generatePublic(new X509EncodedKeySpec(encoded));
  }

  private String text(String name) {
    return header.path(name).asText();
  }

  private static JsonNode header(String jws) throws Unreadable {
    Matcher parts = JWS.matcher(jws);
    if (!parts.matches()) {
      throw new Unreadable("it must be a compact JWS without its payload: header..signature");
    }
    JsonNode header = parse(decode(parts.group(1)), "its header");
    for (Map.Entry<String, JsonNode> parameter : header.properties()) {
      if (!HEADER.contains(parameter.getKey()) || !parameter.getValue().isTextual()) {
        throw new Unreadable("its header must have alg, kid and aud, each a string, and no more");
      }
    }
    return header;
  }

  private static byte[] decode(String part) throws Unreadable {
    try {
      return Base64.getUrlDecoder().decode(part);
    } catch (IllegalArgumentException e) {
      throw new Unreadable("its header is not base64url");
    }
  }

  private static JsonNode parse(byte[] json, String what) throws Unreadable {
    try {
      JsonNode parsed = JSON.readTree(json);
      if (parsed.isObject()) {
        return parsed;
      }
    } catch (IOException | StackOverflowError e) {
      // As any other that is no object.
    }
    throw new Unreadable(what + " must be a JSON object that has each name once");
  }

  private static byte[] signedForm(Map<String, String> attributes, Instant time, byte[] data)
      throws Unreadable {
    ObjectNode event = JSON.createObjectNode();
    for (Map.Entry<String, String> attribute : attributes.entrySet()) {
      if (!PLAIN.matcher(attribute.getValue()).matches()) {
        throw new Unreadable(
            "%s of a signed event must be 1 to %d characters of ASCII without spaces, \" and %%"
                .formatted(attribute.getKey(), MAX_LENGTH));
      }
      event.put(attribute.getKey(), attribute.getValue());
    }
    event.put("time", TIME.format(time));
    if (data.length > 0) {
      event.set("data", parse(data, "data"));
    }
    try {
      return new JsonCanonicalizer(JSON.writeValueAsString(event))
          .getEncodedString()
          .getBytes(StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new Unreadable("data has no canonical form (RFC 8785): " + e.getMessage());
    }
  }
}
