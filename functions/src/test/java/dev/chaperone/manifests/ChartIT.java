package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.release.Release;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// What helm makes of the chart, against what kubectl makes of the manifests.
class ChartIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// All that install.yaml has and the chart has not: helm makes the namespace, if it is told to.
  private static final Set<String> NOT_IN_THE_CHART = Set.of("Namespace /chaperone");

  private static final String CONTAINER = "/spec/template/spec/containers/0";

  @TempDir private static Path folder;
  private static Path chart;
  private static Manifests installYaml;

  @BeforeAll
  static void write() throws IOException {
    Release release = Release.asShipped(HOME);
    chart = release.writeChart(folder);
    installYaml = Manifests.in(release.writeInstallYaml(folder));
  }

  @Test
  void it_makes_what_install_yaml_has_but_for_what_is_listed() {
    Manifests made = template("chaperone");

    assertThat(described(installYaml))
        .containsExactlyInAnyOrderElementsOf(
            Stream.concat(described(made).stream(), NOT_IN_THE_CHART.stream()).toList());
    assertThat(made.objects()).isSubsetOf(installYaml.objects());
  }

  @Test
  void with_the_scope_of_a_namespace_it_makes_what_the_overlay_makes() throws IOException {
    Path checkout = Files.createDirectory(folder.resolve("checkout"));
    OneNamespaceTest.copyTo(checkout, "ours");
    Path overlay = checkout.resolve("knative/overlays/one-namespace");
    String image = Release.asShipped(HOME).image();
    List<JsonNode> expected =
        Manifests.parse(
                Kubectl.kustomize(overlay).replace("image: chaperone-functions", "image: " + image))
            .objects();

    // The types are everybody's: helm leaves those that are there.
    assertThat(template("ours", "--set", "scope=namespace").objects())
        .filteredOn(it -> !it.path("kind").asText().equals("CustomResourceDefinition"))
        .containsExactlyInAnyOrderElementsOf(expected);
  }

  @Test
  void another_namespace_is_everywhere_and_told_to_the_functions() {
    Manifests made = template("elsewhere");

    assertThat(made.objects()).hasSize(installYaml.objects().size() - NOT_IN_THE_CHART.size());
    assertThat(made.toString())
        .doesNotContain("\"namespace\":\"chaperone\"")
        .doesNotContain("serviceaccount:chaperone:")
        .doesNotContain("namespaces/chaperone/")
        .contains("serviceaccount:elsewhere:functions")
        .contains("/namespaces/elsewhere/pingsources/chaperone-pulse");
    assertThat(env(made, "functions")).containsExactly("CHAPERONE_PULSE_NAMESPACE=elsewhere");
    assertThat(
            made.objects().stream()
                .filter(it -> !Manifests.namespace(it).isEmpty())
                .map(Manifests::namespace))
        .containsOnly("elsewhere");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "guard.image=example.org/pause:1      | CHAPERONE_GUARD_IMAGE=example.org/pause:1",
        "guard.labels.team=a                  | CHAPERONE_GUARD_LABELS=team=a",
        "guard.annotations.a/b=c              | CHAPERONE_GUARD_ANNOTATIONS=a/b=c",
        "guard.requests.cpu=10m               | CHAPERONE_GUARD_REQUESTS=cpu=10m",
        "guard.limits.memory=8Mi              | CHAPERONE_GUARD_LIMITS=memory=8Mi",
        "guard.pullSecrets={a\\,b}            | CHAPERONE_GUARD_PULL_SECRETS=a,b",
        "guard.priorityClass=high             | CHAPERONE_GUARD_PRIORITY_CLASS=high",
        "guard.user=0                         | CHAPERONE_GUARD_USER=0",
        "audience=ours                        | CHAPERONE_AUDIENCE=ours",
        "trustedSources={/a\\,/b}             | CHAPERONE_TRUSTED_SOURCES=/a,/b",
        "eventDeadline=5s                     | CHAPERONE_EVENT_DEADLINE=5s",
        "maxHoldDuration=24h                  | CHAPERONE_MAX_HOLD_DURATION=24h",
      })
  void a_setting_reaches_the_functions_and_them_alone(String set, String variable) {
    Manifests made = template("chaperone", "--set", set.replace("\\,", ","));

    assertThat(env(made, "functions")).containsExactly(variable);
    assertThat(env(made, "dead-letters")).containsExactly("QUARKUS_FUNQY_EXPORT=deadLetter");
    assertThat(changed(made))
        .containsExactlyElementsOf(
            set.startsWith("guard.image")
                ? List.of(
                    "Service chaperone/functions",
                    "ValidatingAdmissionPolicy /chaperone-functions-deployments")
                : List.of("Service chaperone/functions"));
    assertThat(made.toString().contains("'example.org/pause:1'"))
        .isEqualTo(set.startsWith("guard.image"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "image.repository=example.org/f | /image | example.org/f:0.1",
        "image.tag=7 | /image | registry.example.com/chaperone/functions:7",
        "resources.limits.memory=512Mi | /resources/limits/memory | 512Mi",
        "extraEnv[0].name=A,extraEnv[0].value=1 | /env | \"A\"",
      })
  void both_services_have_what_is_for_both(String set, String path, String expected) {
    // helm takes 7 for a number unless it is told otherwise
    Manifests made = template("chaperone", "--set-string", set);

    assertThat(changed(made))
        .containsExactly("Service chaperone/dead-letters", "Service chaperone/functions");
    for (String service : List.of("dead-letters", "functions")) {
      assertThat(made.only("Service", service).at(CONTAINER + path).toString()).contains(expected);
    }
  }

  @Test
  void a_digest_takes_the_place_of_the_tag_and_secrets_are_named() {
    String digest = "sha256:" + "a".repeat(64);
    Manifests made =
        template("chaperone", "--set", "image.digest=" + digest + ",image.pullSecrets={mine}");

    JsonNode functions = made.only("Service", "functions");
    assertThat(functions.at(CONTAINER + "/image").asText())
        .isEqualTo("registry.example.com/chaperone/functions@" + digest);
    assertThat(functions.at("/spec/template/spec/imagePullSecrets/0/name").asText())
        .isEqualTo("mine");
  }

  @ParameterizedTest
  @CsvSource({
    "policies, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding",
    "networkPolicy, NetworkPolicy, NetworkPolicy"
  })
  void what_is_off_is_not_there_and_all_else_is(String value, String kind, String other) {
    Manifests made = template("chaperone", "--set", value + ".enabled=false");

    Set<String> expected =
        installYaml.objects().stream()
            .filter(it -> !List.of(kind, other).contains(it.path("kind").asText()))
            .map(Manifests::describe)
            .filter(it -> !NOT_IN_THE_CHART.contains(it))
            .collect(Collectors.toSet());
    assertThat(described(made)).isEqualTo(expected);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "scope=everywhere",
        "polices.enabled=false",
        "policies.enabled=maybe",
        "guard.requests.cpu=much",
        "guard.user=-1",
        "guard.image=a'b",
        "image.digest=latest",
        "eventDeadline=soon",
        "maxHoldDuration=a day",
        "trustedSources=all",
        "extraEnv[0].name=A",
      })
  void a_value_that_cannot_be_meant_is_refused_by_its_schema(String set) {
    Kubectl.Result result = Kubectl.template("x", chart.toString(), "--set", set);

    assertThat(result.exit()).isNotZero();
    assertThat(result.err()).contains("don't meet the specifications of the schema");
  }

  private static Manifests template(String namespace, String... more) {
    List<String> arguments =
        new ArrayList<>(
            List.of("chaperone", chart.toString(), "--namespace", namespace, "--include-crds"));
    arguments.addAll(List.of(more));
    return Manifests.parse(Kubectl.template(arguments.toArray(String[]::new)).orFail().out());
  }

  /// The objects that are not as in install.yaml.
  private static Set<String> changed(Manifests made) {
    return made.objects().stream()
        .filter(it -> !installYaml.objects().contains(it))
        .map(Manifests::describe)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static Set<String> described(Manifests manifests) {
    return manifests.objects().stream().map(Manifests::describe).collect(Collectors.toSet());
  }

  private static List<String> env(Manifests manifests, String service) {
    List<String> env = new ArrayList<>();
    for (JsonNode it : manifests.only("Service", service).at(CONTAINER + "/env")) {
      env.add(it.path("name").asText() + "=" + it.path("value").asText());
    }
    return env;
  }
}
