package dev.chaperone.kubectl;

import dev.chaperone.api.Companion;
import dev.chaperone.api.CompanionSpec.BreakGlass;
import dev.chaperone.decide.Ages;
import dev.chaperone.decide.CompanionRef;
import dev.chaperone.decide.Reason;
import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.Resource;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Collections;
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

/// `kubectl chaperone allow COMPANION`.
@Command(
    name = "allow",
    description = {
      "Break glass with an end: allows disruptions of a Companion's nodes for some time, whatever"
          + " blocks them.",
      "",
      "Sets spec.disruption.breakGlass, or removes it with --end. Waits until Chaperone says that it"
          + " does so. maxUnavailable still counts, and so do the budgets of others."
    },
    footer = {
      "",
      "Exit codes: 0 disruptions are allowed, or with --end decided as usual again; 1 that could not"
          + " be asked for, or is not so in time: what was asked for stays.",
      "Rights: get, list, watch and patch companions."
    })
@SuppressWarnings("NullAway.Init") // picocli
final class AllowCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private Connection connection;
  @Mixin private Scope scope;
  @Mixin private Output output;

  @Parameters(paramLabel = "COMPANION", description = "The Companion whose blocks are ignored.")
  private String companion;

  @Option(
      names = "--for",
      paramLabel = "DURATION",
      converter = Length.class,
      description = "How long, for example 90m or 2h30m. What blocks then blocks again by itself.")
  private @Nullable Duration length;

  @Option(
      names = "--reason",
      paramLabel = "TEXT",
      description = "Why: what people read when they ask why nothing blocks.")
  private @Nullable String reason;

  @Option(names = "--end", description = "What blocks is to count again now.")
  private boolean end;

  @Option(
      names = "--wait",
      paramLabel = "DURATION",
      defaultValue = "60s",
      converter = Length.class,
      description = "How long to wait until it is so; default: ${DEFAULT-VALUE}.")
  private Duration patience;

  @Override
  public Integer call() {
    if (end ? length != null || reason != null : length == null || reason == null) {
      throw new Problem(
          "Say for how long and why: --for 1h --reason TEXT; or --end alone, so that what blocks"
              + " counts again now");
    }
    try (KubernetesClient client = connection.open()) {
      CompanionRef ref = new CompanionRef(scope.namespace(client), companion);
      Resource<Companion> resource =
          client.resources(Companion.class).inNamespace(ref.namespace()).withName(ref.name());
      Companion asked = ask(client, resource, ref);
      long generation = asked.getMetadata().getGeneration();
      Companion seen =
          Waiting.until(
              resource,
              asked,
              it -> allowed(it, generation).filter(this::isDone).isPresent(),
              patience,
              "see whether Companion " + ref + " does so");
      Optional<Condition> allowed = allowed(seen, generation);
      boolean done = allowed.filter(this::isDone).isPresent();
      String words = allowed.map(Condition::getMessage).orElse("Chaperone has not reported on it");
      output.print(
          spec.commandLine().getOut(),
          seen,
          done
              ? List.of(
                  "companion.chaperone.dev/%s %s: %s"
                      .formatted(ref.name(), end ? "decides as usual" : "allows", words))
              : List.of());
      if (!done) {
        spec.commandLine()
            .getErr()
            .printf(
                "error: Companion %s does not do so after %s: %s. What was asked for stays%s%n",
                ref,
                Ages.human(patience),
                words,
                end
                    ? ""
                    : "; kubectl chaperone allow %s -n %s --end takes it back"
                        .formatted(ref.name(), ref.namespace()));
      }
      return done ? Plugin.DONE : Plugin.ERROR;
    }
  }

  private Companion ask(KubernetesClient client, Resource<Companion> resource, CompanionRef ref) {
    @Nullable BreakGlass wanted =
        length == null || reason == null
            ? null
            : new BreakGlass(
                Instant.now().plus(length).truncatedTo(ChronoUnit.SECONDS).toString(), reason);
    Map<String, Object> patch =
        Map.of("spec", Map.of("disruption", Collections.singletonMap("breakGlass", wanted)));
    try {
      return resource.patch(
          new PatchContext.Builder()
              .withPatchType(PatchType.JSON_MERGE)
              .withFieldManager("kubectl-chaperone")
              .build(),
          client.getKubernetesSerialization().asJson(patch));
    } catch (KubernetesClientException e) {
      throw Problem.of(
          (end ? "end breakGlass of Companion " : "allow disruptions of Companion ") + ref, e);
    }
  }

  /// What Chaperone says of this spec or a later one.
  private static Optional<Condition> allowed(Companion companion, long generation) {
    return Facts.allowed(Facts.status(companion))
        .filter(
            it -> it.getObservedGeneration() != null && it.getObservedGeneration() >= generation);
  }

  /// Also where `policy: AlwaysAllow` has allowed them before.
  private boolean isDone(Condition allowed) {
    boolean ignores =
        Reason.BreakGlass.name().equals(allowed.getReason())
            || Reason.AlwaysAllow.name().equals(allowed.getReason());
    return end != ignores;
  }
}
