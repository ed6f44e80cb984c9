package dev.chaperone.page;

import io.quarkus.qute.Engine;
import io.quarkus.qute.HtmlEscaper;
import io.quarkus.qute.RawString;
import io.quarkus.qute.ReflectionValueResolver;
import io.quarkus.qute.Template;
import io.quarkus.qute.Variant;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.List;
import java.util.Objects;

/// An [Overview] as HTML. Every text is escaped, because Qute escapes whatever is put into a
/// template of this type; only the style is not, which is ours.
final class Html {
  private static final String TYPE = "text/html";
  private static final String STYLE = file("status.css");
  private static final Template TEMPLATE =
      Engine.builder()
          .addDefaults()
          .addValueResolver(new ReflectionValueResolver())
          .addResultMapper(new HtmlEscaper(List.of(TYPE)))
          .build()
          .parse(file("status.html"), Variant.forContentType(TYPE));

  /// What a browser may do with an answer that is no page: nothing.
  static final String NOTHING =
      "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

  /// The same for the page, but for its own style.
  static final String POLICY = NOTHING + "; style-src 'sha256-" + sha256(STYLE) + "'";

  private Html() {}

  static String of(Overview overview) {
    return TEMPLATE.data("o", overview, "style", new RawString(STYLE)).render();
  }

  private static String file(String name) {
    try (InputStream file = Objects.requireNonNull(Html.class.getResourceAsStream(name), name)) {
      return new String(file.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String sha256(String text) {
    try {
      return Base64.getEncoder()
          .encodeToString(
              MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8)));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
