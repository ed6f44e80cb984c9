package dev.chaperone.lab.cli;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.knative.Eventing;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/// The lab from the command line.
public final class Main {
  private Main() {}

  /// `up` runs a cluster until Ctrl-C and prints the line that points kubectl at it; `--knative`
  /// puts Knative on it.
  public static void main(String[] arguments) throws InterruptedException {
    List<String> words = List.of(arguments);
    boolean knative = words.equals(List.of("up", "--knative"));
    if (!knative && !words.equals(List.of("up"))) {
      System.err.println("usage: dev.chaperone.lab.cli.Main up [--knative]");
      System.exit(2);
    }
    try (Lab lab = Lab.start()) {
      if (knative) {
        Eventing.start(lab);
      }
      System.out.println("export KUBECONFIG=" + lab.kubeconfig());
      new CountDownLatch(1).await();
    }
  }
}
