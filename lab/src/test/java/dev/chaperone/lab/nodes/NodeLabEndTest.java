package dev.chaperone.lab.nodes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.LabJvm;
import dev.chaperone.lab.install.NodeLabExtension;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Whatever ends real nodes, nothing of them is left on the machine.
@EnabledIfSystemProperty(named = NodeLabExtension.PROPERTY, matches = "true")
class NodeLabEndTest {
  private static final Duration SOON = Duration.ofSeconds(60);

  @ParameterizedTest
  @ValueSource(strings = {"TERM", "KILL"})
  void a_signal_ends_every_process_and_takes_all_that_it_left(String signal) throws Exception {
    assumeThat(NodeLab.missing()).isEmpty();
    List<String> interfaces = interfaces();
    try (LabJvm jvm = LabJvm.start(Main.class, "1")) {
      Path folder = jvm.folder();
      String name = folder.getFileName().toString();
      List<ProcessHandle> processes = jvm.process().descendants().toList();
      // Of two nodes: containerd, kubelet, kube-proxy, policies; a control plane; a shim and two
      // processes of a pod.
      assertThat(processes).hasSizeGreaterThan(20);
      assertThat(controlGroups(name)).isNotEmpty();
      assertThat(folder.resolve("nodes")).isNotEmptyDirectory();

      jvm.send(signal);

      await("processes")
          .atMost(SOON)
          .until(() -> processes.stream().noneMatch(ProcessHandle::isAlive));
      await("processes that lost their parent")
          .atMost(SOON)
          .untilAsserted(() -> assertThat(LabJvm.processesOf(name)).isEmpty());
      await("control groups")
          .atMost(SOON)
          .untilAsserted(() -> assertThat(controlGroups(name)).isEmpty());
      await("data of the nodes")
          .atMost(SOON)
          .untilAsserted(() -> assertThat(dataOf(folder)).isEmpty());
      assertThat(Files.readString(Path.of("/proc/mounts"))).doesNotContain(name);
      assertThat(interfaces()).isEqualTo(interfaces);
    }
  }

  @Test
  void nothing_is_left_of_an_API_server_that_was_frozen_either() throws Exception {
    assumeThat(NodeLab.missing()).isEmpty();
    String name;
    try (NodeLab nodes = NodeLab.start(1)) {
      name = nodes.lab().folder().getFileName().toString();
      assertThat(controlGroups(name)).isNotEmpty();
      nodes.freezeApiServer();
      Thread.sleep(Duration.ofSeconds(1));
      nodes.resumeApiServer();
      assertThat(nodes.isReady("node-1")).isTrue();
    }
    assertThat(controlGroups(name)).isEmpty();
    assertThat(LabJvm.processesOf(name)).isEmpty();
  }

  private static List<Path> controlGroups(String name) throws IOException {
    try (Stream<Path> all =
        Files.find(Path.of("/sys/fs/cgroup"), 2, (path, _) -> path.endsWith(name))) {
      return all.toList();
    }
  }

  private static List<String> interfaces() throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/sys/class/net"))) {
      return all.map(Path::toString).sorted().toList();
    }
  }

  private static List<Path> dataOf(Path folder) throws IOException {
    Path nodes = folder.resolve("nodes");
    if (!Files.exists(nodes)) {
      return List.of();
    }
    try (Stream<Path> all = Files.list(nodes)) {
      return all.toList();
    }
  }
}
