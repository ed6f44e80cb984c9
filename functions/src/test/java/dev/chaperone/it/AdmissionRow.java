package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/// A row of a table in `src/test/resources/admission`: who asks the API server for what, and what
/// it answers.
///
/// @param user the name and, after a space, a group; RBAC forbids none of them anything
/// @param companion whose guard it is, with the namespace if it is not `held`
/// @param answer `passes`, the code of a budget, or words of the policy that refuses
record AdmissionRow(String user, String verb, String object, String companion, String answer) {
  static final String PASSES = "passes";

  /// What the API server said.
  record Answer(int code, String words) {
    boolean passed() {
      return code / 100 == 2;
    }

    boolean isOfPolicy() {
      return code == 403 && words.contains("ValidatingAdmissionPolicy 'chaperone-");
    }
  }

  static Stream<AdmissionRow> all() {
    return cells("guards.csv").map(AdmissionRow::of);
  }

  static AdmissionRow parse(String line) {
    return of(split(line));
  }

  private static AdmissionRow of(List<String> cells) {
    return new AdmissionRow(cells.get(0), cells.get(1), cells.get(2), cells.get(3), cells.get(4));
  }

  /// The rows of a table, without its comments.
  static Stream<List<String>> cells(String file) {
    try {
      return Files.readAllLines(Path.of("src/test/resources/admission", file)).stream()
          .filter(line -> !line.isBlank() && !line.startsWith("#"))
          .map(AdmissionRow::split);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// At each | that has no backslash before it.
  private static List<String> split(String line) {
    return Arrays.stream(line.split("(?<!\\\\)\\|", -1))
        .map(cell -> cell.strip().replace("\\|", "|"))
        .toList();
  }

  /// Who asks for what.
  String question() {
    return String.join(" ", user, verb, object, companion);
  }

  boolean isRight(Answer asked) {
    return isRight(answer, asked);
  }

  static boolean isRight(String answer, Answer asked) {
    return switch (answer) {
      case PASSES -> asked.passed();
      case "429" -> asked.code() == 429;
      default -> asked.isOfPolicy() && asked.words().contains(answer);
    };
  }

  void check(Answer asked) {
    assertThat(isRight(asked)).as("%s answers %s", this, asked).isTrue();
  }

  @Override
  public String toString() {
    return question() + ": " + answer;
  }
}
