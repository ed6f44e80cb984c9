package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import java.time.Duration;
import java.util.concurrent.FutureTask;
import org.junit.jupiter.api.Test;

class RoomTest {
  private static final Deadline LATER = Deadline.in(Duration.ofMinutes(1));

  private final Room room = new Room(2);
  private final Room.Place one = room.place();
  private final Room.Place two = room.place();
  private final Room.Place three = room.place();
  private final Room.Place four = room.place();

  @Test
  void who_finds_no_room_in_time_is_told_so_and_finds_it_once_another_has_gone() {
    one.take(LATER, "the first");
    two.take(LATER, "the second");
    assertFull(three);

    one.close();
    three.take(LATER, "the third");
  }

  @Test
  void who_waits_goes_on_as_soon_as_there_is_room_and_knows_that_it_waited() throws Exception {
    assertThat(one.take(LATER, "the first")).isFalse();
    assertThat(two.take(LATER, "the second")).isFalse();
    FutureTask<Boolean> waits = new FutureTask<>(() -> three.take(LATER, "the third"));
    Thread waiter = Thread.ofVirtual().start(waits);
    await().until(() -> waiter.getState() == Thread.State.TIMED_WAITING);

    one.close();

    assertThat(waits.get()).isTrue();
  }

  @Test
  void a_place_is_one_place_however_often_it_is_taken_or_closed() {
    one.take(LATER, "the first");
    one.take(LATER, "the first again");
    two.take(LATER, "the second");
    one.close();
    one.close();

    three.take(LATER, "the third");
    assertFull(four);
  }

  @Test
  void a_place_that_nobody_took_is_not_given_back() {
    one.take(LATER, "the first");
    two.take(LATER, "the second");
    three.close();

    assertFull(four);
  }

  private static void assertFull(Room.Place place) {
    assertThatThrownBy(() -> place.take(Deadline.in(Duration.ofMillis(10)), "reading it all"))
        .isInstanceOf(Unavailable.class)
        .hasMessageContaining("reading it all");
  }
}
