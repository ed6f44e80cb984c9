package dev.chaperone.lab.nodes;

import dev.chaperone.lab.controlplane.ApiServerProbe;
import dev.chaperone.lab.controlplane.Cluster;
import dev.chaperone.lab.controlplane.Credentials;
import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.LoopbackPort;
import dev.chaperone.lab.programs.ServerProcess;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/// A control plane on the first of several real nodes, which are in a network of their own: the
/// default ports and addresses, and no clash with anything of this machine. One port of the
/// loopback interface leads to the API server.
final class RealCluster implements Cluster {
  static final String DNS = "10.96.0.10";
  static final String PROXY = "system:kube-proxy";
  static final String FIRST = "control-plane";

  /// Users of the API server are named when it starts.
  private static final int MOST_WORKERS = 9;

  private final Path folder;
  private final Binaries binaries;
  private final Credentials credentials;
  private final Images images;
  private final LoopbackPort port = LoopbackPort.free();
  private final ServerProcess network;
  private final Map<String, RealNode> nodes = new LinkedHashMap<>();
  private final int workers;
  private final ServerProcess apiServer;
  private final List<ServerProcess> more;
  private final ServerProcess etcd;

  RealCluster(Binaries binaries, Path folder, Images images, int workers) throws IOException {
    this.folder = folder;
    this.binaries = binaries;
    this.images = images;
    this.workers = workers;
    Map<String, String> users = new TreeMap<>(Map.of(PROXY, "system:node-proxier"));
    users.put(RealNode.user(FIRST), "system:nodes");
    IntStream.rangeClosed(1, MOST_WORKERS)
        .forEach(i -> users.put(RealNode.user(worker(i)), "system:nodes"));
    this.credentials = new Credentials(folder, users);
    this.network =
        new ServerProcess(
            "network",
            List.of(
                binaries.program(Module.NODES, "nodes").toString(),
                "network",
                "--listen=127.0.0.1:" + port,
                "--to=" + RealNode.address(1) + ":6443",
                "--ready=" + folder.resolve("network")),
            Map.of(),
            folder,
            () -> Files.exists(folder.resolve("network")));
    network.start();
    RealNode first = add(FIRST, 1);
    this.etcd =
        first.part(
            "etcd",
            () -> true,
            binaries.program(Module.ETCD).toString(),
            "--data-dir=" + first.var().resolve("lib/etcd"),
            "--unsafe-no-fsync");
    this.apiServer = apiServer(first);
    this.more = List.of(controllerManager(first), scheduler(first));
  }

  static String worker(int number) {
    return "node-" + number;
  }

  static Path kubeletClient(Path folder) {
    return folder.resolve("kubelet-client");
  }

