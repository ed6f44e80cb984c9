package dev.chaperone.kubectl;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.fabric8.kubernetes.client.utils.Serialization;
import java.io.PrintWriter;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// How a result is printed, as kubectl takes it.
final class Output {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .defaultPropertyInclusion(
              JsonInclude.Value.construct(JsonInclude.Include.NON_NULL, JsonInclude.Include.ALWAYS))
          .enable(SerializationFeature.INDENT_OUTPUT)
          .build();

  /// Names as users write them.
  enum Format {
    json,
    yaml,
    wide
  }

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FORMAT",
      description = "Output format: ${COMPLETION-CANDIDATES}. Default: a table.")
  private @Nullable Format format;

  boolean isWide() {
    return format == Format.wide;
  }

  boolean isForPrograms() {
    return format == Format.json || format == Format.yaml;
  }

  /// Prints lines, or the object where a program reads.
  void print(PrintWriter out, Object object, List<String> lines) {
    if (format == Format.json) {
      out.println(json(object));
    } else if (format == Format.yaml) {
      out.print(Serialization.asYaml(object));
    } else {
      lines.forEach(out::println);
    }
    out.flush();
  }

  private static String json(Object object) {
    try {
      return JSON.writeValueAsString(object);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
