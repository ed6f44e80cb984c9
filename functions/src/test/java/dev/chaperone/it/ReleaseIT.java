package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.knative.Eventing;
import dev.chaperone.lab.knative.Serving;
import dev.chaperone.lab.release.Release;
import dev.chaperone.lab.release.RouteReflectorsYaml;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What users install without a checkout works once it is Ready, and goes without a trace: in a
/// cluster of its own, where nothing of it was there before.
class ReleaseIT {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  /// What helm leaves: it never deletes types, nor a namespace that it made.
  private static final Set<String> LEFT_BY_HELM =
      Set.of(
          "APIService <none> v1alpha1.chaperone.dev",
          "CustomResourceDefinition <none> companions.chaperone.dev",
          "CustomResourceDefinition <none> eventkeys.chaperone.dev",
          "CustomResourceDefinition <none> holds.chaperone.dev",
          "Namespace <none> chaperone");

  @TempDir private static Path folder;
  private static Lab lab;
  private static Eventing eventing;
  private static Serving serving;
  private static Release release;

  @BeforeAll
  static void start() {
    lab = Lab.start();
    eventing = Eventing.start(lab);
    serving =
        Serving.start(
            eventing, new Serving.Program(FunctionsCommand.fastest(FunctionsCommand.built(HOME))));
    release = Release.asShipped(HOME);
  }

  @AfterAll
  static void stop() {
    serving.close();
    lab.close();
  }

  @Test
  void install_yaml_is_applied_at_once_works_and_goes() throws IOException {
    String file = release.writeInstallYaml(folder).toString();
    Set<String> before = everything();

    lab.kubectl("apply", "-f", file).orFail();
    holdsADrainOnceItIsReady("one-file");
    lab.kubectl("apply", "-f", file).orFail();
    routeReflectorsComeAndGo();
    lab.kubectl("delete", "-f", file, "--timeout=90s").orFail();

    awaitOnlyMore(before, Set.of());
  }

  /// Beside it, whose namespace and Broker they use.
  private static void routeReflectorsComeAndGo() throws IOException {
    String file = RouteReflectorsYaml.asShipped(HOME).write(folder).toString();
    lab.kubectl("apply", "-f", file).orFail();
    lab.kubectl(
            "wait",
            "-n",
            "chaperone",
            "--for=condition=Ready",
            "--timeout=90s",
            "ksvc/reflectors",
            "trigger/reflectors",
            "apiserversource/reflectors",
            "pingsource/reflectors-pulse")
        .orFail();
    lab.kubectl("delete", "-f", file, "--timeout=90s").orFail();
  }

  @Test
  void the_chart_is_installed_works_is_upgraded_and_goes_but_for_types_and_namespace()
      throws IOException {
    String chart = release.writeChart(folder).toString();
    Set<String> before = everything();

    lab.helm("install", "chaperone", chart, "-n", "chaperone", "--create-namespace").orFail();
    holdsADrainOnceItIsReady("chart");
    lab.helm("upgrade", "chaperone", chart, "-n", "chaperone", "--set", "policies.enabled=false")
        .orFail();
    assertThat(lab.kubectl("get", "validatingadmissionpolicies", "-o", "name").out())
        .doesNotContain("chaperone");
    lab.helm("uninstall", "chaperone", "-n", "chaperone", "--wait").orFail();

    awaitOnlyMore(before, LEFT_BY_HELM);
    lab.kubectl(
            "delete",
            "crd",
            "companions.chaperone.dev",
            "eventkeys.chaperone.dev",
            "holds.chaperone.dev")
        .orFail();
    lab.kubectl("delete", "namespace", "chaperone", "--timeout=90s").orFail();
    awaitOnlyMore(before, Set.of());
  }

  private static void holdsADrainOnceItIsReady(String name) {
    Installation installed = new Installation(lab, eventing.broker("chaperone", "chaperone"), HOME);
    Installation.READY.forEach(installed::requireReady);
    eventing.awaitReady();
    try (Scene scene = new Scene(installed, name, 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);
      scene.hold("rebuild");
      scene.awaitAllowed("agent-nodes", 0);
      scene.awaitCondition("DisruptionAllowed", "False Hold");
      scene.release("rebuild");
      scene.awaitCondition("DisruptionAllowed", "True NothingHolds");
    }
    // Whoever deletes the types takes Companions with them; what is tested here is the
    // installation.
    lab.kubectl("delete", "companions", "--all", "-A").orFail();
    lab.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=90s").orFail();
  }

  /// Every object of every kind, but for those that come and go by themselves.
  private static Set<String> everything() {
    String kinds =
        lab.kubectl("api-resources", "--verbs=list", "-o", "name")
            .orFail()
            .out()
            .lines()
            .filter(Predicate.not(it -> it.startsWith("events") || it.startsWith("leases.")))
            .collect(Collectors.joining(","));
    String columns = "-o=custom-columns=:kind,:metadata.namespace,:metadata.name";
    return lab.kubectl("get", kinds, "-A", "--ignore-not-found", columns)
        .orFail()
        .out()
        .lines()
        .filter(Predicate.not(String::isBlank))
        .map(it -> it.strip().replaceAll(" +", " "))
        // Knative starts its adapter with the first PingSource, and keeps it.
        .filter(Predicate.not(it -> it.matches("(Pod|ReplicaSet) knative-eventing .*")))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static void awaitOnlyMore(Set<String> before, Set<String> more) {
    Set<String> expected = new TreeSet<>(before);
    expected.addAll(more);
    await("what was there before")
        .atMost(Scene.LONG)
        // A kind that goes while all are listed is an error of kubectl's.
        .ignoreExceptionsInstanceOf(AssertionError.class)
        .untilAsserted(
            () -> {
              Set<String> left = new TreeSet<>(everything());
              left.removeIf(ReleaseIT::isOfEveryNamespace);
              Set<String> wanted = new TreeSet<>(expected);
              wanted.removeIf(ReleaseIT::isOfEveryNamespace);
              assertThat(left).isEqualTo(wanted);
            });
  }

  /// What Kubernetes puts into every namespace, also into one that helm left.
  private static boolean isOfEveryNamespace(String object) {
    return object.endsWith(" kube-root-ca.crt") || object.matches("ServiceAccount \\S+ default");
  }
}
