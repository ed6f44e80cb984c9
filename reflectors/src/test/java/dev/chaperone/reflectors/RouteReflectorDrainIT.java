package dev.chaperone.reflectors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.install.FunctionsCommand;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.knative.ApiServerSource;
import dev.chaperone.lab.knative.FunctionsOnDemand;
import dev.chaperone.lab.programs.Kubectl;
import io.fabric8.kubernetes.api.model.Pod;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Both functions together, as they are built, each with its own rights and fed by the real source:
/// route reflectors are drained for real, and Chaperone holds the next drain back until there are
/// enough again. Calico's part is that its sessions come in time.
@ExtendWith(LabExtension.class)
class RouteReflectorDrainIT {
  private static final Path EXAMPLE = InLab.HOME.resolve("knative/examples/route-reflectors.yaml");
  private static final Duration LONG = Duration.ofMinutes(3);
  private static final Duration NEVER_IDLE = Duration.ofHours(1);
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  private static Lab lab;
  private static FunctionsOnDemand reflectors;
  private static FunctionsOnDemand functions;
  private static ApiServerSource ofReflectors;
  private static ApiServerSource ofFunctions;

  @BeforeAll
  static void install(Lab given) {
    lab = given;
    InLab.install(lab);
    for (String zone : List.of("a", "b")) {
      IntStream.rangeClosed(1, 5)
          .forEach(it -> lab.addNode(zone + it, Map.of(SampleCluster.ZONE, zone)));
    }
    reflectors = start("reflectors/target/quarkus-app", "reflectors");
    functions = start("functions/target/quarkus-app", "functions");
    Path sources = InLab.HOME.resolve("triggers/base/sources.yaml");
    Path source = InLab.MANIFESTS.resolve("source.yaml");
    ofReflectors = ApiServerSource.start(lab, reflectors.address(), sources, source);
    ofFunctions = ApiServerSource.start(lab, functions.address(), sources, source);
  }

  private static FunctionsOnDemand start(String app, String account) {
    return FunctionsOnDemand.start(
        FunctionsCommand.fastest(InLab.HOME.resolve(app)),
        Map.of("KUBECONFIG", lab.kubeconfig("chaperone", account).toString()),
        NEVER_IDLE,
        lab.folder().resolve(account + ".log"));
  }

  @AfterAll
  static void end() {
    ofFunctions.close();
    ofReflectors.close();
    functions.close();
    reflectors.close();
  }

  @Test
  void a_route_reflector_is_drained_only_when_its_clients_keep_enough_others() throws Exception {
    // Long enough that the drains below would have passed within it.
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: RouteReflectors
        metadata: {name: default}
        spec: {topologyKey: topology.kubernetes.io/zone, minPerZone: 3, settlePeriod: 20s}
        """);
    awaitEstablished(6);
    lab.kubectl("create", "namespace", "calico-system").orFail();
    lab.apply(Files.readString(EXAMPLE).replace("settlePeriod: 60s", "settlePeriod: 1s"));
    await("a guard on each route reflector")
        .atMost(LONG)
        .until(() -> guarded().equals(InLab.reflectors(lab)) && allowed().equals("True"));
    List<String> ofA = InLab.reflectors(lab).stream().filter(it -> it.startsWith("a")).toList();
    String ofB =
        InLab.reflectors(lab).stream().filter(it -> it.startsWith("b")).findFirst().orElseThrow();

    drain(ofA.getFirst()).await(LONG).orFail();
    try (Kubectl ofSameZone = drain(ofA.get(1));
        Kubectl ofOtherZone = drain(ofB)) {
      await("its successor")
          .atMost(LONG)
          .pollInterval(Duration.ofSeconds(1))
          .until(
              () -> {
                pulse(reflectors, "reflectors-pulse");
                return InLab.reflectors(lab).size() > 6;
              });
      // Three in zone a with the one that is drained: the successor is not established yet.
      assertThat(ofSameZone.isRunning()).isTrue();
      assertThat(ofOtherZone.isRunning()).isTrue();
      assertThat(guarded()).contains(ofA.get(1), ofB);

      Set<String> drained = new TreeSet<>(Set.of(ofA.getFirst()));
      await("both drains")
          .atMost(LONG)
          .pollInterval(Duration.ofMillis(200))
          .until(
              () -> {
                pulse(reflectors, "reflectors-pulse");
                pulse(functions, "chaperone-pulse");
                if (!ofSameZone.isRunning()) {
                  drained.add(ofA.get(1));
                }
                if (!ofOtherZone.isRunning()) {
                  drained.add(ofB);
                }
                assertThat(serving("a", drained)).isGreaterThanOrEqualTo(2);
                assertThat(serving("b", drained)).isGreaterThanOrEqualTo(2);
                return drained.size() == 3;
              });
      assertThat(ofSameZone.await(LONG).exit()).isZero();
      assertThat(ofOtherZone.await(LONG).exit()).isZero();
    }
    awaitEstablished(6);
    assertThat(InLab.reflectors(lab)).doesNotContain(ofA.get(0), ofA.get(1), ofB);
  }

  private static Kubectl drain(String node) {
    return lab.startKubectl("drain", node, "--ignore-daemonsets", "--timeout=170s");
  }

  private static void awaitEstablished(int number) {
    await(number + " established route reflectors")
        .atMost(LONG)
        .pollInterval(Duration.ofSeconds(1))
        .until(
            () -> {
              pulse(reflectors, "reflectors-pulse");
              return InLab.reflectors(lab).size() == number && isReady();
            });
  }

  private static void pulse(FunctionsOnDemand of, String pulse)
      throws IOException, InterruptedException {
    HTTP.send(InLab.pulse(of, pulse), BodyHandlers.discarding());
  }

  private static boolean isReady() {
    return InLab.status(lab).stream()
        .flatMap(it -> it.conditions().stream())
        .anyMatch(it -> "True".equals(it.getStatus()));
  }

  /// How many of a zone are established and not drained: of those that are to be its route
  /// reflectors, and of those that still are.
  private static int serving(String zone, Set<String> drained) {
    RouteReflectorsStatus.Zone said =
        InLab.status(lab).map(RouteReflectorsStatus::zones).stream()
            .flatMap(List::stream)
            .filter(it -> it.name().equals(zone))
            .findFirst()
            .orElseThrow();
    Set<String> old = InLab.reflectors(lab);
    old.removeIf(it -> !it.startsWith(zone) || said.reflectors().contains(it));
    old.removeAll(drained);
    int gone = (int) said.reflectors().stream().filter(drained::contains).count();
    return said.established() - gone + old.size();
  }

  private static Set<String> guarded() {
    return lab
        .client()
        .pods()
        .inNamespace("calico-system")
        .withLabel("app.kubernetes.io/managed-by", "chaperone")
        .list()
        .getItems()
        .stream()
        .filter(it -> "Running".equals(it.getStatus().getPhase()))
        .map(Pod::getSpec)
        .map(it -> it.getNodeName())
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private static String allowed() {
    return lab.kubectl(
            "get",
            "companion",
            "route-reflectors",
            "-n",
            "calico-system",
            "-o",
            "jsonpath={.status.conditions[?(@.type==\"DisruptionAllowed\")].status}")
        .orFail()
        .out();
  }
}
