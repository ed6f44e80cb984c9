package dev.chaperone.decide;

import dev.chaperone.docs.Page;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// `docs/reference/conditions-and-reasons.md` says of each [Reason] what the code says of it, and
/// `docs/troubleshooting.md` leads there.
class ReasonsReferenceTest {
  @Test
  void the_reference_has_every_reason_as_the_code_has_it() throws IOException {
    Page.of("reference/conditions-and-reasons.md")
        .assertBlock(
            "reasons",
            Stream.of(Reason.About.values())
                .map(ReasonsReferenceTest::section)
                .collect(Collectors.joining("\n")));
  }

  @Test
  void the_troubleshooting_page_leads_to_every_reason() throws IOException {
    Page.of("troubleshooting.md")
        .assertBlock(
            "reasons",
            Stream.of(Reason.About.values())
                .map(
                    about ->
                        "- %s: %s\n"
                            .formatted(
                                about.title(),
                                of(about)
                                    .map(ReasonsReferenceTest::link)
                                    .collect(Collectors.joining(", "))))
                .collect(Collectors.joining()));
  }

  private static String section(Reason.About about) {
    return "## %s\n".formatted(about.title())
        + of(about)
            .map(
                it ->
                    "\n### %s\n\n%s%s\n"
                        .formatted(
                            it,
                            it.documentation(),
                            marks(it).isEmpty() ? "" : " *" + marks(it) + ".*"))
            .collect(Collectors.joining());
  }

  private static String marks(Reason reason) {
    List<String> marks =
        Stream.of(
                reason.blocks() ? "Blocks" : "",
                reason.settles() ? "settles" : "",
                reason.yields() ? "yields" : "",
                reason.warns() ? "Warning" : "")
            .filter(it -> !it.isEmpty())
            .toList();
    return String.join(", ", marks);
  }

  private static String link(Reason reason) {
    return "[%s](reference/conditions-and-reasons.md#%s)"
        .formatted(reason, reason.name().toLowerCase(Locale.ROOT));
  }

  private static Stream<Reason> of(Reason.About about) {
    return Stream.of(Reason.values()).filter(it -> it.about() == about);
  }
}
