package dev.chaperone.lab.controlplane;

import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;

/// The processes of one cluster whose nodes are played, in the order in which they need each other.
public final class ControlPlane implements Cluster {
  private final Binaries binaries;
  private final Path folder;
  private final boolean large;
  private final Features features;
  private final Credentials credentials;
  private final LoopbackPort port = LoopbackPort.free();
  private final ServerProcess etcd;
  private final ServerProcess apiServer;
  private final List<ServerProcess> others;

  /// @param folder for logs, data and credentials
  /// @param large for thousands of nodes
  public ControlPlane(Binaries binaries, Path folder, boolean large, Features features)
      throws IOException {
    this.binaries = binaries;
    this.folder = folder;
    this.large = large;
    this.features = features;
    this.credentials = new Credentials(folder);
    LoopbackPort etcdPort = LoopbackPort.free();
    this.etcd = etcd(etcdPort);
    this.apiServer = apiServer(etcdPort);
    this.others = List.of(controllerManager(), scheduler(), kwok());
  }

  @Override
  public URI address() {
    return URI.create("https://127.0.0.1:" + port);
  }

  @Override
  public Credentials credentials() {
    return credentials;
  }

  @Override
  public ServerProcess apiServer() {
    return apiServer;
  }

  @Override
  public Path auditLog() {
    return folder.resolve("audit.log");
  }

  @Override
  public void start() {
    // The API server waits for etcd by itself; the others would wait longer than the API server
    // takes.
    etcd.launch();
    apiServer.launch();
    etcd.awaitReady();
    apiServer.awaitReady();
    others.forEach(ServerProcess::launch);
    others.forEach(ServerProcess::awaitReady);
  }

  @Override
  public void stop() {
    List<ServerProcess> all = List.of(others.get(2), others.get(1), others.get(0), apiServer, etcd);
    all.forEach(ServerProcess::askToEnd);
    all.forEach(ServerProcess::awaitEnd);
  }

  private ServerProcess etcd(LoopbackPort clients) {
    String peers = "http://127.0.0.1:" + LoopbackPort.free();
    return new ServerProcess(
        "etcd",
        List.of(
            binaries.program(Module.ETCD).toString(),
            "--data-dir=" + folder.resolve("etcd"),
            "--listen-client-urls=http://127.0.0.1:" + clients,
            "--advertise-client-urls=http://127.0.0.1:" + clients,
            "--listen-peer-urls=" + peers,
            "--initial-advertise-peer-urls=" + peers,
            "--initial-cluster=default=" + peers,
            "--unsafe-no-fsync"),
        Map.of(),
        folder,
        clients::accepts);
  }

  private ServerProcess apiServer(LoopbackPort etcdPort) throws IOException {
    return new ServerProcess(
        "kube-apiserver",
        controlPlane(
            "kube-apiserver",
            features.ofApiServer(),
            "--etcd-servers=http://127.0.0.1:" + etcdPort,
            "--cert-dir=" + credentials.certificates(),
            "--secure-port=" + port,
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--authorization-mode=RBAC",
            // As every cluster with a kube-proxy has it.
            "--allow-privileged=true",
            "--token-auth-file=" + credentials.tokens(),
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=" + credentials.serviceAccountKey(),
            "--service-account-signing-key-file=" + credentials.serviceAccountKey(),
            // In a large cluster nodes are ready when they are added.
            "--disable-admission-plugins=ServiceAccount" + (large ? ",TaintNodesByCondition" : ""),
            "--audit-log-path=" + auditLog(),
            // In MB. Without it another file begins after 100 MB, and our place is lost.
            "--audit-log-maxsize=1000000",
            "--audit-policy-file=" + resource("audit-policy.yaml")),
        Map.of(),
        folder,
        new ApiServerProbe(port, address(), credentials)::isReady);
  }

  private ServerProcess controllerManager() throws IOException {
    LoopbackPort own = LoopbackPort.free();
    return new ServerProcess(
        "kube-controller-manager",
        controlPlane(
            "kube-controller-manager",
            features.ofControllerManager(),
            "--kubeconfig=" + kubeconfig(Credentials.CONTROLLER_MANAGER),
            "--service-account-private-key-file=" + credentials.serviceAccountKey(),
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=" + own,
            "--cert-dir=" + credentials.certificates().resolve("controller-manager"),
            // KWOK sends few heartbeats, and a pod that was once marked not ready for a lost node
            // stays so here.
            "--node-monitor-grace-period=" + (large ? "24h" : "30m"),
            "--kube-api-qps=" + (large ? 2000 : 20),
            "--kube-api-burst=" + (large ? 4000 : 30),
            "--controllers=*" + (large ? ",-ttl-controller" : "")),
        Map.of(),
        folder,
        own::accepts);
  }

  private ServerProcess scheduler() throws IOException {
    LoopbackPort own = LoopbackPort.free();
    return new ServerProcess(
        "kube-scheduler",
        controlPlane(
            "kube-scheduler",
            List.of(),
            "--kubeconfig=" + kubeconfig(Credentials.SCHEDULER),
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            "--secure-port=" + own,
            "--kube-api-qps=" + (large ? 2000 : 50),
            "--kube-api-burst=" + (large ? 4000 : 100),
            "--cert-dir=" + credentials.certificates().resolve("scheduler")),
        Map.of(),
        folder,
        own::accepts);
  }

  private ServerProcess kwok() throws IOException {
    LoopbackPort own = LoopbackPort.free();
    List<String> command =
        new ArrayList<>(
            List.of(
                binaries.program(Module.KWOK).toString(),
                "--kubeconfig=" + kubeconfig(Credentials.KWOK),
                "--manage-all-nodes=true",
                "--server-address=127.0.0.1:" + own,
                "--config=" + stages()));
    if (large) {
      command.add("--config=" + resource("large.yaml"));
      command.add("--node-lease-duration-seconds=0");
    }
    return new ServerProcess(
        "kwok",
        command,
        Map.of("KWOK_WORKDIR", folder.resolve("kwok").toString()),
        folder,
        own::accepts);
  }

  private List<String> controlPlane(String command, List<String> more, String... arguments) {
    return Stream.of(
            List.of(binaries.program(Module.CONTROLPLANE).toString(), command),
            List.of(arguments),
            more)
        .flatMap(List::stream)
        .toList();
  }

  private Path kubeconfig(String user) throws IOException {
    return credentials.writeKubeconfig(
        user.replace("system:", "") + ".kubeconfig", address(), credentials.token(user));
  }

  /// In a large cluster heartbeats are as rare as those of real kubelets.
  private Path stages() throws IOException {
    Path file = resource("stages.yaml");
    return large
        ? Files.writeString(
            file,
            Files.readString(file)
                .replace("durationMilliseconds: 20000", "durationMilliseconds: 240000")
                .replace("jitterDurationMilliseconds: 25000", "jitterDurationMilliseconds: 360000"))
        : file;
  }

  private Path resource(String name) throws IOException {
    Path copy = folder.resolve(name);
    try (InputStream in = Objects.requireNonNull(ControlPlane.class.getResourceAsStream(name))) {
      Files.copy(in, copy);
    }
    return copy;
  }
}
