package dev.chaperone.lab.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.concurrent.atomic.AtomicLong;

/// The line between a program and the API server, with a counter on it: hands on every byte,
/// encrypted as it is.
final class Wire implements AutoCloseable {
  private static final int BUFFER = 64 * 1024;

  private final ServerSocket server;
  private final int apiServer;
  private final AtomicLong sent = new AtomicLong();
  private final AtomicLong received = new AtomicLong();

  private Wire(URI apiServer) throws IOException {
    this.apiServer = apiServer.getPort();
    this.server = new ServerSocket(0, 512, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::accept);
  }

  static Wire to(URI apiServer) {
    try {
      return new Wire(apiServer);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  int port() {
    return server.getLocalPort();
  }

  /// By the program.
  long sent() {
    return sent.get();
  }

  /// By the program.
  long received() {
    return received.get();
  }

  @Override
  public void close() throws IOException {
    server.close();
  }

  private void accept() {
    while (!server.isClosed()) {
      try {
        Socket program = server.accept();
        Socket api = new Socket(InetAddress.getLoopbackAddress(), apiServer);
        program.setTcpNoDelay(true);
        api.setTcpNoDelay(true);
        Thread.ofVirtual().start(() -> copy(program, api, sent));
        Thread.ofVirtual().start(() -> copy(api, program, received));
      } catch (IOException _) {
        // closed
      }
    }
  }

  private static void copy(Socket from, Socket to, AtomicLong count) {
    byte[] buffer = new byte[BUFFER];
    try (from;
        to) {
      InputStream in = from.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
        count.addAndGet(read);
        out.write(buffer, 0, read);
      }
    } catch (IOException _) {
      // one side ended
    }
  }
}
