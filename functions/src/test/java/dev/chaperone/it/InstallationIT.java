package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What `kubectl apply -k` makes is Ready under Knative's own controllers, and `kubectl delete -k`
/// leaves nothing that hangs.
@ExtendWith(OnKnative.class)
class InstallationIT {
  private final OnKnative.Chaperone installed;
  private final Lab lab;

  InstallationIT(OnKnative.Chaperone installed) {
    this.installed = installed;
    this.lab = installed.installation().lab();
  }

  @Test
  void everything_that_is_installed_turns_ready() {
    Installation.READY.forEach(installed.installation()::requireReady);
    String kinds =
        String.join(
            ",",
            Installation.READY.stream().map(it -> it.replaceAll("/.*", "")).distinct().toList());
    Stream<String> there =
        lab.kubectl("get", kinds, "-n", "chaperone", "-o", "name").orFail().out().lines();
    // e.g. trigger.eventing.knative.dev/holds
    assertThat(there.map(it -> it.replaceAll(".*/", "")))
        .containsExactlyInAnyOrder(
            Installation.READY.stream().map(it -> it.replaceAll(".*/", "")).toArray(String[]::new));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "triggers/overlays/node-updates triggers/node-updates",
        "triggers/examples/signal triggers/storage-rebuild",
        "triggers/examples/ceph triggers/ceph apiserversources/ceph",
      })
  void what_can_be_added_turns_ready_too(String folderAndObjects) {
    List<String> words = List.of(folderAndObjects.split(" ", -1));
    List<String> objects = words.subList(1, words.size());
    lab.apply(Path.of("src/test/resources/examples/rook-ceph/crd.yaml"));
    lab.awaitListed("cephclusters");
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: rook-ceph}");
    try {
      lab.apply(OnKnative.HOME.resolve(words.getFirst()));
      objects.forEach(installed.installation()::requireReady);
    } finally {
      objects.forEach(object -> lab.kubectl("delete", object, "-n", "chaperone").orFail());
      deleteSubscription(words.get(1).replaceAll(".*/", ""));
    }
  }

  /// At once: when garbage collection takes the Subscriptions of several Triggers away together,
  /// Knative removes them from the channel by their index in a list that it no longer is, and may
  /// leave one there. From then on each event through the Broker waits until the deliveries to a
  /// Trigger that is gone have been tried often enough.
  private void deleteSubscription(String trigger) {
    lab.kubectl(
            "delete",
            "subscriptions",
            "-n",
            "chaperone",
            "-l",
            "eventing.knative.dev/trigger=" + trigger)
        .orFail();
    assertThat(
            lab.kubectl(
                    "get", "inmemorychannels", "-n", "chaperone", "-o", "jsonpath={.items[*].spec}")
                .orFail()
                .out())
        .contains("/triggers/chaperone/")
        .doesNotContain("/triggers/chaperone/" + trigger + "/");
  }

  @Test
  void applying_the_definitions_again_changes_nothing() {
    String definitions = OnKnative.HOME.resolve("knative/crds").toString();
    lab.kubectl("apply", "-k", definitions).orFail();

    assertThat(lab.kubectl("apply", "-k", definitions).orFail().out().lines())
        .hasSize(3)
        .allSatisfy(line -> assertThat(line).endsWith(" unchanged"));
  }

  @Test
  void deleting_it_leaves_what_users_wrote_and_nothing_that_hangs() {
    try (OnKnative.Chaperone own = new OnKnative.Chaperone();
        Scene scene = new Scene(own.installation(), "left", 2).withCompanion("{}")) {
      scene.awaitGuarded(1, 2);
      Lab theirs = own.installation().lab();
      awaitGarbageCollectionOfCompanions(theirs, scene);

      delete(theirs, "triggers");
      delete(theirs, "knative");

      assertThat(theirs.kubectl("get", "namespace", "chaperone").exit()).isNotZero();
      assertThat(theirs.kubectl("get", "crd", "-o", "name").out()).doesNotContain("chaperone.dev");
      await("guards and budgets that go with their Companion")
          .atMost(Scene.LONG)
          .until(
              () ->
                  scene.guards().isEmpty()
                      && scene.budget("agent-nodes") == null
                      && scene.budget("agent-pods") == null);
      assertThat(scene.daemonSet("follower").getSpec().getTemplate().getSpec().getNodeSelector())
          .containsEntry("pool", scene.name);
      assertThat(scene.runningPods("target")).hasSize(2);
    }
  }

  /// Kubernetes looks for new kinds every half minute. Before that it does not see a Companion go,
  /// and once the kind is gone it never will.
  private static void awaitGarbageCollectionOfCompanions(Lab lab, Scene scene) {
    scene.apply(
        """
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: orphan
          namespace: left
          ownerReferences: [{apiVersion: chaperone.dev/v1alpha1, kind: Companion, name: gone, uid: gone}]
        """);
    await("garbage collection")
        .atMost(Scene.LONG)
        .until(
            () -> lab.client().configMaps().inNamespace("left").withName("orphan").get() == null);
  }

  /// Returns when nothing of it is there any more.
  private static void delete(Lab lab, String folder) {
    lab.kubectl("delete", "-k", OnKnative.HOME.resolve(folder).toString(), "--timeout=90s")
        .orFail();
  }
}
