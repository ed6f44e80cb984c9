package dev.chaperone.lab.programs;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/// A TCP port that is free on the loopback interface and given out once per JVM.
public record LoopbackPort(int number) {
  private static final Set<Integer> GIVEN = new HashSet<>();

  /// Below the range from which systems take the ports of outgoing connections, so that a server
  /// that is started again finds its port still free.
  private static final int LOWEST = 20_000;

  private static final int HIGHEST = 32_000;

  /// One that nobody has.
  ///
  /// @throws LabFailure if there is none
  public static synchronized LoopbackPort free() {
    for (int attempt = 0; attempt < 1_000; attempt++) {
      int number = ThreadLocalRandom.current().nextInt(LOWEST, HIGHEST);
      if (!GIVEN.contains(number) && isFree(number)) {
        GIVEN.add(number);
        return new LoopbackPort(number);
      }
    }
    throw new LabFailure("No free port between " + LOWEST + " and " + HIGHEST);
  }

  /// Whether something listens on it now.
  public boolean accepts() {
    try (Socket socket = new Socket()) {
      socket.connect(address(), 500);
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  /// Where a server on it answers HTTP.
  public URI uri() {
    return URI.create("http://127.0.0.1:" + number);
  }

  InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), number);
  }

  private static boolean isFree(int number) {
    try (ServerSocket _ = new ServerSocket(number, 1, InetAddress.getLoopbackAddress())) {
      return true;
    } catch (IOException e) {
      return false;
    }
  }

  @Override
  public String toString() {
    return Integer.toString(number);
  }
}
