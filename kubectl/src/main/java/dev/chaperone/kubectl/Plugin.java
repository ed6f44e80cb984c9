package dev.chaperone.kubectl;

import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Model.OptionSpec;

/// The program `kubectl chaperone`.
@Command(
    name = "kubectl chaperone",
    description = {
      "Says what blocks a drain, places and releases Holds, and breaks glass.",
      "",
      "It uses your kubeconfig and your rights, and needs nothing in the cluster but Chaperone itself."
    },
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      WhyCommand.class,
      PreviewCommand.class,
      StatusCommand.class,
      HoldsCommand.class,
      HoldCommand.class,
      ReleaseCommand.class,
      AllowCommand.class,
      HelpCommand.class
    },
    footer = {
      "",
      "Exit codes: 0 done; 1 an error, also of usage; 2 (why only) something blocks the drain."
    })
public final class Plugin {
  static final int DONE = 0;
  static final int ERROR = 1;
  static final int BLOCKED = 2;

  private Plugin() {}

  /// Runs one command and ends the process with its exit code.
  ///
  /// @param arguments as after `kubectl chaperone`
  public static void main(String[] arguments) {
    System.exit(
        run(
            new PrintWriter(System.out, false, StandardCharsets.UTF_8),
            new PrintWriter(System.err, true, StandardCharsets.UTF_8),
            arguments));
  }

  /// Runs one command.
  ///
  /// @return its exit code
  static int run(PrintWriter out, PrintWriter err, String... arguments) {
    int code =
        commandLine()
            .setOut(out)
            .setErr(err)
            .execute(arguments.length == 0 ? new String[] {"help"} : arguments);
    out.flush();
    err.flush();
    return code;
  }

  /// With neither colours nor a width that depend on the terminal: what is printed is the same
  /// everywhere.
  static CommandLine commandLine() {
    CommandLine all = new CommandLine(new Plugin());
    all.getSubcommands().values().forEach(Plugin::addHelp);
    return addHelp(all)
        .setColorScheme(CommandLine.Help.defaultColorScheme(Ansi.OFF))
        .setUsageHelpWidth(100)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setParameterExceptionHandler(
            (e, _) -> {
              CommandLine command = e.getCommandLine();
              command.getErr().println("error: " + e.getMessage());
              command
                  .getErr()
                  .printf("See '%s --help'.%n", command.getCommandSpec().qualifiedName());
              return ERROR;
            })
        .setExecutionExceptionHandler(
            (e, command, _) -> {
              if (e instanceof Problem) {
                command.getErr().println("error: " + e.getMessage());
                return ERROR;
              }
              throw e;
            });
  }

  private static CommandLine addHelp(CommandLine command) {
    if (!(command.getCommand() instanceof HelpCommand)) {
      command
          .getCommandSpec()
          .addOption(
              OptionSpec.builder("-h", "--help")
                  .usageHelp(true)
                  .description("Show this help.")
                  .build());
    }
    return command;
  }
}
