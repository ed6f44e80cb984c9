package dev.chaperone.manifests;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.chaperone.lab.controlplane.UsedRight;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// What the shipped roles grant is what the ServiceAccounts need: no verb more, because a call of
/// some integration test uses it, and none less. Runs after all of them, on what the API servers of
/// all their labs were asked.
class RightsCheck {
  private static final String USED = "chaperone.used-rights";
  private static final String SERVICE_ACCOUNT = "system:serviceaccount:";

  /// Knative's controller does not start a source whose ServiceAccount has not all three of get,
  /// list and watch. The adapter then uses only the last, or the last two where its client does not
  /// let the watch bring what there is already (Knative 1.20).
  private static final Predicate<Right> WANTED_BY_KNATIVE =
      right -> right.serviceAccount().equals("sources") && right.what().matches("(get|list) .*");

  /// What tests have the functions ask for to see them refused: an observed kind that nobody
  /// granted, or has not granted yet, Kubernetes Events for the status page, and Evictions.
  private static final Predicate<String> REFUSED_ON_PURPOSE =
      Pattern.compile(
              "list (events|lifecycle\\.k8s\\.io/evictions)|get (secrets|([-a-z]+\\.)*example\\.com/[a-z]+)")
          .asMatchPredicate();

  private static Set<UsedRight> used;

  /// @param what `get apps/deployments`
  private record Right(String serviceAccount, String what) implements Comparable<Right> {
    @Override
    public int compareTo(Right other) {
      return toString().compareTo(other.toString());
    }

    @Override
    public String toString() {
      return serviceAccount + ": " + what;
    }
  }

  @BeforeAll
  static void read() {
    used = UsedRight.in(Path.of(System.getProperty(USED)));
  }

  static Stream<Wiring> installations() {
    return Stream.of(Wiring.DEFAULT, Wiring.ONE_NAMESPACE);
  }

  @ParameterizedTest
  @MethodSource("installations")
  void every_right_that_is_granted_is_used(Wiring wiring) {
    Set<Right> granted = granted(wiring.manifests());
    Set<Right> needed = asked(UsedRight::granted);
    System.out.printf(
        "rights: %s grants %d, the tests used %d%n", wiring, granted.size(), needed.size());

    assertThat(granted).isNotEmpty();
    assertThat(granted.stream().filter(WANTED_BY_KNATIVE.negate()))
        .as("granted in %s and used by no test: take it out, or write the test", wiring)
        .allSatisfy(right -> assertThat(needed).contains(right));
  }

  /// What is granted is refused too, while an installation is being made or deleted: a right comes
  /// after the one who has it, or goes before it.
  @Test
  void nothing_was_asked_for_that_is_not_granted() {
    Set<Right> granted = granted(Wiring.DEFAULT.manifests());

    assertThat(asked(right -> !right.granted()))
        .as("refused to a ServiceAccount of Chaperone's")
        .filteredOn(right -> !granted.contains(right))
        .allSatisfy(right -> assertThat(right.what()).matches(REFUSED_ON_PURPOSE));
  }

  private static Set<Right> asked(Predicate<UsedRight> which) {
    Set<String> ours =
        installations()
            .flatMap(it -> granted(it.manifests()).stream())
            .map(Right::serviceAccount)
            .collect(Collectors.toSet());
    return used.stream()
        .filter(it -> it.user().startsWith(SERVICE_ACCOUNT))
        .filter(which)
        .map(it -> new Right(it.user().replaceFirst(".*:", ""), it.what()))
        .filter(it -> ours.contains(it.serviceAccount()))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  /// The rules of every role that is bound to a ServiceAccount.
  private static Set<Right> granted(Manifests manifests) {
    Set<Right> rights = new TreeSet<>();
    for (JsonNode binding : manifests.ofKind("RoleBinding", "ClusterRoleBinding")) {
      JsonNode ref = binding.path("roleRef");
      JsonNode role = manifests.only(ref.path("kind").asText(), ref.path("name").asText());
      for (JsonNode subject : binding.path("subjects")) {
        assertThat(subject.path("kind").asText()).isEqualTo("ServiceAccount");
        for (JsonNode rule : role.path("rules")) {
          whats(rule).forEach(what -> rights.add(new Right(subject.path("name").asText(), what)));
        }
      }
    }
    return rights;
  }

  private static List<String> whats(JsonNode rule) {
    List<String> whats = new ArrayList<>();
    for (String verb : texts(rule.path("verbs"))) {
      for (String group : texts(rule.path("apiGroups"))) {
        for (String resource : texts(rule.path("resources"))) {
          String[] parts = resource.split("/", 2);
          whats.add(
              new UsedRight("", verb, group, parts[0], parts.length > 1 ? parts[1] : "", true)
                  .what());
        }
      }
    }
    return whats;
  }

  private static List<String> texts(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).toList();
  }
}
