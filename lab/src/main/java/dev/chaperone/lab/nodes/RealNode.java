package dev.chaperone.lab.nodes;

import dev.chaperone.lab.controlplane.Credentials;
import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.ServerProcess;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/// One real node: name spaces of its own for mounts, processes, network and host name, and in them
/// containerd, a kubelet, a kube-proxy and the agent for network policies.
///
/// Everything in it ends with its process 1, and that ends with the lab.
public final class RealNode {
  private static final Duration CLEAN_UP = Duration.ofMinutes(2);

  private static final String KUBELET_SETTINGS =
      """
      apiVersion: kubelet.config.k8s.io/v1beta1
      kind: KubeletConfiguration
      """;

  private final String name;
  private final int index;
  private final Path folder;
  private final Path data;
  private final Binaries binaries;
  private final Credentials credentials;
  private final Images images;
  private final ServerProcess init;
  private final ServerProcess containerd;
  private final ServerProcess kubelet;
  private final ServerProcess proxy;
  private final ServerProcess policies;
  private final ServerProcess logind;

  /// @param index 1 for the first, which carries the control plane
  /// @param folder of the lab
  /// @param network the process that holds the network
  RealNode(
      String name,
      int index,
      Path folder,
      Binaries binaries,
      Credentials credentials,
      Images images,
      LongSupplier network) {
    this.name = name;
    this.index = index;
    this.folder = folder;
    this.data = folder.resolve("nodes").resolve(name);
    this.binaries = binaries;
    this.credentials = credentials;
    this.images = images;
    this.init =
        new ServerProcess(
            name,
            List.of(
                binaries.program(Module.NODES, "nodes").toString(),
                "node",
                "--name=" + name,
                "--index=" + index,
                "--data=" + data,
                "--groups=/%s/%s".formatted(folder.getFileName(), name),
                "--network=" + network.getAsLong()),
            Map.of(),
            folder,
            () -> Files.exists(data.resolve("ready")) && Files.exists(data.resolve("pid")));
    this.containerd =
        part(
            "containerd",
            () -> runs("ctr", "version"),
            "containerd",
            "--config=" + data.resolve("containerd.toml"));
    this.kubelet =
        part(
            "kubelet",
            () -> true,
            binaries.program(Module.NODE).toString(),
            "kubelet",
            "--config=" + data.resolve("kubelet.yaml"),
            "--config-dir=" + moreSettings().getParent(),
            "--kubeconfig=" + kubeconfig(user()),
            "--hostname-override=" + name,
            "--node-ip=" + address(index),
            "--v=2");
    this.proxy =
        part(
            "kube-proxy",
            () -> true,
            binaries.program(Module.NODE).toString(),
            "kube-proxy",
            "--config=" + data.resolve("kube-proxy.yaml"));
    this.logind =
        part(
            "logind",
            () -> Files.exists(var().resolve("run/dbus/ready")),
            binaries.program(Module.NODE).toString(),
            "logind");
    this.policies =
        part(
            "network-policy",
            () -> true,
            binaries.program(Module.NODE).toString(),
            "network-policy",
            "--node=" + name,
            "--kubeconfig=" + kubeconfig(Credentials.ADMIN));
  }

  static String address(int index) {
    return "10.77.0." + (10 + index);
  }

  static String user(String name) {
    return "system:node:" + name;
  }

  /// What it is called in the cluster.
  public String name() {
    return name;
  }

  /// Its kubelet, to stop and start: containers go on without it.
  public ServerProcess kubelet() {
    return kubelet;
  }

  /// Its kube-proxy.
  public ServerProcess proxy() {
    return proxy;
  }

