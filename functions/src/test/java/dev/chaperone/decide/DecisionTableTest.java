package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.api.CompanionSpec;
import dev.chaperone.api.CompanionSpec.BreakGlass;
import dev.chaperone.api.CompanionSpec.Disruption;
import dev.chaperone.api.CompanionSpec.FailurePolicy;
import dev.chaperone.api.CompanionSpec.HoldExpression;
import dev.chaperone.api.CompanionSpec.MaintenanceWindow;
import dev.chaperone.api.CompanionSpec.Policy;
import dev.chaperone.api.CompanionSpec.Protect;
import dev.chaperone.api.CompanionSpec.UnhealthyNodeEvictionPolicy;
import dev.chaperone.api.CompanionStatus;
import dev.chaperone.api.CompanionStatus.BlockingReason;
import dev.chaperone.docs.Page;
import io.fabric8.kubernetes.api.model.IntOrString;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/// Every combination of what decides, against `decisions/table.csv`, of which the first row that
/// fits counts; and the same table in `docs/concepts/how-it-decides.md`.
class DecisionTableTest {
  private static final Path TABLE = Path.of("src/test/resources/decisions/table.csv");

  private static final Map<String, List<String>> DIMENSIONS = new LinkedHashMap<>();

  static {
    DIMENSIONS.put("breakGlass", List.of("none", "until later"));
    DIMENSIONS.put("policy", List.of("Auto", "AlwaysAllow", "AlwaysHold"));
    DIMENSIONS.put("Hold", List.of("none", "active", "expired"));
    DIMENSIONS.put("expression", List.of("none", "true", "false", "failed"));
    DIMENSIONS.put("failurePolicy", List.of("Hold", "Allow"));
    DIMENSIONS.put("window", List.of("none", "inside", "outside"));
    DIMENSIONS.put("settling", List.of("no", "yes"));
    DIMENSIONS.put("maxHoldDuration", List.of("none", "passed"));
  }

  private record Row(List<String> cells) {
    boolean fits(List<String> combination) {
      for (int i = 0; i < combination.size(); i++) {
        String cell = cells.get(i);
        if (!cell.equals("any") && !List.of(cell.split(" or ")).contains(combination.get(i))) {
          return false;
        }
      }
      return true;
    }

    String decision() {
      return cells.get(cells.size() - 2) + " " + cells.getLast();
    }
  }

  @Test
  void every_combination_decides_as_the_table_says() throws IOException {
    List<Row> rows = rows();
    Set<Row> used = new HashSet<>();
    int combinations = 0;
    for (List<String> combination : combinations()) {
      Row row = rows.stream().filter(it -> it.fits(combination)).findFirst().orElseThrow();
      used.add(row);
      assertThat(decide(combination)).as("%s", combination).isEqualTo(row.decision());
      combinations++;
    }
    assertThat(combinations).isEqualTo(2 * 3 * 3 * 4 * 2 * 3 * 2 * 2);
    assertThat(used).as("rows that decide something").hasSameSizeAs(rows);
  }

  @Test
  void the_documentation_has_the_same_table() throws IOException {
    Page.of("concepts/how-it-decides.md").assertBlock("decisions", markdown());
  }

  private static String decide(List<String> values) {
    Map<String, String> by = new LinkedHashMap<>();
    List<String> names = List.copyOf(DIMENSIONS.keySet());
    for (int i = 0; i < names.size(); i++) {
      by.put(names.get(i), values.get(i));
    }
    World world = new World().nodes(2);
    List<HoldExpression> expressions =
        switch (by.get("expression")) {
          case "true" -> List.of(new HoldExpression("it", "target.metadata.name == 'node'", null));
          case "false" -> List.of(new HoldExpression("it", "target.metadata.name == 'x'", null));
          case "failed" -> List.of(new HoldExpression("it", "target.no.such.field", null));
          default -> List.of();
        };
    List<MaintenanceWindow> windows =
        switch (by.get("window")) {
          case "inside" -> List.of(new MaintenanceWindow("0 5 * * *", "2h", "UTC"));
          case "outside" -> List.of(new MaintenanceWindow("0 7 * * *", "2h", "UTC"));
          default -> List.of();
        };
    world.spec =
        new CompanionSpec(
            world.spec.targetRef(),
            world.spec.followerRef(),
            new Disruption(
                Policy.valueOf(by.get("policy")),
                List.of(Protect.Pods, Protect.Nodes),
                new IntOrString(1),
                List.of(),
                expressions,
                FailurePolicy.valueOf(by.get("failurePolicy")),
                by.get("settling").equals("yes") ? "60s" : null,
                by.get("maxHoldDuration").equals("passed") ? "30m" : null,
                windows,
                by.get("breakGlass").equals("until later")
                    ? new BreakGlass(World.NOW.plusSeconds(1).toString(), "a disk fails")
                    : null,
                null,
                UnhealthyNodeEvictionPolicy.IfBudgetAllows));
    switch (by.get("Hold")) {
      case "active" -> world.hold("rebuild", null);
      case "expired" -> world.hold("rebuild", World.NOW.toString());
      default -> {}
    }
    boolean settling = by.get("settling").equals("yes");
    boolean passed = by.get("maxHoldDuration").equals("passed");
    world.companion.setStatus(
        new CompanionStatus(
            1L,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            null,
            passed ? List.of(since("ExpressionTrue"), since("ExpressionFailed")) : List.of(),
            settling ? World.NOW.minusSeconds(10).toString() : null,
            null,
            null,
            null));
    Verdict verdict = world.decide().verdict();
    return (verdict.allowed() ? "open " : "closed ") + verdict.reason();
  }

  private static BlockingReason since(String reason) {
    return new BlockingReason(
        reason, "it", "", World.NOW.minus(Duration.ofHours(25)).toString(), null, null, null, null);
  }

  private static List<List<String>> combinations() {
    List<List<String>> all = List.of(List.of());
    for (List<String> values : DIMENSIONS.values()) {
      List<List<String>> longer = new ArrayList<>();
      for (List<String> shorter : all) {
        for (String value : values) {
          List<String> one = new ArrayList<>(shorter);
          one.add(value);
          longer.add(one);
        }
      }
      all = longer;
    }
    return all;
  }

  private static List<Row> rows() throws IOException {
    List<String> lines = Files.readAllLines(TABLE);
    return lines.stream().skip(1).map(line -> new Row(Arrays.asList(line.split(",")))).toList();
  }

  private static String markdown() throws IOException {
    List<String> lines = Files.readAllLines(TABLE);
    String head = cells(lines.getFirst());
    String rule = head.replaceAll("[^|]+", "---");
    return head
        + "\n"
        + rule
        + "\n"
        + lines.stream().skip(1).map(DecisionTableTest::cells).collect(Collectors.joining("\n"))
        + "\n";
  }

  private static String cells(String line) {
    return Arrays.stream(line.split(","))
        .map(cell -> cell.equals("any") ? "" : cell)
        .collect(Collectors.joining(" | ", "| ", " |"));
  }
}
