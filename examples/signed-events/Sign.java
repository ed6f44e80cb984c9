import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.erdtman.jcs.JsonCanonicalizer;
import org.jose4j.json.JsonUtil;
import org.jose4j.jws.JsonWebSignature;

/// Signs a CloudEvent that holds or releases, and posts it, or prints it if there is no URL:
///
///     java -cp 'lib/*' Sign.java PS256 array-7.pem storage/array-7 cluster-a /arrays/7
/// dev.chaperone.hold \ '{"companion": "storage/storage-agent", "key": "pool-42", "reason":
/// "rebuilding", "ttl": "2h"}' [URL]
///
/// lib has org.bitbucket.b_c:jose4j, org.slf4j:slf4j-api and
/// io.github.erdtman:java-json-canonicalization. The private key is PEM, PKCS 8.
void main(String[] args) throws Exception {
  Map<String, Object> event = new TreeMap<>();
  event.put("specversion", "1.0");
  event.put("id", UUID.randomUUID().toString());
  event.put("source", args[4]);
  event.put("type", args[5]);
  // Whole seconds: a fraction must have no trailing zeros.
  event.put("time", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
  event.put("data", JsonUtil.parseJson(args[6]));

  JsonWebSignature signature = new JsonWebSignature();
  signature.setAlgorithmHeaderValue(args[0]);
  signature.setKeyIdHeaderValue(args[2]);
  signature.setHeader("aud", args[3]);
  signature.setKey(key(args[0], Path.of(args[1])));
  signature.setPayload(new JsonCanonicalizer(JsonUtil.toJson(event)).getEncodedString());
  event.put("jws", signature.getDetachedContentCompactSerialization());

  String signed = JsonUtil.toJson(event);
  IO.println(args.length == 7 ? signed : post(URI.create(args[7]), signed));
}

PrivateKey key(String algorithm, Path pem) throws Exception {
  String base64 = Files.readString(pem).replaceAll("-----[A-Z ]+-----", "");
  return KeyFactory.getInstance(algorithm.equals("EdDSA") ? "Ed25519" : "RSA")
      .generatePrivate(new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(base64)));
}

int post(URI to, String event) throws IOException, InterruptedException {
  return HttpClient.newHttpClient()
      .send(
          HttpRequest.newBuilder(to)
              .header("content-type", "application/cloudevents+json")
              .POST(BodyPublishers.ofString(event))
              .build(),
          BodyHandlers.discarding())
      .statusCode();
}
