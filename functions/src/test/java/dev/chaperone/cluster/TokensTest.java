package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokensTest {
  private static final String OURS = "\"aud\": \"chaperone.dev\"";

  private Instant now = Instant.parse("2026-11-24T06:10:00Z");
  private final Tokens tokens = new Tokens("chaperone.dev", () -> now);

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "{\"aud\": \"chaperone.dev\"}; true",
        "{\"aud\": [\"other\", \"chaperone.dev\"]}; true",
        "{\"aud\": [\"other\", \"chaperone.dev\"], \"exp\": 1795500601}; true",
        "{\"aud\": []}; false",
        "{\"aud\": \"chaperone.dev.example.com\"}; false",
        "{\"aud\": {\"chaperone.dev\": \"other\"}}; false",
        "{}; false",
        "[]; false",
        "chaperone.dev; false",
      })
  void only_a_token_for_this_audience_is_worth_asking(String claims, boolean worth) {
    assertThat(tokens.isWorthAsking(jwt(claims))).isEqualTo(worth);
  }

  @Test
  void one_that_has_expired_is_not_once_clocks_cannot_differ_so_much() {
    long second = now.getEpochSecond();

    assertThat(tokens.isWorthAsking(jwt("{%s, \"exp\": %d}".formatted(OURS, second - 59))))
        .isTrue();
    assertThat(tokens.isWorthAsking(jwt("{%s, \"exp\": %d}".formatted(OURS, second - 60))))
        .isFalse();
  }

  @ParameterizedTest
  @CsvSource({"garbage", "a.b", "a.b.c", "e30.e30.", "..", "e30.e30.c.d", "e30.e30==.c"})
  void what_is_no_token_is_not(String garbage) {
    assertThat(tokens.isWorthAsking(garbage)).isFalse();
  }

  @Test
  void one_that_was_refused_is_not_for_a_minute() {
    String token = jwt("{" + OURS + "}");
    assertThat(tokens.isWorthAsking(token)).isTrue();
    tokens.answered(token, false);

    now = now.plus(Duration.ofSeconds(59));
    assertThat(tokens.isWorthAsking(token)).isFalse();

    now = now.plusSeconds(1);
    assertThat(tokens.isWorthAsking(token)).isTrue();
  }

  @Test
  void so_many_are_asked_about_in_a_second_besides_those_that_are_known() {
    String known = jwt("{%s, \"jti\": \"known\"}".formatted(OURS));
    assertThat(tokens.isWorthAsking(known)).isTrue();
    tokens.answered(known, true);
    now = now.plusSeconds(1);

    for (int i = 0; i < 20; i++) {
      assertThat(tokens.isWorthAsking(unknown(i))).isTrue();
    }
    assertThatThrownBy(() -> tokens.isWorthAsking(unknown(20))).isInstanceOf(Unavailable.class);
    assertThat(tokens.isWorthAsking(known)).isTrue();

    now = now.plusSeconds(1);
    assertThat(tokens.isWorthAsking(unknown(20))).isTrue();
  }

  private static String unknown(int i) {
    return jwt("{%s, \"jti\": \"%d\"}".formatted(OURS, i));
  }

  private static String jwt(String claims) {
    return part("{\"alg\": \"RS256\"}") + "." + part(claims) + ".c2lnbmF0dXJl";
  }

  private static String part(String json) {
    return Base64.getUrlEncoder()
        .withoutPadding()
        .encodeToString(json.getBytes(StandardCharsets.UTF_8));
  }
}
