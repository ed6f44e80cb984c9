package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import dev.chaperone.api.Hold;
import dev.chaperone.api.HoldSpec;
import dev.chaperone.decide.Ages;
import dev.chaperone.decide.CompanionRef;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.api.model.ObjectMeta;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/// `kubectl chaperone hold COMPANION`.
@Command(
    name = "hold",
    description = {
      "Places a Hold: blocks drains and evictions of a Companion's nodes, or of some of them, until it"
          + " expires or is released.",
      "",
      "Waits until the Hold is enforced, which is when the API server refuses the evictions."
    },
    footer = {
      "",
      "Exit codes: 0 the Hold is enforced; 1 it could not be placed, or was not enforced in time: it"
          + " stays then, until it is released.",
      "Rights: create, get, list and watch holds, get companions."
    })
@SuppressWarnings("NullAway.Init") // picocli
final class HoldCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Connection connection;
  @Mixin private Scope scope;
  @Mixin private Output output;

  @Parameters(paramLabel = "COMPANION", description = "The Companion to hold.")
  private String companion;

  @Option(
      names = "--reason",
      required = true,
      paramLabel = "TEXT",
      description = "Why: what people read when their drain waits.")
  private String reason;

  @Option(
      names = "--for",
      paramLabel = "DURATION",
      converter = Length.class,
      description = "How long, for example 90m or 2h30m. Then the Hold expires by itself.")
  private @Nullable Duration length;

  @Option(names = "--until-deleted", description = "Without an end: until somebody releases it.")
  private boolean untilDeleted;

  @Option(
      names = "--node",
      paramLabel = "NODE",
      description = "Blocks this one node, while the others may go; default: every node.")
  private @Nullable String node;

  @Option(
      names = "--node-selector",
      paramLabel = "LABEL=VALUE",
      split = ",",
      description = "Blocks the nodes with these labels, while the others may go; not with --node.")
  private @Nullable Map<String, String> nodeSelector;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "Name of the Hold; default: the Companion's with a random end.")
  private @Nullable String name;

  @Option(
      names = "--wait",
      paramLabel = "DURATION",
      defaultValue = "60s",
      converter = Length.class,
      description = "How long to wait until it is enforced; default: ${DEFAULT-VALUE}.")
  private Duration patience;

  @Override
  public Integer call() {
    if ((length == null) != untilDeleted) {
      throw new Problem(
          "Say when the Hold ends: --for 2h, or --until-deleted for one that blocks until somebody"
              + " releases it; not both");
    }
    if (node != null && nodeSelector != null) {
      throw new Problem("Say which nodes: --node or --node-selector, not both");
    }
    try (KubernetesClient client = connection.open()) {
      CompanionRef ref = new CompanionRef(scope.namespace(client), companion);
      requireCompanion(client, ref);
      Hold placed = create(client, ref);
      PrintWriter err = spec.commandLine().getErr();
      String hold = "hold.chaperone.dev/" + placed.getMetadata().getName();
      // A program reads the object once it is complete.
      if (!output.isForPrograms()) {
        output.print(spec.commandLine().getOut(), placed, List.of(hold + " created"));
      }
      Hold seen =
          Waiting.until(
              client.resource(placed),
              placed,
              it -> isEnforced(it) || isRejected(it),
              patience,
              "see whether Hold %s is enforced".formatted(placed.getMetadata().getName()));
      Optional<Condition> enforced = HoldsTable.condition(seen, HoldsTable.ENFORCED);
      boolean done = isEnforced(seen);
      String words = enforced.map(Condition::getMessage).orElse("Chaperone has not reported on it");
      output.print(
          spec.commandLine().getOut(),
          seen,
          done ? List.of(hold + " enforced: " + words) : List.of());
      if (!done) {
        err.printf(
            "error: Hold %s/%s is not enforced%s: %s. It stays; kubectl chaperone release %s -n %s deletes it%n",
            ref.namespace(),
            seen.getMetadata().getName(),
            isRejected(seen) ? "" : " after " + Ages.human(patience),
            words,
            seen.getMetadata().getName(),
            ref.namespace());
      }
      return done ? Plugin.DONE : Plugin.ERROR;
    }
  }

  private static void requireCompanion(KubernetesClient client, CompanionRef ref) {
    try {
      if (client.resources(Companion.class).inNamespace(ref.namespace()).withName(ref.name()).get()
          == null) {
        throw new Problem(
            "Companion %s does not exist: kubectl chaperone status -A lists those that do"
                .formatted(ref));
      }
    } catch (KubernetesClientException e) {
      // Whoever may hold need not be one who may read.
      if (e.getCode() != Problem.FORBIDDEN) {
        throw Problem.of("get Companion " + ref, e);
      }
    }
  }

  private Hold create(KubernetesClient client, CompanionRef ref) {
    ObjectMeta metadata = new ObjectMetaBuilder().withNamespace(ref.namespace()).build();
    if (name == null) {
      metadata.setGenerateName(ref.name() + "-");
    } else {
      metadata.setName(name);
    }
    Hold hold = new Hold();
    hold.setMetadata(metadata);
    hold.setSpec(
        new HoldSpec(
            new HoldSpec.CompanionRef(ref.name()),
            reason,
            length == null
                ? null
                : Instant.now().plus(length).truncatedTo(ChronoUnit.SECONDS).toString(),
            node,
            nodeSelector));
    try {
      return client.resource(hold).create();
    } catch (KubernetesClientException e) {
      throw Problem.of("place a Hold on Companion " + ref, e);
    }
  }

  /// Whether Chaperone has said that it does not count, as with policy AlwaysAllow.
  private static boolean isRejected(Hold hold) {
    return HoldsTable.condition(hold, "Active")
        .filter(it -> "False".equals(it.getStatus()))
        .isPresent();
  }

  private static boolean isEnforced(Hold hold) {
    return HoldsTable.condition(hold, HoldsTable.ENFORCED)
        .filter(it -> "True".equals(it.getStatus()))
        .isPresent();
  }
}
