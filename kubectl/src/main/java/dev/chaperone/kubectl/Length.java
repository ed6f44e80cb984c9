package dev.chaperone.kubectl;

import dev.chaperone.decide.Durations;
import java.time.Duration;
import java.time.format.DateTimeParseException;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/// How long something lasts, greater than zero: `90m`, `2h30m`, `45s`.
final class Length implements ITypeConverter<Duration> {
  @Override
  public Duration convert(String text) {
    try {
      return Durations.parse(text)
          .filter(it -> it.isPositive())
          .orElseThrow(() -> new TypeConversionException(problem(text)));
    } catch (DateTimeParseException e) {
      throw new TypeConversionException(problem(text));
    }
  }

  private static String problem(String text) {
    return "'%s' is not a duration greater than zero, such as 90m or 2h30m".formatted(text);
  }
}
