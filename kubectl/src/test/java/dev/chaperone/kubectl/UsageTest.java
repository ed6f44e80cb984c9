package dev.chaperone.kubectl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

/// What the commands say of themselves. With `-Dusage.write` this test writes the reference anew.
class UsageTest {
  private static final Path REFERENCE =
      Path.of(System.getProperty("chaperone.home"), "docs", "reference", "kubectl-chaperone.md");

  @Test
  void the_reference_is_what_the_commands_say() throws IOException {
    StringBuilder text =
        new StringBuilder(
            """
            # kubectl chaperone

            What `--help` prints for each command; generated from the code.
            [How to use it](../how-to/use-the-kubectl-plugin.md).

            """);
    CommandLine all = Plugin.commandLine();
    text.append(section(all));
    all.getSubcommands().values().stream()
        .filter(it -> !it.getCommandName().equals("help"))
        .forEach(it -> text.append(section(it)));
    String reference = text.toString().stripTrailing() + "\n";

    if (Boolean.getBoolean("usage.write")) {
      Files.createDirectories(REFERENCE.getParent());
      Files.writeString(REFERENCE, reference);
    }
    assertThat(REFERENCE).hasContent(reference);
  }

  private static String section(CommandLine command) {
    return "## %s%n%n```text%n%s```%n%n"
        .formatted(
            command.getCommandSpec().qualifiedName(),
            command
                .getUsageMessage()
                .lines()
                .map(String::stripTrailing)
                .reduce("", (a, b) -> a + b + "\n"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      value = {
        "why | Missing required parameter: 'NODE'",
        "why a -o xml | Invalid value for option '--output'",
        "hold a --reason b | Say when the Hold ends: --for 2h, or --until-deleted",
        "hold a --reason b --for 1h --until-deleted | Say when the Hold ends",
        "hold a --for 1h | Missing required option: '--reason=TEXT'",
        "hold a --reason b --for 0s | '0s' is not a duration greater than zero, such as 90m or 2h30m",
        "hold a --reason b --for tomorrow | 'tomorrow' is not a duration",
        "why a --kubeconfig /none | The kubeconfig file /none does not exist",
        "drain a | Unmatched argument"
      })
  void a_wrong_use_is_an_error_that_says_what_is_missing(String arguments, String message) {
    StringWriter out = new StringWriter();
    StringWriter err = new StringWriter();

    int code = Plugin.run(new PrintWriter(out), new PrintWriter(err), arguments.split(" "));

    assertThat(code).isEqualTo(Plugin.ERROR);
    assertThat(err.toString()).startsWith("error: ").contains(message);
    assertThat(out.toString()).isEmpty();
  }

  @Test
  void without_a_command_it_lists_them() {
    StringWriter out = new StringWriter();

    assertThat(Plugin.run(new PrintWriter(out), new PrintWriter(out))).isZero();
    assertThat(out.toString()).contains("why", "preview", "status", "holds", "hold", "release");
  }
}