  @Override
  public URI address() {
    // The API server's own certificate is for this name.
    return URI.create("https://localhost:" + port);
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

  RealNode node(String name) {
    return Objects.requireNonNull(nodes.get(name), name);
  }

  List<RealNode> workers() {
    return nodes.values().stream().filter(it -> !it.name().equals(FIRST)).toList();
  }

  @Override
  public void start() {
    makeKubeletClient();
    RealNode first = node(FIRST);
    List<RealNode> others = IntStream.rangeClosed(1, workers).mapToObj(this::addWorker).toList();
    first.makeRoom();
    etcd.launch();
    apiServer.launch();
    try (ExecutorService each = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> loading = new ArrayList<>();
      loading.add(each.submit(() -> first.load(images.ofTheFirst(), images.archives())));
      for (RealNode other : others) {
        loading.add(
            each.submit(
                () -> {
                  other.makeRoom();
                  other.load(images.ofEach(), images.archives());
                }));
      }
      apiServer.awaitReady();
      more.forEach(ServerProcess::launch);
      for (Future<?> one : loading) {
        await(one);
      }
    }
    nodes.values().forEach(RealNode::join);
  }

  /// A node that joins a cluster that is running.
  RealNode join(String name) {
    RealNode node = nodes.get(name);
    if (node == null) {
      node = addWorker(Integer.parseInt(name.substring(name.indexOf('-') + 1)));
    }
    node.makeRoom();
    node.load(images.ofEach(), images.archives());
    node.join();
    return node;
  }

  @Override
  public void stop() {
    nodes.values().forEach(RealNode::askToEnd);
    nodes.values().forEach(RealNode::awaitEnd);
    List<ServerProcess> rest = new ArrayList<>(more);
    rest.addAll(List.of(apiServer, etcd, network));
    rest.forEach(ServerProcess::askToEnd);
    rest.forEach(ServerProcess::awaitEnd);
  }

  private RealNode addWorker(int number) {
    return add(worker(number), number + 1);
  }

  private RealNode add(String name, int index) {
    RealNode node = new RealNode(name, index, folder, binaries, credentials, images, network::pid);
    nodes.put(name, node);
    return node;
  }

  private static void await(Future<?> loading) {
    try {
      loading.get();
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : new LabFailure("A node", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while nodes were made", e);
    }
  }

  private void makeKubeletClient() {
    try {
      Process process =
          new ProcessBuilder(
                  binaries.program(Module.NODES, "nodes").toString(),
                  "certificate",
                  kubeletClient(folder).toString(),
                  "kube-apiserver",
                  "system:masters")
              .inheritIO()
              .start();
      if (process.waitFor() != 0) {
        throw new LabFailure("The certificate for kubelets cannot be made in " + folder);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while a certificate was made", e);
    }
  }

  private ServerProcess apiServer(RealNode first) throws IOException {
    Path policy = folder.resolve("audit-policy.yaml");
    try (InputStream in =
        Objects.requireNonNull(Cluster.class.getResourceAsStream("audit-policy.yaml"))) {
      Files.copy(in, policy);
    }
    return first.part(
        "kube-apiserver",
        new ApiServerProbe(port, address(), credentials)::isReady,
        controlPlane(
            "kube-apiserver",
            "--etcd-servers=http://127.0.0.1:2379",
            "--cert-dir=" + credentials.certificates(),
            "--advertise-address=" + RealNode.address(1),
            "--secure-port=6443",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            "--token-auth-file=" + credentials.tokens(),
            "--kubelet-client-certificate=" + kubeletClient(folder) + ".crt",
            "--kubelet-client-key=" + kubeletClient(folder) + ".key",
            "--kubelet-preferred-address-types=InternalIP",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=" + credentials.serviceAccountKey(),
            "--service-account-signing-key-file=" + credentials.serviceAccountKey(),
            "--audit-log-path=" + auditLog(),
            "--audit-log-maxsize=1000000",
            "--audit-policy-file=" + policy));
  }

  private ServerProcess controllerManager(RealNode first) throws IOException {
    return first.part(
        "kube-controller-manager",
        () -> true,
        controlPlane(
            "kube-controller-manager",
            "--kubeconfig=" + kubeconfig(Credentials.CONTROLLER_MANAGER),
            "--service-account-private-key-file=" + credentials.serviceAccountKey(),
            "--root-ca-file=" + credentials.authority(),
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--cluster-cidr=10.244.0.0/16",
            "--allocate-node-cidrs=false",
            "--cert-dir=" + credentials.certificates().resolve("controller-manager")));
  }

  private ServerProcess scheduler(RealNode first) throws IOException {
    return first.part(
        "kube-scheduler",
        () -> true,
        controlPlane(
            "kube-scheduler",
            "--kubeconfig=" + kubeconfig(Credentials.SCHEDULER),
            "--leader-elect=false",
            "--cert-dir=" + credentials.certificates().resolve("scheduler")));
  }

  private String[] controlPlane(String command, String... arguments) {
    return Stream.concat(
            Stream.of(binaries.program(Module.CONTROLPLANE).toString(), command),
            Stream.of(arguments))
        .toArray(String[]::new);
  }

  private Path kubeconfig(String user) throws IOException {
    return credentials.writeKubeconfig(
        user.replace("system:", "") + ".kubeconfig",
        URI.create("https://" + RealNode.address(1) + ":6443"),
        credentials.token(user));
  }
}
