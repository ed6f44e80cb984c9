package dev.chaperone.lab.monitoring;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/// Prometheus' own query engine on one scrape, without a server.
public final class PromQl {
  private static final Duration ANSWER = Duration.ofMinutes(1);
  private static final ObjectMapper JSON = new ObjectMapper();

  /// One sample of a result.
  public record Sample(Map<String, String> labels, double value) {}

  private PromQl() {}

  /// What each expression gives at that time, as if the scrape had been the same until then. The
  /// first time on a machine this builds the program.
  ///
  /// @param scrape a page such as [KubeStateMetrics#scrape()]
  /// @throws AssertionError if an expression is wrong; the message has the engine's words
  public static List<List<Sample>> evaluate(
      Lab lab, String scrape, Instant at, List<String> expressions) {
    Path page = lab.folder().resolve("scrape-" + UUID.randomUUID());
    List<String> arguments =
        new ArrayList<>(List.of(page.toString(), String.valueOf(at.getEpochSecond())));
    arguments.addAll(expressions);
    try {
      Files.writeString(page, scrape);
      try (Kubectl run =
          new Kubectl(List.of(lab.program(Module.PROMQL).toString()), arguments, Map.of())) {
        List<List<Sample>> results = new ArrayList<>();
        for (String line : run.await(ANSWER).orFail().out().lines().toList()) {
          results.add(JSON.readValue(line, new TypeReference<List<Sample>>() {}));
        }
        return results;
      }
    } catch (JsonProcessingException e) {
      throw new LabFailure("promql answers what is no list of samples", e);
    } catch (IOException e) {
      throw new UncheckedIOException("The lab's folder cannot be written", e);
    }
  }
}
