package dev.chaperone.decide;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// `docs/reasons.md` is what [Reason] says. `-Dreadme.write=true` writes it anew.
class ReasonsReferenceTest {
  private static final Path PAGE = Path.of("../docs/reasons.md");

  @Test
  void the_page_has_every_reason_as_the_code_has_it() throws IOException {
    if (Boolean.getBoolean("readme.write")) {
      Files.writeString(PAGE, page());
    }
    assertThat(PAGE).hasContent(page());
  }

  private static String page() {
    return """
        # Reasons

        Every reason that a condition, a reply, a Kubernetes Event or the metric `chaperone_decisions_total` can carry. A reason is
        listed where it appears first; it may appear in other conditions as well. Generated from the code.

        *Blocks*: disruptions are blocked because of it. *Settles*: `settlePeriod` follows when it clears. *Yields*: it no longer
        counts after `maxHoldDuration`. *Warning*: its Kubernetes Event is a Warning.
        """
        + Stream.of(Reason.About.values())
            .map(ReasonsReferenceTest::section)
            .collect(Collectors.joining());
  }

  private static String section(Reason.About about) {
    return "\n## %s\n\n| reason | blocks | settles | yields | Warning | meaning |\n|---|---|---|---|---|---|\n"
            .formatted(about.title())
        + Stream.of(Reason.values())
            .filter(it -> it.about() == about)
            .map(
                it ->
                    "| `%s` | %s | %s | %s | %s | %s |\n"
                        .formatted(
                            it,
                            mark(it.blocks()),
                            mark(it.settles()),
                            mark(it.yields()),
                            mark(it.warns()),
                            it.documentation()))
            .collect(Collectors.joining());
  }

  private static String mark(boolean is) {
    return is ? "yes" : "";
  }
}
