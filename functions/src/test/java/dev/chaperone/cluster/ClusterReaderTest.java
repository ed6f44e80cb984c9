package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpHandler;
import dev.chaperone.api.Companion;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.GuardSettings;
import dev.chaperone.decide.KnownFacts;
import dev.chaperone.decide.ObjectRef;
import dev.chaperone.decide.Occasion;
import dev.chaperone.decide.Scope;
import dev.chaperone.decide.Settings;
import dev.chaperone.decide.Written;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What is known after a read that fails: that there is nothing, or nothing at all.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ClusterReaderTest {
  /// Each cell says what comes of it: `absent`, which is an answer, or the event is sent again
  /// (`away`). A list whose pages are no longer there is answered with 410.
  private static final String TABLE =
      """
      answer       none  garbled  401   403     404     410   429   500   503
      pulse        away  away     away  absent  absent  away  away  away  away
      hold         away  away     away  away    absent  away  away  away  away
      exists       away  away     away  away    absent  away  away  away  away
      knownFacts   away  away     away  away    absent  away  away  away  away
      holds        away  away     away  away    away    away  away  away  away
      everyone     away  away     away  away    away    away  away  away  away
      listening    away  away     away  away    away    away  away  away  away
      concern      away  away     away  away    away    away  away  away  away
      markedNodes  away  away     away  away    away    away  away  away  away
      survey       away  away     away  away    away    away  away  away  away
      read         away  away     away  away    away    away  away  away  away
      evictions    absent absent  absent absent absent  absent absent absent absent
      """;

  private static final List<List<String>> ROWS =
      TABLE.lines().map(it -> List.of(it.split(" +"))).toList();

  private static final int OK = 200;
  private static final int NOT_FOUND = 404;
  private static final int UNAVAILABLE = 503;
  private static final Instant NOW = Instant.parse("2026-11-24T06:00:00Z");
  private static final CompanionRef AGENT = new CompanionRef("storage", "agent");
  private static final ObjectRef REBUILD = new ObjectRef("Hold", "storage", "rebuild");
  private static final ObjectRef TARGET = new ObjectRef("DaemonSet", "storage", "node");

  private final FailingApi api = new FailingApi(Duration.ofSeconds(30));
  private final ClusterReader reader =
      new ClusterReader(
          api.client(),
          Optional.empty(),
          new GuardConfig(
              "pause:3",
              Optional.empty(),
              Optional.empty(),
              Optional.empty(),
              Optional.empty(),
              Optional.empty(),
              Optional.empty(),
              Optional.empty()),
          true,
          true,
          Optional.empty(),
          "chaperone",
          "chaperone-pulse");
  private volatile HttpHandler answers = exchange -> FailingApi.fail(exchange, NOT_FOUND);

  @BeforeAll
  void start() {
    api.on("/", exchange -> answers.handle(exchange));
  }

  @AfterAll
  void stop() {
    api.close();
  }

  static Stream<List<String>> rows() {
    return ROWS.stream().skip(1);
  }

  @ParameterizedTest
  @MethodSource("rows")
  void only_absence_is_an_answer(List<String> row) {
    List<String> outcomes =
        ROWS.getFirst().stream()
            .skip(1)
            .map(
                answer -> {
                  answers =
                      switch (answer) {
                        case "none" -> exchange -> FailingApi.fail(exchange, FailingApi.NO_ANSWER);
                        case "garbled" ->
                            exchange -> FailingApi.answer(exchange, OK, "<html>Log in</html>");
                        case String code ->
                            exchange -> FailingApi.fail(exchange, Integer.parseInt(code));
                      };
                  return outcome(row.getFirst());
                })
            .toList();

    assertThat(outcomes).isEqualTo(row.subList(1, row.size()));
  }

  @Test
  void a_failure_is_told_with_what_could_not_be_read_and_in_the_words_of_the_api_server() {
    answers = exchange -> FailingApi.fail(exchange, UNAVAILABLE);

    assertThatThrownBy(() -> reader.hold(REBUILD))
        .hasMessage("Cannot read Hold storage/rebuild: answered with 503");
    assertThatThrownBy(() -> reader.holds(AGENT))
        .hasMessage("Cannot read Holds of Companion storage/agent: answered with 503");
    assertThatThrownBy(reader::pulse)
        .hasMessage("Cannot read PingSource chaperone-pulse: answered with 503");
  }

  /// The first read fences the decision, so all others have to be of the same Companion.
  @Test
  void a_companion_that_is_another_when_the_rest_is_read_is_read_anew() {
    assertThat(isLost(companion("1", 1))).isFalse();
    assertThat(isLost(companion("1", 2))).isTrue();
    assertThat(isLost(companion("2", 1))).isTrue();
    assertThat(isLost("")).isTrue();
  }

  @Test
  void after_the_deadline_nothing_is_read() {
    Deadline past = Deadline.in(Duration.ZERO);

    assertThatThrownBy(() -> reader.knownFacts(AGENT, NOW, past))
        .isInstanceOf(Unavailable.class)
        .hasMessage("Out of time before: reading Companion storage/agent; the API server is slow");
    assertThatThrownBy(() -> reader.survey(1, NOW, past)).isInstanceOf(Unavailable.class);
  }

  private String outcome(String read) {
    try {
      boolean seen =
          switch (read) {
            case "pulse" -> reader.pulse().isPresent();
            case "hold" -> reader.hold(REBUILD).isPresent();
            case "exists" -> reader.exists(AGENT);
            case "knownFacts" -> reader.knownFacts(AGENT, NOW, soon()).isPresent();
            case "holds" -> !reader.holds(AGENT).isEmpty();
            case "everyone" -> !reader.everyone(soon()).isEmpty();
            case "listening" -> !reader.listening("alert", soon()).isEmpty();
            case "concern" -> !reader.concern(TARGET, NOW, soon()).companions().isEmpty();
            case "markedNodes" -> !reader.markedNodes(true).isEmpty();
            case "survey" ->
                reader.survey(1, NOW, soon()).of(AGENT, false, Written.NOTHING).isPresent();
            case "read" -> {
              reader.read(known(), Occasion.CHANGE, new Room(1).place(), soon());
              yield true;
            }
            // Nothing that blocks depends on them.
            case "evictions" ->
                new EvictionReader(api.client(), known().settings()).of(AGENT).served();
            default -> throw new IllegalArgumentException(read);
          };
      return seen ? "seen" : "absent";
    } catch (Unavailable e) {
      return "away";
    } catch (LostRace e) {
      return "race";
    }
  }

  /// Whether the decision on the known facts has lost a race.
  ///
  /// @param now the Companions that a list finds now, as JSON
  private boolean isLost(String now) {
    answers =
        exchange -> {
          String path = exchange.getRequestURI().getPath();
          if (path.endsWith("s")) {
            FailingApi.answer(
                exchange,
                OK,
                "{\"metadata\": {}, \"items\": [%s]}"
                    .formatted(path.endsWith("/companions") ? now : ""));
          } else {
            FailingApi.fail(exchange, NOT_FOUND);
          }
        };
    return outcome("read").equals("race");
  }

  private static KnownFacts known() {
    return new KnownFacts(
        NOW,
        new Settings(Scope.CLUSTER, GuardSettings.of("pause:3"), false, true, null),
        Serialization.unmarshal(companion("1", 1), Companion.class),
        List.of(),
        List.of(),
        null);
  }

  private static String companion(String uid, int generation) {
    return """
    {"apiVersion": "chaperone.dev/v1alpha1", "kind": "Companion",
     "metadata": {"namespace": "storage", "name": "agent", "uid": "%s", "generation": %d},
     "spec": {
       "targetRef": {"name": "node"},
       "disruption": {"policy": "Auto", "protect": ["Pods", "Nodes"], "maxUnavailable": 1, "failurePolicy": "Hold"}}}
    """
        .formatted(uid, generation);
  }

  private static Deadline soon() {
    return Deadline.in(Duration.ofMinutes(1));
  }
}
