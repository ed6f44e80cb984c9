package dev.chaperone.lab.bench;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.WithParent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The operator that does the same core the usual way.
record Peer(ChildJvm jvm) implements Contender {
  /// The memory limit of the SDK's own Helm chart, a heap that is given back, and the compiler
  /// that the functions have: it needs less memory, and what happens here is never hot for long.
  static final List<String> FLAGS =
      List.of(
          "-XX:+UseSerialGC",
          "-XX:TieredStopAtLevel=1",
          "-XX:MaxRAM=512m",
          "-XX:MaxRAMPercentage=50",
          "-XX:MinHeapFreeRatio=10",
          "-XX:MaxHeapFreeRatio=20",
          "-XX:+ExitOnOutOfMemoryError");

  static Peer start(Lab lab, Map<String, String> environment) {
    Path target = Contender.home().toAbsolutePath().normalize().resolve("lab/peer/target");
    List<String> command = new ArrayList<>();
    command.add(WithParent.java());
    command.addAll(FLAGS);
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            target.resolve("chaperone-lab-peer.jar") + ":" + target.resolve("lib") + "/*",
            "dev.chaperone.lab.peer.Peer",
            "app=" + Fleet.TARGET));
    return new Peer(ChildJvm.start(command, environment, lab.folder().resolve("peer.log")));
  }

  @Override
  public Kind kind() {
    return Kind.PEER;
  }

  @Override
  public Telling tell(String change, String kind, String namespace, String name) {
    return Telling.NOTHING_TO_TELL;
  }

  @Override
  public long reconciles() {
    return 0;
  }

  @Override
  public void close() {
    jvm.close();
  }
}
