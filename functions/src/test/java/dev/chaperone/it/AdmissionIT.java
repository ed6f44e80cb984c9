package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.GenericKubernetesResourceList;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.dsl.NonNamespaceOperation;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// What the policies of knative/policies have the API server refuse. No process of Chaperone runs
/// here, and none is needed: what the functions would have written is written by hand.
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class AdmissionIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));
  private static final String FUNCTIONS = "system:serviceaccount:chaperone:functions";

  private static Lab lab;
  private static AdmissionScene scene;

  @BeforeAll
  static void install() {
    lab = Lab.start();
    Chaperone.installTypesAndRights(lab, HOME);
    lab.apply(HOME.resolve("knative/policies"));
    scene = new AdmissionScene(lab);
  }

  @AfterAll
  static void stop() {
    if (scene != null) {
      scene.close();
    }
    lab.close();
  }

  static Stream<AdmissionRow> rows() {
    return AdmissionRow.all();
  }

  @ParameterizedTest
  @MethodSource("rows")
  void the_api_server_guards_the_guards(AdmissionRow row) {
    row.check(scene.ask(row));
  }

  static Stream<Arguments> attempts() {
    return AdmissionRow.cells("functions.csv").map(it -> Arguments.of(it.toArray()));
  }

  @ParameterizedTest
  @MethodSource("attempts")
  void the_functions_write_only_what_they_are_for(String attempt, String refusedBy) {
    List<String> command = new ArrayList<>(List.of(attempt.split(" ", -1)));
    // Impersonated: what is refused here is not to be found among what the functions ask for.
    command.addAll(List.of("-n", "held", "--as=" + FUNCTIONS));
    if (!command.getFirst().equals("get") && !attempt.startsWith("create token")) {
      command.add("--dry-run=server");
    }

    Kubectl.Result result = lab.kubectl(command.toArray(String[]::new));

    switch (refusedBy) {
      case "nobody" -> assertThat(result.err()).doesNotContain("rror");
      case "RBAC" ->
          assertThat(result.err()).contains("is forbidden: User \"" + FUNCTIONS + "\" cannot");
      default ->
          assertThat(result.err())
              .contains("ValidatingAdmissionPolicy 'chaperone-functions-")
              .contains("denied request: a " + refusedBy);
    }
  }

  static Stream<Arguments> writers() {
    return AdmissionRow.cells("writers.csv").map(it -> Arguments.of(it.toArray()));
  }

  @ParameterizedTest
  @MethodSource("writers")
  void nobody_writes_a_companion_for_what_they_may_not_read_or_evict(
      String user, String spec, String answer) {
    await("aggregated rights").atMost(Scene.LONG).until(AdmissionIT::mayEdit);

    AdmissionRow.Answer asked = scene.write(user, spec);

    assertThat(AdmissionRow.isRight(answer, asked)).as("%s", asked).isTrue();
  }

  /// Kubernetes aggregates the ClusterRole edit a moment after its start.
  private static boolean mayEdit() {
    return lab.kubectl("auth", "can-i", "get", "daemonsets", "-n", "held", "--as=team").exit() == 0;
  }

  @Test
  void whoever_may_write_companions_only_may_label_them() {
    String writer = "--as=writer";

    assertThat(
            lab.kubectl(
                    "label", "companion", "made", "a=b", "-n", "held", "--dry-run=server", writer)
                .err())
        .isEmpty();
    assertThat(
            lab.kubectl(
                    "patch",
                    "companion",
                    "made",
                    "-n",
                    "held",
                    "--dry-run=server",
                    writer,
                    "--type=merge",
                    "-p",
                    "{\"spec\": {\"disruption\": {\"policy\": \"AlwaysHold\"}}}")
                .err())
        .contains("chaperone-companion-writer");
  }

  @ParameterizedTest
  @MethodSource("changesOfWhatIsMade")
  void whoever_changes_what_chaperone_made_is_warned(String change, boolean warned) {
    List<String> command = new ArrayList<>(List.of(change.split(" ", -1)));
    command.addAll(List.of("-n", "held", "--dry-run=server"));

    Kubectl.Result result = lab.kubectl(command.toArray(String[]::new)).orFail();

    if (warned) {
      assertThat(result.err()).contains("Warning").contains("is managed by Chaperone");
    } else {
      assertThat(result.err()).doesNotContain("Chaperone");
    }
  }

  static Stream<Arguments> changesOfWhatIsMade() {
    String functions = " --as=" + FUNCTIONS + " --as-group=system:masters";
    return Stream.of(
        Arguments.of("label deployment made-guards a=b", true),
        Arguments.of("scale deployment made-guards --replicas=1", true),
        Arguments.of("delete deployment made-guards", true),
        Arguments.of("annotate poddisruptionbudget made-nodes a=b", true),
        Arguments.of("delete poddisruptionbudget made-nodes", true),
        Arguments.of("label deployment theirs a=c --overwrite", false),
        Arguments.of("delete poddisruptionbudget theirs", false),
        Arguments.of("label deployment made-guards a=b" + functions, false));
  }

  @Test
  void a_drain_without_evictions_ends_with_the_words_of_the_hold() {
    Pod guard = scene.pod("held", "agent", "guard");
    String node = guard.getSpec().getNodeName();
    String only = "--pod-selector=chaperone.dev/companion=agent,is=guard";
    try {
      for (List<String> how : List.of(List.of("--disable-eviction"), List.<String>of())) {
        List<String> drain = new ArrayList<>(List.of("drain", node, "--timeout=10s", only));
        drain.addAll(how);

        Kubectl.Result result = lab.kubectl(drain.toArray(String[]::new));

        assertThat(result.exit()).isNotZero();
        assertThat(result.err()).contains("Hold agent of Companion agent blocks");
      }
      Kubectl.Result delete =
          lab.kubectl("delete", "pod", guard.getMetadata().getName(), "-n", "held", "--force");

      assertThat(delete.err()).contains("Hold agent of Companion agent blocks");
      assertThat(scene.pod("held", "agent", "guard").getMetadata())
          .satisfies(
              it -> {
                assertThat(it.getUid()).isEqualTo(guard.getMetadata().getUid());
                assertThat(it.getDeletionTimestamp()).isNull();
              });
    } finally {
      lab.kubectl("uncordon", node).orFail();
    }
  }

  @Test
  void a_namespace_goes_with_all_that_holds_in_it() {
    scene.namespaceWithHold("going");

    lab.kubectl("delete", "namespace", "going", "--timeout=60s").orFail();

    assertThat(lab.client().namespaces().withName("going").get()).isNull();
  }

  static Stream<Arguments> mutations() {
    return AdmissionRow.cells("mutations.csv").map(it -> Arguments.of(it.toArray()));
  }

  /// The API server looks for changed policies once a second, and sees changes in their order: once
  /// it sees one, the one before is undone. A test waits for that only if its own question needs
  /// it. No other test may follow.
  @ParameterizedTest
  @MethodSource("mutations")
  @Order(Integer.MAX_VALUE)
  void no_condition_can_be_taken_away(String policy, String from, String to, String question) {
    AdmissionRow row =
        rows().filter(it -> it.question().equals(question)).findFirst().orElseThrow();
    await(question).atMost(Scene.LONG).untilAsserted(() -> row.check(scene.ask(row)));
    String before = spec(policy);
    assertThat(before).contains(from);
    try {
      write(policy, before.replace(from, to));
      await(question).atMost(Duration.ofSeconds(20)).until(() -> !row.isRight(scene.ask(row)));
    } finally {
      write(policy, before);
    }
  }

  @Test
  void kubernetes_finds_nothing_wrong_with_the_types_in_any_expression() {
    List<GenericKubernetesResource> policies =
        policies().list().getItems().stream()
            .filter(it -> it.getMetadata().getName().startsWith("chaperone-"))
            .toList();
    assertThat(policies).hasSizeGreaterThan(9);
    for (GenericKubernetesResource policy : policies) {
      String name = policy.getMetadata().getName();
      await(name + " checked").atMost(Scene.LONG).until(() -> isChecked(policies().withName(name)));

      Object warnings =
          policies().withName(name).get().get("status", "typeChecking", "expressionWarnings");
      assertThat(warnings).as(name).isNull();
    }
  }

  private static boolean isChecked(Resource<GenericKubernetesResource> policy) {
    GenericKubernetesResource now = policy.get();
    Number observed = now.get("status", "observedGeneration");
    return observed != null && observed.longValue() == now.getMetadata().getGeneration();
  }

  private static String spec(String policy) {
    return lab.client()
        .getKubernetesSerialization()
        .asJson(policies().withName("chaperone-" + policy).get().get("spec"));
  }

  /// Unconditional, because Kubernetes writes what it thinks of the last change at the same time.
  private static void write(String policy, String spec) {
    policies()
        .withName("chaperone-" + policy)
        .patch(PatchContext.of(PatchType.JSON_MERGE), "{\"spec\": %s}".formatted(spec));
  }

  private static NonNamespaceOperation<
          GenericKubernetesResource,
          GenericKubernetesResourceList,
          Resource<GenericKubernetesResource>>
      policies() {
    return lab.client()
        .genericKubernetesResources("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy");
  }
}
