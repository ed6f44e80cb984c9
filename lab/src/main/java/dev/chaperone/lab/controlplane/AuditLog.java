package dev.chaperone.lab.controlplane;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// What the API server was asked. Reads only what was added since the last time.
public final class AuditLog {
  private static final ObjectMapper JSON = new ObjectMapper();

  /// Far longer than any line, far smaller than a whole log.
  private static final int PIECE = 1 << 22;

  private final Path file;
  private final List<ApiCall> calls = new ArrayList<>();
  private final List<Watch> watches = new ArrayList<>();
  private final Set<UsedRight> rights = new LinkedHashSet<>();
  private long position;

  /// @param file that the API server writes
  public AuditLog(Path file) {
    this.file = file;
  }

  /// A watch that the API server has begun to answer.
  ///
  /// @param credential identifies the one token it came with
  /// @param time when the API server received it
  public record Watch(String credential, String uri, Instant time) {}

  /// Every call that has ended, in that order.
  public synchronized List<ApiCall> calls() {
    read();
    return List.copyOf(calls);
  }

  /// Every watch that has begun, in that order.
  public synchronized List<Watch> watches() {
    read();
    return List.copyOf(watches);
  }

  /// Every right that somebody used.
  public synchronized Set<UsedRight> rights() {
    read();
    return Set.copyOf(rights);
  }

  /// Writes down every right that somebody used, if the build asks for that: see [UsedRight].
  public synchronized void writeRights() {
    UsedRight.write(rights());
  }

  private void read() {
    if (!Files.exists(file)) {
      return;
    }
    try (RandomAccessFile log = new RandomAccessFile(file.toFile(), "r")) {
      int read;
      do {
        read = readPiece(log);
        position += read;
      } while (read > 0);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Returns the length of the whole lines it took.
  private int readPiece(RandomAccessFile log) throws IOException {
    byte[] piece = new byte[(int) Math.min(PIECE, log.length() - position)];
    log.seek(position);
    log.readFully(piece);
    int from = 0;
    for (int end = 0; end < piece.length; end++) {
      if (piece[end] == '\n') {
        add(JSON.readTree(new String(piece, from, end - from, StandardCharsets.UTF_8)));
        from = end + 1;
      }
    }
    return from;
  }

  private void add(JsonNode event) {
    String verb = event.path("verb").asText();
    rights(event).forEach(rights::add);
    switch (event.path("stage").asText()) {
      case "ResponseStarted" -> {
        if (verb.equals("watch")) {
          watches.add(
              new Watch(credential(event), event.path("requestURI").asText(), received(event)));
        }
      }
      case "ResponseComplete" -> {
        JsonNode object = event.path("objectRef");
        calls.add(
            new ApiCall(
                event.path("user").path("username").asText(),
                verb,
                object.path("apiGroup").asText(),
                object.path("resource").asText(),
                object.path("subresource").asText(),
                object.path("namespace").asText(),
                object.path("name").asText(),
                event.path("responseStatus").path("code").asInt(),
                event.path("userAgent").asText(),
                received(event)));
      }
      default -> {
        // a panic of the API server is in its own log
      }
    }
  }

  private static Instant received(JsonNode event) {
    return Instant.parse(event.path("requestReceivedTimestamp").asText());
  }

  /// Of every stage: a watch may be told of only when it begins.
  private static List<UsedRight> rights(JsonNode event) {
    JsonNode object = event.path("objectRef");
    JsonNode decision = event.path("annotations").path("authorization.k8s.io/decision");
    if (object.path("resource").isMissingNode() || decision.isMissingNode()) {
      return List.of();
    }
    String verb = event.path("verb").asText();
    // An apply that makes the object needs the right to create it too, and is logged as one call.
    boolean made = verb.equals("patch") && event.path("responseStatus").path("code").asInt() == 201;
    return (made ? List.of(verb, "create") : List.of(verb))
        .stream()
            .map(
                each ->
                    new UsedRight(
                        event.path("user").path("username").asText(),
                        each,
                        object.path("apiGroup").asText(),
                        object.path("resource").asText(),
                        object.path("subresource").asText(),
                        decision.asText().equals("allow")))
            .toList();
  }

  private static String credential(JsonNode event) {
    return event
        .path("user")
        .path("extra")
        .path("authentication.kubernetes.io/credential-id")
        .path(0)
        .asText();
  }
}
