package dev.chaperone.lab.controlplane;

import dev.chaperone.lab.programs.ServerProcess;
import java.net.URI;
import java.nio.file.Path;

/// The servers that a [Lab] stands on: a control plane and what plays or is its nodes.
public interface Cluster {
  /// Where the API server listens, as this machine sees it.
  URI address();

  /// Who may talk to it.
  Credentials credentials();

  /// The API server's process.
  ServerProcess apiServer();

  /// Where the API server writes down what it was asked.
  Path auditLog();

  /// Starts all of it, and returns when it is ready.
  ///
  /// @throws LabFailure if a part does not start; the message names it, its log and the log's last
  /// lines
  void start();

  /// Ends all of it, and returns when it is gone.
  void stop();
}
