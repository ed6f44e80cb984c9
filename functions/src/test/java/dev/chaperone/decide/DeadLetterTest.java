package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.Companion;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.time.Instant;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DeadLetterTest {
  private static final Instant NOW = Instant.parse("2026-11-24T06:10:00Z");
  private static final String HOLD = "dev.chaperone.hold";

  @ParameterizedTest
  @CsvSource({
    "400, EventRefused", "401, EventRefused", "403, EventRefused", "422, EventRefused",
    "404, EventLost", "408, EventLost", "409, EventLost", "429, EventLost",
    "500, EventLost", "502, EventLost", "503, EventLost"
  })
  void what_is_never_sent_again_was_refused_and_the_rest_was_lost(int status, String reason) {
    assertThat(letter(HOLD, OptionalInt.of(status), "").reason()).isEqualTo(reason);
  }

  @Test
  void without_an_answer_it_was_lost() {
    DeadLetter letter = letter(HOLD, OptionalInt.empty(), "");

    assertThat(letter.reason()).isEqualTo("EventLost");
    assertThat(letter.message())
        .isEqualTo(
            "Event dev.chaperone.hold 3 of /alerts was not processed: no answer by"
                + " http://functions."
                + " It held and released nothing: send it again when that is repaired");
  }

  @Test
  void what_others_wrote_is_one_short_line() {
    String message =
        new DeadLetter(
                "t".repeat(500),
                "1\r\nFake: line",
                "s".repeat(500),
                "d".repeat(500),
                OptionalInt.of(500),
                "a\n\u0007b".repeat(500))
            .message();

    assertThat(message).hasSizeLessThan(1024).doesNotContain("\n", "\r", "\u0007");
  }

  @Test
  void the_same_kind_of_event_is_told_once_an_hour_whoever_sent_it() {
    String first = name(letter(HOLD, OptionalInt.of(401), "one"), NOW);

    assertThat(name(letter(HOLD, OptionalInt.of(403), "another"), NOW.plusSeconds(60)))
        .isEqualTo(first);
    assertThat(name(letter(HOLD, OptionalInt.of(401), "one"), NOW.plusSeconds(3600)))
        .isNotEqualTo(first);
    assertThat(name(letter(HOLD, OptionalInt.of(503), "one"), NOW)).isNotEqualTo(first);
    assertThat(name(letter("dev.chaperone.release", OptionalInt.of(401), "one"), NOW))
        .isNotEqualTo(first);
  }

  @Test
  void changes_are_told_once_an_hour_whatever_type_is_made_up_for_them() {
    Set<String> names =
        IntStream.range(0, 1000)
            .mapToObj(i -> letter("dev.knative.apiserver." + i, OptionalInt.of(503), "one"))
            .map(letter -> name(letter, NOW))
            .collect(Collectors.toSet());

    assertThat(names).hasSize(1);
  }

  private static String name(DeadLetter letter, Instant now) {
    Companion companion = new Companion();
    companion.setMetadata(new ObjectMetaBuilder().withName("agent").build());
    return ((Change.TellOnce) letter.tell(companion, now)).name();
  }

  private static DeadLetter letter(String type, OptionalInt status, String answer) {
    return new DeadLetter(type, "3", "/alerts", "http://functions", status, answer);
  }
}