  /// Starts its kubelet anew with other settings in place of some of the lab's.
  ///
  /// @param settings fields of KubeletConfiguration, as YAML; none: the lab's alone
  public void restartKubelet(String settings) {
    try {
      Files.writeString(moreSettings(), KUBELET_SETTINGS + settings);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    kubelet.kill();
    kubelet.launch();
  }

  private Path moreSettings() {
    return data.resolve("kubelet.d").resolve("more.conf");
  }

  /// Gives its kubelet what it needs of systemd's logind for a graceful shutdown, if this machine
  /// has dbus-daemon. The kubelet looks for it when it starts.
  public void startLogind() {
    logind.start();
  }

  /// Says what logind says before a machine shuts down, or when that is called off.
  public void prepareForShutdown(boolean begins) {
    run(binaries.program(Module.NODE).toString(), "shutdown", Boolean.toString(begins));
  }

  /// The folder of the manifests that its kubelet runs by itself, as static pods.
  public Path staticPods() {
    return data.resolve("static-pods");
  }

  /// The folder of its own `/var`, as this machine sees it.
  public Path var() {
    return data.resolve("var");
  }

  /// Its name spaces, with nothing in them yet.
  void makeRoom() {
    init.start();
    try {
      configure();
    } catch (IOException e) {
      throw new UncheckedIOException("The settings of " + name + " cannot be written", e);
    }
  }

  /// Starts containerd and gives it images.
  void load(List<Image> images, List<Archive> archives) {
    containerd.start();
    if (!images.isEmpty()) {
      importImages(out -> ImageArchive.write(images, out));
    }
    for (Archive archive : archives) {
      importImages(out -> Files.copy(archive.file(), out));
      run("ctr", "-n", "k8s.io", "images", "tag", "--force", archive.inside(), archive.name());
    }
  }

  /// An image that is in a file already.
  ///
  /// @param inside its name there
  /// @param name its name for pods
  public record Archive(Path file, String inside, String name) {}

  /// Starts what makes it a node of the cluster.
  void join() {
    kubelet.launch();
    proxy.launch();
    policies.launch();
  }

  /// Takes an image away, so that the kubelet has to pull it from where nobody answers.
  public void removeImage(String image) {
    run("ctr", "-n", "k8s.io", "images", "rm", "--sync", image);
  }

  /// Gives back [NodeLab#PAUSE_IMAGE], once it was taken away.
  public void restorePauseImage() {
    importImages(out -> ImageArchive.write(List.of(images.pause()), out));
  }

  /// Freezes programs of this node, or lets them go on.
  ///
  /// @param signal `STOP` or `CONT`
  /// @param commandLine a pattern in theirs that does not match itself
  void signal(String signal, String commandLine) {
    run("sh", "-c", "kill -%s $(pgrep -f '%s')".formatted(signal, commandLine));
  }

  /// Ends it as a power cut would, with all its pods: nothing tells the API server.
  public void end() {
    askToEnd();
    awaitEnd();
  }

  void askToEnd() {
    parts().forEach(ServerProcess::askToEnd);
    init.askToEnd();
  }

  void awaitEnd() {
    init.awaitEnd(CLEAN_UP);
    parts().forEach(ServerProcess::awaitEnd);
  }

  private List<ServerProcess> parts() {
    return List.of(kubelet, proxy, policies, logind, containerd);
  }

  /// A server in the node's name spaces, that ends with it at the latest.
  ServerProcess part(String what, BooleanSupplier ready, String... command) {
    // Not the program's own name spaces: nsenter waits for it, so it has to go with nsenter.
    List<String> whole =
        new ArrayList<>(
            List.of(
                "sh",
                "-c",
                "exec nsenter -t \"$(cat %s)\" -m -u -i -n -p setpriv --pdeathsig KILL \"$@\""
                    .formatted(data.resolve("pid")),
                "sh"));
    whole.addAll(List.of(command));
    return new ServerProcess(name + "-" + what, whole, Map.of(), folder, ready);
  }

  /// Runs a command in the node to its end, and returns what it said.
  ///
  /// @throws LabFailure if it fails, with its words
  public String run(String... command) {
    try {
      Process process = start(command);
      process.getOutputStream().close();
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new LabFailure("%s in %s: %s".formatted(String.join(" ", command), name, said));
      }
      return said;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while running " + command[0] + " in " + name, e);
    }
  }

  private boolean runs(String... command) {
    try {
      run(command);
      return true;
    } catch (LabFailure _) {
      return false;
    }
  }

  private interface Writer {
    void to(OutputStream out) throws IOException;
  }

