package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.EventKey;
import dev.chaperone.api.EventKeySpec;
import dev.chaperone.api.EventKeySpec.Algorithm;
import dev.chaperone.api.EventKeySpec.Permission;
import dev.chaperone.api.EventKeyStatus;
import dev.chaperone.decide.EventKeyUse.Claim;
import dev.chaperone.decide.EventKeyUse.Finish;
import dev.chaperone.decide.HoldRequest.SignedBy;
import dev.chaperone.decide.SignalEvent.Ask;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What a key may ask for, and which of its events are the newest.
class EventKeyUseTest {
  private static final Instant NOW = Instant.parse("2026-11-24T06:00:00Z");

  private final EventKey key = key("", null);

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "-",
      value = {
        "hold | /arrays/7 | storage/agent | 2h | - | -",
        "hold | /arrays/7 | storage/agent | 4h | 2026-11-24T06:00:01Z | -",
        "hold | /arrays/7 | storage/agent | 4h | 2026-11-24T06:00:00Z | it ended at 2026-11-24T06:00:00Z",
        "hold | /arrays/7 | storage/agent | 4h | 2026-02-30T06:00:00Z | it ended at 2026-02-30T06:00:00Z",
        "hold | /arrays/7 | storage/agent | 241m | - | a hold needs a ttl of at most 4h",
        "hold | /arrays/7 | storage/agent | - | - | a hold needs a ttl of at most 4h",
        "hold | /arrays/8 | storage/agent | 2h | - | it has no source /arrays/8",
        "hold | /arrays/7 | storage/other | 2h | - | it has no Companion storage/other",
        "hold | /arrays/7 | another/agent | 2h | - | it has no Companion another/agent",
        "release | /arrays/7 | storage/agent | - | - | -",
        "release | /arrays/7 | another/agent | - | - | it has no Companion another/agent",
      })
  void a_key_may_ask_for_what_it_names(
      String what, String source, String companion, String ttl, String notAfter, String why) {
    String[] name = companion.split("/", 2);
    HoldRequest request = new HoldRequest(new CompanionRef(name[0], name[1]), source, "pool");
    Ask ask =
        what.equals("hold")
            ? new Ask.ToHold(request, "rebuilding", null, Durations.parse(ttl))
            : new Ask.ToRelease(request);
    EventKeyUse use = new EventKeyUse(key("", notAfter), ask, by("1", NOW));
    assertThat(use.whyForbidden(NOW)).isEqualTo(Optional.ofNullable(why));
  }

  @Test
  void a_key_that_may_only_hold_releases_nothing_and_the_other_way_round() {
    EventKey holds = key("Hold", null);
    EventKey releases = key("Release", null);
    assertThat(new EventKeyUse(holds, hold(), by("1", NOW)).whyForbidden(NOW)).isEmpty();
    assertThat(new EventKeyUse(holds, release(), by("1", NOW)).whyForbidden(NOW))
        .contains("it may not Release");
    assertThat(new EventKeyUse(releases, release(), by("1", NOW)).whyForbidden(NOW)).isEmpty();
    assertThat(new EventKeyUse(releases, hold(), by("1", NOW)).whyForbidden(NOW))
        .contains("it may not Hold");
  }

  /// A key that is deleted and made again has forgotten what it accepted.
  @Test
  void a_key_confirms_nothing_that_is_older_than_itself() {
    key.getMetadata().setCreationTimestamp(NOW.toString());
    assertThat(use(hold(), "1", NOW.minusMillis(1)).whyForbidden(NOW))
        .contains("it is newer than the event");
    assertThat(use(hold(), "1", NOW).whyForbidden(NOW)).isEmpty();
  }

  @Test
  void an_event_is_in_time_for_minutes() {
    assertThat(EventKeyUse.isInTime(NOW, NOW)).isTrue();
    assertThat(EventKeyUse.isInTime(NOW.minus(EventKeyUse.WINDOW).plusMillis(1), NOW)).isTrue();
    assertThat(EventKeyUse.isInTime(NOW.minus(EventKeyUse.WINDOW), NOW)).isFalse();
    assertThat(EventKeyUse.isInTime(NOW.plus(EventKeyUse.AHEAD), NOW)).isFalse();
  }

  @Test
  void an_event_is_done_once_and_again_only_if_it_was_not_finished() {
    EventKeyUse first = use(hold(), "1", NOW);
    accept(((Claim.ToDo) first.claim(NOW)).status());
    assertThat(use(hold(), "1", NOW).claim(NOW)).isEqualTo(new Claim.ToDo(Optional.empty()));

    key.setStatus(((Finish.Done) use(hold(), "1", NOW).finish(NOW)).status());
    assertThat(use(hold(), "1", NOW).claim(NOW)).isEqualTo(new Claim.Done());
  }

  @Test
  void an_event_that_is_not_newer_than_the_last_of_its_hold_is_late() {
    accept(((Claim.ToDo) use(hold(), "1", NOW).claim(NOW)).status());
    assertThat(use(hold(), "2", NOW).claim(NOW)).isInstanceOf(Claim.Late.class);
    assertThat(use(release(), "2", NOW.minusNanos(1)).claim(NOW)).isInstanceOf(Claim.Late.class);
    assertThat(use(hold(), "1", NOW.minusNanos(1)).claim(NOW)).isInstanceOf(Claim.Late.class);

    accept(((Claim.ToDo) use(release(), "2", NOW.plusNanos(1)).claim(NOW)).status());
    assertThat(use(hold(), "1", NOW).claim(NOW)).isInstanceOf(Claim.Late.class);
    assertThat(use(hold(), "1", NOW).finish(NOW)).isEqualTo(new Finish.Overtaken(true));
  }

  @Test
  void events_of_different_holds_do_not_wait_for_each_other() {
    accept(((Claim.ToDo) use(hold(), "1", NOW).claim(NOW)).status());
    assertThat(use(hold("another"), "2", NOW.minusSeconds(60)).claim(NOW))
        .isInstanceOf(Claim.ToDo.class);
  }

  @Test
  void what_is_too_old_to_come_again_is_forgotten_and_nothing_before() {
    accept(((Claim.ToDo) use(hold("old"), "1", NOW).claim(NOW)).status());
    Instant later = NOW.plus(EventKeyUse.WINDOW.multipliedBy(2));
    accept(((Claim.ToDo) use(hold(), "2", later).claim(later)).status());
    assertThat(key.getStatus().accepted()).hasSize(2);
    later = later.plusMillis(1);
    accept(((Claim.ToDo) use(hold(), "3", later).claim(later)).status());
    assertThat(key.getStatus().accepted())
        .singleElement()
        .satisfies(it -> assertThat(it.id()).isEqualTo("3"));
  }

  @Test
  void a_key_that_asks_for_too_much_has_to_wait_and_forgets_nothing() {
    for (int i = 0; i < 200; i++) {
      accept(((Claim.ToDo) use(hold("key-" + i), "1", NOW).claim(NOW)).status());
    }
    assertThat(use(hold("one-more"), "1", NOW).claim(NOW)).isEqualTo(new Claim.TooMuch());
    assertThat(use(hold("key-7"), "2", NOW.plusSeconds(1)).claim(NOW))
        .isInstanceOf(Claim.ToDo.class);
  }

  private EventKeyUse use(Ask ask, String id, Instant time) {
    return new EventKeyUse(key, ask, by(id, time));
  }

  private void accept(Optional<EventKeyStatus> status) {
    key.setStatus(status.orElseThrow());
  }

  private static SignedBy by(String id, Instant time) {
    return new SignedBy("storage/array-7", id, time);
  }

  private static Ask hold() {
    return hold("pool");
  }

  private static Ask hold(String key) {
    return new Ask.ToHold(request(key), "rebuilding", null, Optional.of(Duration.ofHours(1)));
  }

  private static Ask release() {
    return new Ask.ToRelease(request("pool"));
  }

  private static HoldRequest request(String key) {
    return new HoldRequest(new CompanionRef("storage", "agent"), "/arrays/7", key);
  }

  private static EventKey key(String may, String notAfter) {
    EventKey key = new EventKey();
    key.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace("storage")
            .withName("array-7")
            .withCreationTimestamp("2026-11-01T00:00:00Z")
            .build());
    key.setSpec(
        new EventKeySpec(
            Algorithm.EdDSA,
            "-----BEGIN PUBLIC KEY-----",
            List.of("/arrays/7"),
            List.of("agent"),
            switch (may) {
              case "Hold" -> List.of(Permission.Hold);
              case "Release" -> List.of(Permission.Release);
              default -> List.of(Permission.values());
            },
            "4h",
            notAfter));
    return key;
  }
}
