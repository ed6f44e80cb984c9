package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;

/// One of the two that are compared, running on a lab.
sealed interface Contender extends AutoCloseable permits Functions, Peer {
  Kind kind();

  ChildJvm jvm();

  /// Says that an object was changed, if it has to be told.
  ///
  /// @param change add, update or delete
  /// @param namespace empty for a Node
  Telling tell(String change, String kind, String namespace, String name);

  /// How often it has looked at a Companion so far, as far as it counts that.
  long reconciles();

  @Override
  void close();

  /// What came of telling.
  interface Telling {
    Telling NOTHING_TO_TELL = () -> {};

    /// Returns when it has done what the event asked for, as far as it says.
    ///
    /// @throws WrongResult if it says that it failed
    void await();
  }

  /// Which of the two.
  enum Kind {
    FUNCTIONS,
    PEER;

    /// As reports call it; its ServiceAccount has the same name.
    String title() {
      return name().toLowerCase(Locale.ROOT);
    }

    /// Under which the API server's audit log knows it.
    String user() {
      return "system:serviceaccount:" + Fleet.CHAPERONE + ":" + title();
    }

    Contender start(Lab lab) {
      return start(lab, lab.apiServer().getPort());
    }

    /// Through the line, which then counts.
    Contender start(Lab lab, Wire wire) {
      return start(lab, wire.port());
    }

    private Contender start(Lab lab, int port) {
      Map<String, String> environment = lab.podEnvironment(Fleet.CHAPERONE, title(), port);
      return switch (this) {
        case FUNCTIONS -> Functions.start(lab, environment);
        case PEER -> Peer.start(lab, environment);
      };
    }
  }

  /// Folder of the checkout.
  static Path home() {
    return Path.of(System.getProperty("chaperone.home", "."));
  }
}
