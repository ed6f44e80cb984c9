package dev.chaperone.lab;

import java.util.concurrent.CountDownLatch;

/// The lab from the command line.
public final class Main {
  private Main() {}

  /// `up` runs a cluster until Ctrl-C and prints the line that points kubectl at it.
  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length != 1 || !arguments[0].equals("up")) {
      System.err.println("usage: dev.chaperone.lab.Main up");
      System.exit(2);
    }
    try (Lab lab = Lab.start()) {
      System.out.println("export KUBECONFIG=" + lab.kubeconfig());
      new CountDownLatch(1).await();
    }
  }
}
