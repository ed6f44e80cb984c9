package dev.chaperone.lab.start;

import dev.chaperone.lab.Lab;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// Lets the function for Calico's route reflectors do its work once: it chooses, replaces and
/// reports, on stand-ins for Calico's CRDs.
final class ReflectorsTraining {
  private static final List<String> INSTALLED =
      List.of(
          "knative/base/namespace.yaml",
          "reflectors/src/test/resources/calico/crds.yaml",
          "reflectors/manifests/crd.yaml",
          "reflectors/manifests/rbac.yaml");

  private ReflectorsTraining() {}

  static Path train(Lab lab, Path home) {
    INSTALLED.forEach(it -> lab.apply(home.resolve(it)));
    lab.awaitListed("routereflectors", "bgppeers", "caliconodestatuses");
    for (int i = 1; i <= 4; i++) {
      lab.addNode("node-" + i, Map.of("topology.kubernetes.io/zone", "a"));
    }
    lab.apply(
        """
        apiVersion: chaperone.dev/v1alpha1
        kind: RouteReflectors
        metadata: {name: default}
        spec: {settlePeriod: 1s}
        """);
    return Training.train(
        lab,
        home.resolve("reflectors/target/quarkus-app"),
        lab.podEnvironment("chaperone", "reflectors"),
        program -> work(lab, program));
  }

  private static void work(Lab lab, Program program) {
    program.expect(200, program.request("/q/health/ready").GET());
    program.expect(204, program.event("add", "Node", "", "node-1"));
    awaitReady(lab, program);
    String node = reflectors(lab).split(" ", -1)[0];
    lab.kubectl("cordon", node).orFail();
    Ground.await("another route reflector", () -> looked(program) && !isOne(lab, node));
    awaitReady(lab, program);
    program.expect(204, program.event("update", "RouteReflectors", "", "default"));
    program.expect(204, program.event("delete", "Node", "", "node-5"));
  }

  private static void awaitReady(Lab lab, Program program) {
    Ground.await(
        "established route reflectors", () -> looked(program) && status(lab).equals("True 3"));
  }

  /// Whether it looked at everything once more, and could do what it decided.
  private static boolean looked(Program program) {
    return program.send(program.event("dev.knative.sources.ping")).statusCode() == 204;
  }

  private static boolean isOne(Lab lab, String node) {
    return List.of(reflectors(lab).split(" ", -1)).contains(node);
  }

  private static String reflectors(Lab lab) {
    return lab.kubectl(
            "get",
            "nodes",
            "-l",
            "chaperone.dev/route-reflector",
            "-o",
            "jsonpath={.items[*].metadata.name}")
        .out();
  }

  private static String status(Lab lab) {
    return lab.kubectl(
            "get",
            "routereflectors",
            "default",
            "-o",
            "jsonpath={.status.conditions[0].status} {.status.zones[0].established}")
        .out();
  }
}
