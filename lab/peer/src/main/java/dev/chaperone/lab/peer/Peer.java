package dev.chaperone.lab.peer;

import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.javaoperatorsdk.operator.Operator;

/// The operator as a program: runs until it is ended, with the rights of `KUBECONFIG`.
public final class Peer {
  private Peer() {}

  /// Runs it.
  ///
  /// @param arguments the label selector of the pods of all targets, which one who writes an
  /// operator for their own DaemonSet knows
  public static void main(String[] arguments) {
    if (arguments.length != 1) {
      System.err.println("usage: dev.chaperone.lab.peer.Peer TARGET_POD_SELECTOR");
      System.exit(2);
    }
    Operator operator =
        new Operator(
            overrides ->
                overrides
                    .withKubernetesClient(new KubernetesClientBuilder().build())
                    .checkingCRDAndValidateLocalModel(false));
    operator.register(new CompanionReconciler(arguments[0]));
    operator.start();
  }
}
