package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.net.httpserver.HttpHandler;
import dev.chaperone.api.Companion;
import dev.chaperone.api.EventKey;
import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import dev.chaperone.decide.Change;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.DrainBlocked;
import dev.chaperone.decide.Placement;
import dev.chaperone.decide.Written;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.IntOrString;
import io.fabric8.kubernetes.api.model.Node;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.NodeConditionBuilder;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.api.model.apps.DaemonSetBuilder;
import io.fabric8.kubernetes.api.model.coordination.v1.LeaseBuilder;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudget;
import io.fabric8.kubernetes.api.model.policy.v1.PodDisruptionBudgetBuilder;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What comes of each kind of change, by what the API server answers.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ClusterWriterTest {
  private static final int OK = 200;
  private static final int CREATED = 201;
  private static final int FORBIDDEN = 403;
  private static final int NOT_FOUND = 404;

  /// Each cell says what comes of it:
  ///
  /// - `done`: as good as success
  /// - `refused`: told, and not tried again before something changes
  /// - `failed`: told, and the event is sent again
  /// - `race`: read and decided anew
  private static final String TABLE =
      """
      answer       none    400      401     403      404      409   410     422      429     500     503
      Create       failed  refused  failed  refused  refused  race  failed  refused  failed  failed  failed
      Replace      failed  refused  failed  refused  refused  race  failed  refused  failed  failed  failed
      Apply        failed  refused  failed  refused  refused  race  failed  refused  failed  failed  failed
      Place        failed  refused  failed  refused  refused  race  failed  refused  failed  failed  failed
      Bind         failed  refused  failed  refused  done     done  failed  refused  failed  failed  failed
      SetApart     failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      Delete       failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      Report       failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      ReportHold   failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      Respond      failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      Renew        failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      ReportKey    failed  refused  failed  refused  refused  race  failed  refused  failed  failed  failed
      SetSchedule  failed  refused  failed  refused  done     done  failed  refused  failed  failed  failed
      Mark         failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      Unmark       failed  refused  failed  refused  done     race  failed  refused  failed  failed  failed
      Tell         done    done     done    done     done     done  done    done     done    done    done
      TellOnce     failed  refused  failed  refused  refused  done  failed  refused  failed  failed  failed
      """;

  private static final List<List<String>> ROWS =
      TABLE.lines().map(it -> List.of(it.split(" +"))).toList();

  private static final ObjectMeta NAME =
      new ObjectMetaBuilder()
          .withNamespace("storage")
          .withName("a")
          .withUid("1")
          .withResourceVersion("1")
          .withGeneration(1L)
          .build();

  private static final Node NODE =
      new NodeBuilder()
          .withNewMetadata()
          .withName("n")
          .endMetadata()
          .withNewStatus()
          .addNewCondition()
          .withType(DrainBlocked.CONDITION)
          .withMessage("Companion storage/agent blocks the drain")
          .endCondition()
          .endStatus()
          .build();

  private final FailingApi api = new FailingApi(Duration.ofSeconds(30));
  private final ClusterWriter writer = new ClusterWriter(api.client());
  private volatile HttpHandler writes = exchange -> FailingApi.fail(exchange, NOT_FOUND);

  /// Nodes can be read, and nothing else exists.
  @BeforeAll
  void start() {
    api.on(
        "/",
        exchange -> {
          if (!exchange.getRequestMethod().equals("GET")) {
            writes.handle(exchange);
          } else if (exchange.getRequestURI().getPath().equals("/api/v1/nodes/n")) {
            FailingApi.answer(exchange, OK, Serialization.asJson(NODE));
          } else {
            FailingApi.fail(exchange, NOT_FOUND);
          }
        });
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
  void a_change_that_fails_comes_to_what_its_kind_says(List<String> row) {
    List<String> codes = ROWS.getFirst();
    AtomicInteger code = new AtomicInteger();
    writes = exchange -> FailingApi.fail(exchange, code.get());

    List<String> outcomes =
        codes.stream()
            .skip(1)
            .map(
                it -> {
                  code.set(it.equals("none") ? FailingApi.NO_ANSWER : Integer.parseInt(it));
                  return outcome(change(row.getFirst()));
                })
            .toList();

    assertThat(outcomes).isEqualTo(row.subList(1, row.size()));
  }

  @Test
  void every_kind_of_change_has_a_row() {
    assertThat(rows().map(List::getFirst))
        .containsExactlyInAnyOrderElementsOf(
            Stream.of(Change.class.getPermittedSubclasses()).map(Class::getSimpleName).toList());
  }

  @ParameterizedTest
  @MethodSource("rows")
  void in_a_namespace_that_is_being_deleted_no_change_fails(List<String> row) {
    String ending =
        FailingApi.status(FORBIDDEN, "{\"causes\": [{\"reason\": \"NamespaceTerminating\"}]}");
    writes = exchange -> FailingApi.answer(exchange, FORBIDDEN, ending);

    assertThat(outcome(change(row.getFirst()))).isEqualTo("done");
  }

  @Test
  void one_change_that_is_refused_keeps_none_of_the_others_from_being_written() throws LostRace {
    writes =
        exchange -> {
          if (exchange.getRequestURI().getPath().endsWith("/poddisruptionbudgets")) {
            FailingApi.answer(exchange, CREATED, Serialization.asJson(budget()));
          } else {
            FailingApi.fail(exchange, FORBIDDEN);
          }
        };

    Written written =
        writer.write(
            List.of(change("Bind"), change("Create"), change("Report")),
            Deadline.in(Duration.ofMinutes(1)));

    assertThat(written.stored()).extracting(it -> it.getMetadata().getName()).containsExactly("a");
    assertThat(written.refused())
        .extracting(Written.Refusal::message)
        .containsExactly(
            "bind Pod storage/a to n: answered with 403",
            "status of Companion storage/a: answered with 403");
  }

  @Test
  void a_change_without_an_answer_says_so() throws LostRace {
    writes = exchange -> FailingApi.fail(exchange, FailingApi.NO_ANSWER);

    assertThat(
            writer.write(List.of(change("Create")), Deadline.in(Duration.ofMinutes(1))).refused())
        .extracting(Written.Refusal::message)
        .containsExactly("create PodDisruptionBudget storage/a: no answer (HttpClosedException)");
  }

  @Test
  void after_the_deadline_nothing_is_written() {
    List<Change> changes = List.of(change("Create"));
    Deadline past = Deadline.in(Duration.ZERO);

    assertThatThrownBy(() -> writer.write(changes, past))
        .isInstanceOf(Unavailable.class)
        .hasMessage(
            "Out of time before: create PodDisruptionBudget storage/a; the API server is slow");
  }

  private String outcome(Change change) {
    try {
      Written written = writer.write(List.of(change), Deadline.in(Duration.ofMinutes(1)));
      if (written.refused().isEmpty()) {
        return "done";
      }
      return written.refused().getFirst().permanent() ? "refused" : "failed";
    } catch (LostRace e) {
      return "race";
    }
  }

  private static Change change(String kind) {
    return switch (kind) {
      case "Create" -> new Change.Create(budget());
      case "Replace" -> new Change.Replace(budget(), budget());
      case "Apply" -> new Change.Apply(hold());
      case "Place" ->
          new Change.Place(
              new DaemonSetBuilder().withMetadata(NAME).build(),
              new Placement(Map.of("pool", "storage"), List.of(), List.of(), List.of()),
              List.of());
      case "Bind" -> new Change.Bind(new PodBuilder().withMetadata(NAME).build(), "n");
      case "SetApart" ->
          new Change.SetApart(
              new PodBuilder().withMetadata(NAME).build(), "chaperone.dev/held-for", "a-hash");
      case "Delete" -> new Change.Delete(budget());
      case "Report" -> new Change.Report(companion());
      case "ReportHold" -> new Change.ReportHold(hold());
      case "Respond" -> new Change.Respond(eviction(), 0, Map.of("message", "a test"));
      case "Renew" ->
          new Change.Renew(new LeaseBuilder().withMetadata(NAME).withNewSpec().endSpec().build());
      case "ReportKey" -> new Change.ReportKey(key());
      case "SetSchedule" -> new Change.SetSchedule(pingSource(), "* * * * *");
      case "Mark" ->
          new Change.Mark(
              NODE, new NodeConditionBuilder().withType(DrainBlocked.CONDITION).build());
      case "Unmark" ->
          new Change.Unmark(NODE, DrainBlocked.CONDITION, new CompanionRef("storage", "agent"));
      case "Tell" -> new Change.Tell(companion(), false, "Test", "a test");
      case "TellOnce" -> new Change.TellOnce(companion(), "a.1", "Test", "a test");
      default -> throw new IllegalArgumentException(kind);
    };
  }

  private static PodDisruptionBudget budget() {
    return new PodDisruptionBudgetBuilder()
        .withMetadata(NAME)
        .withNewSpec()
        .withMinAvailable(new IntOrString(1))
        .endSpec()
        .build();
  }

  private static Companion companion() {
    Companion companion = new Companion();
    companion.setMetadata(NAME);
    return companion;
  }

  private static Hold hold() {
    Hold hold = new Hold();
    hold.setMetadata(NAME);
    hold.setSpec(new HoldSpec(new HoldSpec.CompanionRef("agent"), "a test", null));
    return hold;
  }

  private static EventKey key() {
    EventKey key = new EventKey();
    key.setMetadata(NAME);
    return key;
  }

  private static GenericKubernetesResource eviction() {
    return resource("lifecycle.k8s.io/v1alpha1", "Eviction");
  }

  private static GenericKubernetesResource pingSource() {
    return resource("sources.knative.dev/v1", "PingSource");
  }

  private static GenericKubernetesResource resource(String apiVersion, String kind) {
    GenericKubernetesResource resource = new GenericKubernetesResource();
    resource.setApiVersion(apiVersion);
    resource.setKind(kind);
    resource.setMetadata(NAME);
    return resource;
  }
}
