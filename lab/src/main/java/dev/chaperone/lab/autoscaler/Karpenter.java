package dev.chaperone.lab.autoscaler;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// The real Karpenter with its own provider of nodes that KWOK plays: it makes nodes for pods that
/// wait, and takes away what it finds superfluous, out of date or too old.
public final class Karpenter implements AutoCloseable {
  /// The zones of its instance types.
  public static final List<String> ZONES = List.of("test-zone-a", "test-zone-b", "test-zone-c");

  /// The node class of NodePools, as their nodeClassRef.
  public static final String NODE_CLASS =
      "{group: karpenter.kwok.sh, kind: KWOKNodeClass, name: default}";

  private static final String NAMESPACE = "karpenter";

  private final ServerProcess server;

  private Karpenter(ServerProcess server) {
    this.server = server;
  }

  /// Installs its types, and returns when it works. The first time on a machine this builds it.
  public static Karpenter start(Lab lab) {
    Path program = lab.program(Module.KARPENTER);
    lab.apply(types(program, lab.folder().resolve("karpenter-crds.json")));
    lab.awaitListed(
        "nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "kwoknodeclasses.karpenter.kwok.sh");
    lab.apply(
        """
        apiVersion: v1
        kind: Namespace
        metadata: {name: %s}
        ---
        apiVersion: karpenter.kwok.sh/v1alpha1
        kind: KWOKNodeClass
        metadata: {name: default}
        """
            .formatted(NAMESPACE));
    // Its own roles are in a chart, of which there is no module.
    lab.addServiceAccount(
        NAMESPACE, "karpenter", "{apiGroups: ['*'], resources: ['*'], verbs: ['*']}");
    LoopbackPort health = LoopbackPort.free();
    return new Karpenter(
        lab.startServer(
            "karpenter",
            List.of(
                program.toString(),
                "--disable-leader-election",
                "--metrics-port=" + LoopbackPort.free(),
                "--health-probe-port=" + health),
            Map.of("KUBECONFIG", lab.kubeconfig(NAMESPACE, "karpenter").toString()),
            _ -> health.accepts()));
  }

  private static Path types(Path program, Path file) {
    try {
      Process process =
          new ProcessBuilder(program.toString(), "crds")
              .redirectOutput(file.toFile())
              .redirectError(Redirect.INHERIT)
              .start();
      if (process.waitFor() != 0) {
        throw new LabFailure("Karpenter does not print its types");
      }
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while Karpenter printed its types", e);
    }
  }

  /// What it said.
  public Path log() {
    return server.log();
  }

  @Override
  public void close() {
    server.stop();
  }
}
