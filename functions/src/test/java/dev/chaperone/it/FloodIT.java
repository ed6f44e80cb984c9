package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Whoever reaches the functions posts what they like: a program with the memory of production goes
/// on as if nothing were.
@ExtendWith(LabExtension.class)
class FloodIT {
  private static final Duration NEVER_IDLE = Duration.ofHours(1);
  private static final int AT_ONCE = 50;
  private static final int TEN_MB = 10_000_000;
  private static final int LONGEST = 256 << 10;
  private static final String CUT_OFF = "cut off";

  private static final List<Length> LENGTHS =
      List.of(
          new Length(true, TEN_MB, List.of("413", "503", CUT_OFF)),
          new Length(false, TEN_MB, List.of("413", "503", CUT_OFF)),
          new Length(true, LONGEST, List.of("400", "503")),
          new Length(false, LONGEST, List.of("400", "503")));

  private static final int POSTS = Thorough.times(2000, 10_000);
  /// However many ask for it, everything is looked at so often a second at most: between two rounds
  /// that were shared is a pause, and a list that was shared is used for a while.
  private static final int LOOKS_A_SECOND = 5;

  private static final int LISTS_A_SECOND = 20;

  private final Map<String, Integer> answers = new ConcurrentHashMap<>();
  private final Lab lab;
  private OnDemand program;
  private Installation chaperone;

  FloodIT(Lab lab) {
    this.lab = lab;
  }

  @BeforeEach
  void start() {
    program = OnDemand.start(lab, OnDemand.asInItsContainer(), Map.of(), NEVER_IDLE);
    chaperone = program.chaperone();
  }

  @AfterEach
  void end() {
    program.close();
  }

  @Test
  void large_posts_are_refused_and_events_are_served_meanwhile() throws Exception {
    try (Scene scene = new Scene(chaperone, "flood", 0).withCompanion("{}");
        ExecutorService senders = Executors.newVirtualThreadPerTaskExecutor()) {
      scene.awaitCounted();
      assertThat(chaperone.changed("Companion", scene.name, "agent").statusCode())
          .isBetween(200, 204);

      for (Length length : LENGTHS) {
        List<Future<String>> answers = new ArrayList<>();
        for (int i = 0; i < AT_ONCE; i++) {
          boolean structured = i % 2 == 0;
          answers.add(senders.submit(() -> post(length, structured)));
        }
        for (int i = 0; i < 10; i++) {
          assertThat(chaperone.changed("Companion", scene.name, "agent").statusCode())
              .isBetween(200, 204);
        }
        for (Future<String> answer : answers) {
          assertThat(answer.get()).as(length.toString()).isIn(length.refusals);
        }
      }

      assertThat(chaperone.pulse().statusCode()).isBetween(200, 204);
      assertThat(program.functions().starts()).isEqualTo(1);
      assertThat(Files.readString(program.log())).doesNotContain("OutOfMemory");
    }
  }

  /// Nobody's name is on a pulse, so anybody may send it.
  @Test
  void what_tells_to_look_at_everything_costs_little_however_often_it_comes() throws Exception {
    try (Scene scene = new Scene(chaperone, "forged", 0).withCompanion("{}")) {
      scene.awaitCounted();
      assertThat(chaperone.pulse().statusCode()).isBetween(200, 204);

      for (String kind : List.of("pulse", "Node", "DaemonSet")) {
        AtomicInteger number = new AtomicInteger();
        // The first may still have something to write.
        send(kind, number);
        int one = kind.equals("Node") ? lookAtEveryone(scene) : calls(() -> send(kind, number));
        int before = chaperone.calls().size();
        long began = System.nanoTime();
        try (ExecutorService senders = Executors.newFixedThreadPool(AT_ONCE)) {
          for (int i = 0; i < POSTS; i++) {
            senders.execute(
                () -> {
                  int status = send(kind, number);
                  answers.merge(kind + " " + status, 1, Integer::sum);
                });
          }
        }
        double seconds = (System.nanoTime() - began) / 1e9;
        int calls = chaperone.calls().size() - before;
        System.out.printf(
            "FloodIT: %d of %s in %.1f s: %d calls, %d for one, %s%n",
            POSTS, kind, seconds, calls, one, answers);
        int often = kind.equals("DaemonSet") ? LISTS_A_SECOND : LOOKS_A_SECOND;
        assertThat(calls).as(kind).isLessThan((int) ((one + 3) * (often * seconds + 3)));
      }
      assertThat(answers.keySet()).allMatch(it -> it.contains(" 20"));
    }
  }

  /// Of many nodes at once nobody asks who is on each: the Companions are listed, and each is
  /// looked at. There is but one.
  private int lookAtEveryone(Scene scene) {
    return 1 + calls(() -> chaperone.changed("Companion", scene.name, "agent"));
  }

  /// @return how many calls of the API server it costs
  private int calls(Runnable what) {
    int before = chaperone.calls().size();
    what.run();
    return chaperone.calls().size() - before;
  }

  /// @return the status
  private int send(String kind, AtomicInteger number) {
    return (kind.equals("pulse")
            ? chaperone.pulse()
            : chaperone.changed(kind, "", "made-up-" + number.incrementAndGet()))
        .statusCode();
  }

  /// @param said whether Content-Length tells it
  /// @param refusals the statuses that it may be answered with
  private record Length(boolean said, int bytes, List<String> refusals) {}

  /// Posts JSON of as many parts as fit, which take far more memory than their text.
  ///
  /// @return the status
  private String post(Length length, boolean structured) throws IOException {
    try (Socket socket =
        new Socket(InetAddress.getLoopbackAddress(), program.functions().program().getPort())) {
      OutputStream out = socket.getOutputStream();
      out.write(
          """
          POST / HTTP/1.1
          Host: functions
          %s
          %s

          """
              .formatted(
                  structured
                      ? "Content-Type: application/cloudevents+json"
                      : "Ce-Specversion: 1.0\nCe-Id: 1\nCe-Source: /flood\nCe-Type:"
                          + " com.example.unwanted\nContent-Type: application/json",
                  length.said ? "Content-Length: " + length.bytes : "Transfer-Encoding: chunked")
              .replace("\n", "\r\n")
              .getBytes(StandardCharsets.US_ASCII));
      try {
        send(out, length);
      } catch (SocketException cutOff) {
        // There may be an answer all the same.
      }
      return status(socket);
    }
  }

  private static void send(OutputStream out, Length length) throws IOException {
    byte[] piece = ("[" + "{},".repeat(1 << 12)).getBytes(StandardCharsets.US_ASCII);
    for (int sent = 0; sent < length.bytes; ) {
      int size = Math.min(piece.length, length.bytes - sent);
      if (!length.said) {
        out.write("%x\r\n".formatted(size).getBytes(StandardCharsets.US_ASCII));
      }
      out.write(piece, 0, size);
      if (!length.said) {
        out.write("\r\n".getBytes(StandardCharsets.US_ASCII));
      }
      sent += size;
    }
    if (!length.said) {
      out.write("0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
    }
    out.flush();
  }

  private static String status(Socket socket) throws IOException {
    try {
      String line =
          new BufferedReader(
                  new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII))
              .readLine();
      return line == null ? CUT_OFF : line.split(" ", -1)[1];
    } catch (SocketException e) {
      return CUT_OFF;
    }
  }
}
