package dev.chaperone.lab.net;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.net.HttpMessages.Head;
import dev.chaperone.lab.programs.LabFailure;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import javax.net.ssl.SSLSocketFactory;
import org.jspecify.annotations.Nullable;

/// Stands between a program and a lab's API server, counts what passes, and cuts the line at the
/// call that it is told to.
///
/// The program talks plain HTTP/1.1 to it, with the same tokens; every byte is handed on as it
/// came, answers that stream included.
public final class ApiProxy implements AutoCloseable {
  /// Answers below this status announce another one, but for one.
  private static final int FINAL = 200;

  private static final int SWITCHING = 101;

  private final Lab lab;
  private final ServerSocket server;
  private final SSLSocketFactory upstream;
  private final Set<Socket> connections = ConcurrentHashMap.newKeySet();
  private final List<Exchange> exchanges = new ArrayList<>();
  private int passes = Integer.MAX_VALUE;
  private @Nullable Cut cut;
  private volatile Duration slowness = Duration.ZERO;

  private ApiProxy(Lab lab) throws IOException, GeneralSecurityException {
    this.lab = lab;
    this.upstream = lab.trust().getSocketFactory();
    this.server = new ServerSocket(0, 512, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  /// One call to the API server and its answer.
  ///
  /// @param path with the query
  /// @param status of the answer, whether that reached the program or not
  /// @param requestBytes head and body as they were sent: no TLS, no HTTP/2
  /// @param began when it came from the program, by `System.nanoTime()`
  /// @param ended when all of the answer had come
  public record Exchange(
      String method,
      String path,
      int status,
      long requestBytes,
      long responseBytes,
      long began,
      long ended) {}

  /// The end of the line.
  ///
  /// @param executed whether the call at which it is cut reaches the API server
  private record Cut(boolean executed, Runnable then) {}

  /// Opens it.
  public static ApiProxy start(Lab lab) {
    try {
      return new ApiProxy(lab);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (GeneralSecurityException e) {
      throw new LabFailure("The API server's certificate cannot be trusted", e);
    }
  }

  /// Where it listens, in place of [Lab#apiServer()].
  public URI address() {
    return URI.create("http://127.0.0.1:" + server.getLocalPort());
  }

  /// A file for `KUBECONFIG` with the rights of a ServiceAccount that leads through here.
  public Path kubeconfig(String namespace, String serviceAccount) {
    return lab.kubeconfigWith(lab.token(namespace, serviceAccount), address());
  }

  /// Lets so many more calls through. The next does not reach the API server: instead `then` runs,
  /// all connections are closed, and none is served until [#mend()].
  public void cutBefore(int calls, Runnable then) {
    cut(calls, new Cut(false, then));
  }

  /// Lets so many more calls through. The next is executed, but its answer never comes: instead
  /// `then` runs, all connections are closed, and none is served until [#mend()].
  public void cutAfter(int calls, Runnable then) {
    cut(calls, new Cut(true, then));
  }

  private synchronized void cut(int calls, @Nullable Cut next) {
    passes = calls;
    cut = next;
  }

  /// Whether the line has been cut where it was to be.
  public synchronized boolean isCut() {
    return passes == 0 && cut == null;
  }

  /// Serves again, and forgets about a cut that has not come.
  public void mend() {
    cut(Integer.MAX_VALUE, null);
  }

  /// Keeps each GET that comes from here for so long before the API server gets it.
  public void slowReads(Duration each) {
    slowness = each;
  }

  /// Every call that the API server has answered, in the order of the answers' ends.
  public synchronized List<Exchange> exchanges() {
    return List.copyOf(exchanges);
  }

  /// Counts anew from here.
  public synchronized void forget() {
    exchanges.clear();
  }

  /// Closes it and all connections.
  @Override
  public void close() {
    close(server);
    closeConnections();
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket client = server.accept();
        Thread.ofVirtual().start(() -> serve(client));
      } catch (IOException _) {
        // closed
      }
    }
  }

  private void serve(Socket client) {
    connections.add(client);
    try (client) {
      client.setTcpNoDelay(true);
      if (isCut()) {
        return;
      }
      try (Socket api =
          upstream.createSocket(InetAddress.getLoopbackAddress(), lab.apiServer().getPort())) {
        api.setTcpNoDelay(true);
        Queue<Request> asked = new ConcurrentLinkedQueue<>();
        Thread answers = Thread.ofVirtual().start(() -> answer(client, api, asked));
        try {
          ask(client, api, asked);
        } finally {
          close(api);
          answers.join();
        }
      }
    } catch (IOException _) {
      // one of the two has gone, and so does the other
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } finally {
      connections.remove(client);
    }
  }

  /// @param cut to be made when the answer is there
  /// @param upgraded whether the connection goes on as something else than HTTP, as a watch may
  private record Request(
      String method,
      String path,
      long bytes,
      long began,
      @Nullable Cut cut,
      CompletableFuture<Boolean> upgraded) {}

  /// One thread asks and one answers, so that an end on either side is seen at once.
  private void ask(Socket client, Socket api, Queue<Request> asked)
      throws IOException, InterruptedException {
    HttpMessages requests = new HttpMessages(client.getInputStream());
    OutputStream out = api.getOutputStream();
    for (Head head = requests.head(); head != null; head = requests.head()) {
      ByteArrayOutputStream whole = new ByteArrayOutputStream();
      whole.write(head.bytes());
      requests.requestBody(head, whole);
      Cut here = null;
      if (!passes()) {
        here = takeCut();
        if (here == null) {
          return;
        }
        if (!here.executed()) {
          make(here);
          return;
        }
      }
      Request request =
          new Request(
              head.word(0),
              head.word(1),
              whole.size(),
              System.nanoTime(),
              here,
              new CompletableFuture<>());
      if (request.method().equals("GET")) {
        Thread.sleep(slowness);
      }
      asked.add(request);
      whole.writeTo(out);
      out.flush();
      if (head.asksForUpgrade() && request.upgraded().join()) {
        requests.rest(out);
        return;
      }
    }
  }

  private void answer(Socket client, Socket api, Queue<Request> asked) {
    try (client) {
      HttpMessages answers = new HttpMessages(api.getInputStream());
      for (Head head = answers.head(); head != null; head = answers.head()) {
        Request request = asked.peek();
        if (request == null) {
          throw new IOException("an answer that nobody asked for: " + head.startLine());
        }
        OutputStream out =
            request.cut() == null ? client.getOutputStream() : OutputStream.nullOutputStream();
        out.write(head.bytes());
        boolean upgraded = head.status() == SWITCHING;
        if (head.status() < FINAL && !upgraded) {
          out.flush();
          continue;
        }
        request.upgraded().complete(upgraded);
        long body = upgraded ? answers.rest(out) : answers.answerBody(head, request.method(), out);
        asked.remove();
        count(request, head.status(), head.text().length() + body);
        if (request.cut() != null) {
          make(request.cut());
        }
      }
    } catch (IOException _) {
      // one of the two has gone, and so does the other
    } finally {
      asked.forEach(request -> request.upgraded().complete(false));
    }
  }

  private synchronized boolean passes() {
    if (passes > 0) {
      passes--;
      return true;
    }
    return false;
  }

  /// The cut, for the one call at which it is.
  private synchronized @Nullable Cut takeCut() {
    Cut here = cut;
    cut = null;
    return here;
  }

  private void make(Cut here) {
    here.then().run();
    closeConnections();
  }

  private synchronized void count(Request request, int status, long bytes) {
    exchanges.add(
        new Exchange(
            request.method(),
            request.path(),
            status,
            request.bytes(),
            bytes,
            request.began(),
            System.nanoTime()));
  }

  private void closeConnections() {
    connections.forEach(ApiProxy::close);
  }

  private static void close(AutoCloseable open) {
    try {
      open.close();
    } catch (Exception _) {
      // closed it is
    }
  }
}
