package dev.chaperone.lab.net;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// One direction of an HTTP/1.1 connection, message by message, handed on byte for byte.
final class HttpMessages {
  private static final int LONGEST_HEAD = 1 << 20;

  private static final int PIECE = 1 << 14;

  private static final int UNTIL_CHUNKS_END = -1;
  private static final int UNTIL_CONNECTION_ENDS = -2;

  private final InputStream in;

  HttpMessages(InputStream in) {
    this.in = new BufferedInputStream(in, 1 << 16);
  }

  /// The start line and the headers of a message.
  ///
  /// @param text as it came, the empty line included
  record Head(String text) {
    byte[] bytes() {
      return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    String startLine() {
      return text.substring(0, text.indexOf('\r'));
    }

    /// A word of the start line.
    String word(int number) {
      String[] words = startLine().split(" ", 3);
      return number < words.length ? words[number] : "";
    }

    int status() throws IOException {
      try {
        return Integer.parseInt(word(1));
      } catch (NumberFormatException e) {
        throw new IOException("not an HTTP answer: " + startLine(), e);
      }
    }

    boolean asksForUpgrade() {
      return header("upgrade") != null;
    }

    private @Nullable String header(String name) {
      int at = text.toLowerCase(Locale.ROOT).indexOf("\r\n" + name + ":");
      if (at < 0) {
        return null;
      }
      int from = at + name.length() + 3;
      return text.substring(from, text.indexOf('\r', from)).strip();
    }

    /// How long the body of a request is; UNTIL_CHUNKS_END: its chunks say so.
    private long length() throws IOException {
      String coding = header("transfer-encoding");
      if (coding != null && coding.toLowerCase(Locale.ROOT).endsWith("chunked")) {
        return UNTIL_CHUNKS_END;
      }
      String length = header("content-length");
      try {
        return length == null ? 0 : Long.parseLong(length);
      } catch (NumberFormatException e) {
        throw new IOException("no content-length: " + length, e);
      }
    }

    /// The same of an answer; UNTIL_CONNECTION_ENDS: all that still comes.
    private long lengthOfAnswer(String method) throws IOException {
      int status = status();
      if (method.equals("HEAD") || status < 200 || status == 204 || status == 304) {
        return 0;
      }
      return header("content-length") == null && header("transfer-encoding") == null
          ? UNTIL_CONNECTION_ENDS
          : length();
    }
  }

  /// The next message's head; nothing when the connection has ended.
  @Nullable Head head() throws IOException {
    ByteArrayOutputStream head = new ByteArrayOutputStream();
    while (true) {
      int line = line(head);
      if (line < 0 && head.size() == 0) {
        return null;
      }
      if (line < 0) {
        throw new EOFException("the connection ended in the middle of a head");
      }
      if (line == 2) {
        return new Head(head.toString(StandardCharsets.ISO_8859_1));
      }
      if (head.size() > LONGEST_HEAD) {
        throw new IOException("a head of more than " + LONGEST_HEAD + " bytes");
      }
    }
  }

  /// Hands on the body of a request.
  ///
  /// @return how many bytes it has on the wire
  long requestBody(Head head, OutputStream to) throws IOException {
    return body(head.length(), to);
  }

  /// Hands on the body of an answer to a request with this method, each piece at once.
  ///
  /// @return how many bytes it has on the wire
  long answerBody(Head head, String method, OutputStream to) throws IOException {
    return body(head.lengthOfAnswer(method), to);
  }

  /// Hands on all that still comes, whatever it is, for as long as both sides stay.
  ///
  /// @return how many bytes
  long rest(OutputStream to) throws IOException {
    to.flush();
    byte[] piece = new byte[PIECE];
    long total = 0;
    try {
      for (int read = in.read(piece); read >= 0; read = in.read(piece)) {
        to.write(piece, 0, read);
        to.flush();
        total += read;
      }
    } catch (IOException _) {
      // nobody says goodbye at the end of a watch
    }
    return total;
  }

  private long body(long length, OutputStream to) throws IOException {
    if (length == UNTIL_CHUNKS_END) {
      return chunks(to);
    }
    return length == UNTIL_CONNECTION_ENDS ? rest(to) : copy(length, to);
  }

  private long chunks(OutputStream to) throws IOException {
    long total = 0;
    while (true) {
      ByteArrayOutputStream line = new ByteArrayOutputStream();
      require(line(line));
      to.write(line.toByteArray());
      total += line.size();
      long size =
          Long.parseLong(
              line.toString(StandardCharsets.ISO_8859_1).split("[;\r]", 2)[0].strip(), 16);
      if (size == 0) {
        return total + trailers(to);
      }
      total += copy(size + 2, to);
    }
  }

  private long trailers(OutputStream to) throws IOException {
    ByteArrayOutputStream trailers = new ByteArrayOutputStream();
    while (require(line(trailers)) > 2) {
      // up to the empty line
    }
    to.write(trailers.toByteArray());
    to.flush();
    return trailers.size();
  }

  private long copy(long length, OutputStream to) throws IOException {
    byte[] piece = new byte[PIECE];
    long left = length;
    while (left > 0) {
      int read = in.read(piece, 0, (int) Math.min(piece.length, left));
      if (read < 0) {
        throw new EOFException("the connection ended in the middle of a body");
      }
      to.write(piece, 0, read);
      left -= read;
      if (in.available() == 0) {
        to.flush();
      }
    }
    to.flush();
    return length;
  }

  /// Reads up to the end of a line.
  ///
  /// @return how many bytes; -1 when the connection ended before
  private int line(ByteArrayOutputStream line) throws IOException {
    int read = 0;
    while (true) {
      int next = in.read();
      if (next < 0) {
        return -1;
      }
      line.write(next);
      read++;
      if (next == '\n') {
        return read;
      }
    }
  }

  private static int require(int line) throws IOException {
    if (line < 0) {
      throw new EOFException("the connection ended in the middle of a body");
    }
    return line;
  }
}
