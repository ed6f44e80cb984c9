package dev.chaperone.functions;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.decide.Answer;
import dev.chaperone.decide.Answer.Result;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Reason;
import io.quarkus.vertx.http.runtime.CurrentVertxRequest;
import java.util.List;
import org.junit.jupiter.api.Test;

class RepliesTest {
  private static final CompanionRef AGENT = new CompanionRef("storage", "agent");

  private final Replies replies = new Replies(new CurrentVertxRequest());

  @Test
  void an_answer_that_is_no_longer_so_is_not_told() {
    replies.seen(answer(Result.HELD), true);
    replies.seen(answer(Result.HELD), false);
    assertThat(replies.areWaiting(List.of(AGENT))).isTrue();

    // Another process told of the turn.
    replies.seen(answer(Result.ALLOWED), false);
    assertThat(replies.areWaiting(List.of(AGENT))).isFalse();
  }

  @Test
  void an_answer_of_a_companion_that_is_gone_is_not_told() {
    replies.seen(answer(Result.HELD), true);
    replies.retain(List.of());

    assertThat(replies.areWaiting(List.of(AGENT))).isFalse();
  }

  private static Answer answer(Result result) {
    return new Answer(AGENT, result, Reason.Hold, "a test");
  }
}
