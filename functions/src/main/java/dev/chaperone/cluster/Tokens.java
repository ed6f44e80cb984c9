package dev.chaperone.cluster;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// Which tokens are worth a question. Anybody can send any number of them, and only the API server
/// knows whether one is good; but most of those that are not can be told by looking at them, or
/// were asked about just now. What is left is asked about so often a second and no more, and who is
/// known to have a good token is not kept waiting by those who have none.
final class Tokens {
  private static final ObjectMapper JSON = JsonMapper.builder().build();
  private static final Pattern JWT = Pattern.compile("[\\w-]+\\.[\\w-]+\\.[\\w-]+");

  /// Kubernetes' own: clocks differ.
  private static final Duration LEEWAY = Duration.ofMinutes(1);

  private static final Duration REMEMBERED = Duration.ofMinutes(1);
  private static final int MOST_REMEMBERED = 1000;
  private static final int A_SECOND = 20;

  private final String audience;
  private final InstantSource clock;
  private final Memory refused = new Memory();
  private final Memory good = new Memory();
  private final Rate unknown;

  Tokens(String audience, InstantSource clock) {
    this.audience = audience;
    this.clock = clock;
    this.unknown = new Rate(A_SECOND, clock);
  }

  /// Whether the API server has to be asked; if not, the token is nobody's.
  ///
  /// @throws Unavailable when it has been asked too often just now
  boolean isWorthAsking(String token) {
    Instant now = clock.instant();
    if (!isMeantForUs(token, now)) {
      return false;
    }
    String digest = digest(token);
    synchronized (this) {
      if (refused.has(digest, now)) {
        return false;
      }
      if (!good.has(digest, now) && !unknown.take()) {
        throw new Unavailable("Too many unknown tokens at once");
      }
      return true;
    }
  }

  /// Remembers what the API server said.
  synchronized void answered(String token, boolean isGood) {
    Instant now = clock.instant();
    (isGood ? good : refused).putLast(digest(token), now);
  }

  /// By what it says itself, which may be a lie: a JWT for this audience that has not expired.
  private boolean isMeantForUs(String token, Instant now) {
    if (!JWT.matcher(token).matches()) {
      return false;
    }
    String[] parts = token.split("\\.", -1);
    Optional<JsonNode> claims = object(parts[1]);
    return object(parts[0]).isPresent() && claims.isPresent() && isMeantForUs(claims.get(), now);
  }

  private boolean isMeantForUs(JsonNode claims, Instant now) {
    JsonNode audiences = claims.path("aud");
    boolean ours = audiences.isTextual() && audiences.textValue().equals(audience);
    for (JsonNode each : audiences) {
      ours |= each.isTextual() && each.textValue().equals(audience);
    }
    JsonNode end = claims.path("exp");
    return ours && (!end.isNumber() || end.doubleValue() > now.minus(LEEWAY).getEpochSecond());
  }

  private static Optional<JsonNode> object(String part) {
    try {
      return Optional.of(JSON.readTree(Base64.getUrlDecoder().decode(part)))
          .filter(JsonNode::isObject);
    } catch (IOException | IllegalArgumentException | StackOverflowError unreadable) {
      return Optional.empty();
    }
  }

  private static String digest(String token) {
    try {
      byte[] digest =
          MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.US_ASCII));
      return HexFormat.of().formatHex(digest);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  /// What was seen in the last minute; of too much, what was seen last.
  private static final class Memory extends LinkedHashMap<String, Instant> {
    boolean has(String digest, Instant now) {
      Instant seen = get(digest);
      return seen != null && now.isBefore(seen.plus(REMEMBERED));
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<String, Instant> eldest) {
      return size() > MOST_REMEMBERED;
    }
  }
}
