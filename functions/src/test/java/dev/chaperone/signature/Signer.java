package dev.chaperone.signature;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.chaperone.api.EventKeySpec.Algorithm;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.util.Base64;
import java.util.Map;
import org.erdtman.jcs.JsonCanonicalizer;
import org.jose4j.jwa.AlgorithmConstraints;
import org.jose4j.jws.JsonWebSignature;

/// Signs events for tests, right or wrong.
public record Signer(Algorithm algorithm, KeyPair keys) {
  private static final ObjectMapper JSON = new ObjectMapper();

  public static Signer with(Algorithm algorithm) {
    try {
      KeyPairGenerator generator =
          KeyPairGenerator.getInstance(algorithm == Algorithm.EdDSA ? "Ed25519" : "RSA");
      if (algorithm != Algorithm.EdDSA) {
        generator.initialize(2048);
      }
      return new Signer(algorithm, generator.generateKeyPair());
    } catch (java.security.GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /// As `openssl pkey -pubout` writes it.
  public String publicKey() {
    return pem("PUBLIC KEY", keys.getPublic().getEncoded());
  }

  /// An EventKey in YAML with the public key, for the source `/arrays/7` and the Companion `agent`.
  ///
  /// @param more of its spec, each in one line
  public String eventKey(String namespace, String name, String... more) {
    return """
    apiVersion: chaperone.dev/v1alpha1
    kind: EventKey
    metadata: {name: %s, namespace: %s}
    spec:
      algorithm: %s
      publicKey: "%s"
      sources: [/arrays/7]
      companions: [agent]
      maxHoldDuration: 4h
      %s
    """
        .formatted(
            name,
            namespace,
            algorithm,
            publicKey().replace("\n", "\\n"),
            String.join("\n  ", more));
  }

  /// As `openssl genpkey` writes it.
  public String privateKey() {
    return pem("PRIVATE KEY", keys.getPrivate().getEncoded());
  }

  private static String pem(String what, byte[] key) {
    return "-----BEGIN %1$s-----\n%2$s\n-----END %1$s-----\n"
        .formatted(what, Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key));
  }

  /// The signature of an event.
  ///
  /// @param event in JSON, without the signature
  public String sign(Map<String, String> header, JsonNode event) {
    return sign(algorithm.name(), keys.getPrivate(), header, canonical(event));
  }

  /// A signature of anything, with anything.
  public static String sign(
      String algorithm, java.security.Key key, Map<String, String> header, String payload) {
    try {
      JsonWebSignature signature = new JsonWebSignature();
      signature.setAlgorithmConstraints(AlgorithmConstraints.NO_CONSTRAINTS);
      signature.setDoKeyValidation(false);
      signature.setAlgorithmHeaderValue(algorithm);
      header.forEach(signature::setHeader);
      signature.setKey(key);
      signature.setPayload(payload);
      return signature.getDetachedContentCompactSerialization();
    } catch (org.jose4j.lang.JoseException e) {
      throw new IllegalStateException(e);
    }
  }

  /// By RFC 8785.
  public static String canonical(JsonNode event) {
    try {
      return new JsonCanonicalizer(JSON.writeValueAsString(event)).getEncodedString();
    } catch (java.io.IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /// base64url.
  public static String encoded(String text) {
    return Base64.getUrlEncoder()
        .withoutPadding()
        .encodeToString(text.getBytes(StandardCharsets.UTF_8));
  }

  /// An event in JSON.
  public static ObjectNode event(
      String id, String source, String type, String time, JsonNode data) {
    ObjectNode event = JSON.createObjectNode();
    event.put("specversion", "1.0").put("id", id).put("source", source);
    event.put("type", type).put("time", time);
    event.set("data", data);
    return event;
  }
}