  private void importImages(Writer archive) {
    String[] command = {"ctr", "-n", "k8s.io", "images", "import", "-"};
    try {
      Process process = start(command);
      try (OutputStream out = process.getOutputStream()) {
        archive.to(out);
      }
      String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (process.waitFor() != 0) {
        throw new LabFailure("ctr images import in %s: %s".formatted(name, said));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("ctr images import in " + name + " took no more", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while images were imported", e);
    }
  }

  private Process start(String... command) throws IOException {
    String pid = Files.readString(data.resolve("pid"));
    List<String> whole =
        new ArrayList<>(List.of("nsenter", "-t", pid, "-m", "-u", "-i", "-n", "-p", "--"));
    whole.addAll(List.of(command));
    return new ProcessBuilder(whole).redirectErrorStream(true).start();
  }

  private String user() {
    return user(name);
  }

  private Path kubeconfig(String user) {
    try {
      return credentials.writeKubeconfig(
          name + "-" + user.replace(":", "-") + ".kubeconfig",
          URI.create("https://%s:6443".formatted(address(1))),
          credentials.token(user));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void configure() throws IOException {
    Path plugins = Files.createDirectories(data.resolve("cni"));
    Files.writeString(
        plugins.resolve("10-lab.conflist"),
        """
        {"cniVersion": "0.4.0", "name": "lab", "plugins": [
          {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
           "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.%d.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
        """
            .formatted(index));
    Files.writeString(
        data.resolve("containerd.toml"),
        """
        version = 2
        # What this machine's kernel or its rights may not have, and no node here needs.
        disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
          "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
        [plugins."io.containerd.grpc.v1.cri"]
          sandbox_image = "%s"
          disable_apparmor = true
          # Without CAP_SYS_RESOURCE runc may not lower it below its own, and says "can't get final child's PID".
          restrict_oom_score_adj = true
          disable_hugetlb_controller = true
          tolerate_missing_hugetlb_controller = true
          [plugins."io.containerd.grpc.v1.cri".cni]
            bin_dir = "%s"
            conf_dir = "%s"
          [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
            runtime_type = "io.containerd.runc.v2"
            [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
              SystemdCgroup = false
        """
            .formatted(Images.SANDBOX, Requirements.plugins(), plugins));
    // No name of another machine is ever looked up.
    Files.writeString(data.resolve("resolv.conf"), "");
    String taints =
        index == 1 ? "[{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]" : "[]";
    Files.writeString(
        data.resolve("kubelet.yaml"),
        """
        apiVersion: kubelet.config.k8s.io/v1beta1
        kind: KubeletConfiguration
        authentication:
          anonymous: {enabled: false}
          webhook: {enabled: true}
          x509: {clientCAFile: "%s"}
        authorization: {mode: Webhook}
        cgroupDriver: cgroupfs
        cgroupRoot: /%s/%s
        failCgroupV1: false
        clusterDNS: [%s]
        clusterDomain: cluster.local
        containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
        resolvConf: "%s"
        failSwapOn: false
        registerWithTaints: %s
        staticPodPath: "%s"
        # The disk is this machine's, and may be quite full.
        evictionHard: {memory.available: 100Mi, nodefs.available: 1%%, imagefs.available: 1%%}
        imageGCHighThresholdPercent: 100
        imageGCLowThresholdPercent: 99
        """
            .formatted(
                RealCluster.kubeletClient(folder) + ".crt",
                folder.getFileName(),
                name,
                RealCluster.DNS,
                data.resolve("resolv.conf"),
                taints,
                Files.createDirectories(staticPods())));
    Files.createDirectories(moreSettings().getParent());
    Files.writeString(
        data.resolve("kube-proxy.yaml"),
        """
        apiVersion: kubeproxy.config.k8s.io/v1alpha1
        kind: KubeProxyConfiguration
        mode: nftables
        clusterCIDR: 10.244.0.0/16
        clientConnection: {kubeconfig: "%s"}
        hostnameOverride: %s
        # No network name space but the machine's first may set these.
        conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
        """
            .formatted(kubeconfig(RealCluster.PROXY), name));
  }
}
