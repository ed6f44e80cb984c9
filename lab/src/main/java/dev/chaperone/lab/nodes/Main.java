package dev.chaperone.lab.nodes;

import java.util.List;
import java.util.concurrent.CountDownLatch;

/// Real nodes from the command line.
public final class Main {
  private Main() {}

  /// Runs a cluster until Ctrl-C, and prints the line that points kubectl at it. The argument is
  /// the number of workers, 2 without one.
  public static void main(String[] arguments) throws InterruptedException {
    List<String> missing = NodeLab.missing();
    if (!missing.isEmpty()) {
      System.err.println("Real nodes cannot run here. Missing:");
      missing.forEach(it -> System.err.println("  " + it));
      System.exit(1);
    }
    try (NodeLab nodes =
        NodeLab.start(arguments.length == 0 ? 2 : Integer.parseInt(arguments[0]))) {
      System.out.println("export KUBECONFIG=" + nodes.lab().kubeconfig());
      new CountDownLatch(1).await();
    }
  }
}
