package dev.chaperone.lab;

import dev.chaperone.lab.controlplane.ApiCall;
import dev.chaperone.lab.controlplane.AuditLog;
import dev.chaperone.lab.controlplane.Cluster;
import dev.chaperone.lab.controlplane.ControlPlane;
import dev.chaperone.lab.controlplane.Credentials;
import dev.chaperone.lab.controlplane.Features;
import dev.chaperone.lab.programs.Binaries;
import dev.chaperone.lab.programs.Binaries.Module;
import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import dev.chaperone.lab.programs.ServerProcess;
import dev.chaperone.lab.programs.Waiting;
import io.fabric8.kubernetes.api.model.NodeBuilder;
import io.fabric8.kubernetes.api.model.Quantity;
import io.fabric8.kubernetes.api.model.Taint;
import io.fabric8.kubernetes.api.model.authentication.TokenRequest;
import io.fabric8.kubernetes.api.model.authentication.TokenRequestBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Predicate;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;

/// A running cluster of its own: own ports on the loopback interface, own folder, own data. Any
/// number may run at once.
///
/// The control plane is real, RBAC and tokens included. Nodes and what runs on them are played by
/// KWOK: every pod that is bound to a node becomes Ready, whatever its image. Nothing of a lab
/// outlives the JVM that started it.
public final class Lab implements AutoCloseable {
  private static final Duration KUBECTL = Duration.ofMinutes(2);
  private static final Duration HELM = Duration.ofMinutes(5);

  private final Path folder;
  private final Binaries binaries;
  private final Cluster controlPlane;
  private final AuditLog auditLog;
  private final Path kubeconfig;
  private final List<ServerProcess> more = new CopyOnWriteArrayList<>();
  private final Deque<Runnable> guests = new ConcurrentLinkedDeque<>();
  private final List<Kubectl> drains = new CopyOnWriteArrayList<>();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final Thread hook = new Thread(this::end, "lab-end");
  private volatile boolean keepLogs = System.getenv("CHAPERONE_KEEP_LOGS") != null;
  private final KubernetesClient client;

  private Lab(Binaries binaries, Path folder, Cluster cluster) throws IOException {
    this.folder = folder;
    this.binaries = binaries;
    this.controlPlane = cluster;
    this.auditLog = new AuditLog(controlPlane.auditLog());
    this.kubeconfig =
        controlPlane.credentials().writeKubeconfig("kubeconfig", apiServer(), adminToken());
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      controlPlane.start();
      this.client = client(adminToken());
    } catch (RuntimeException e) {
      keepLogs = true;
      close();
      throw e;
    }
  }

  /// Starts a cluster and returns when its API server is ready. The first time on a machine this
  /// builds the programs, which takes minutes and is reported on standard error.
  ///
  /// @throws LabFailure if a part does not start; the message names it, its log and the log's last
  /// lines
  public static Lab start() {
    return start(Features.NONE);
  }

  /// The same, with what Kubernetes leaves off.
  ///
  /// @throws LabFailure if a part does not start, as one does not that has no such feature
  public static Lab start(Features features) {
    return start(false, features);
  }

  /// The same for thousands of nodes: controllers and scheduler may call the API server as often as
  /// they like, and nodes send heartbeats every five minutes, without leases.
  ///
  /// @throws LabFailure if a part does not start
  public static Lab startLarge() {
    return start(true, Features.NONE);
  }

  private static Lab start(boolean large, Features features) {
    Binaries binaries = new Binaries();
    // Before there is a folder to delete: this is what fails on a machine without Go.
    List.of(Module.CONTROLPLANE, Module.ETCD, Module.KWOK).forEach(binaries::program);
    try {
      Path folder = Files.createTempDirectory("chaperone-lab-");
      return new Lab(binaries, folder, new ControlPlane(binaries, folder, large, features));
    } catch (IOException e) {
      throw new UncheckedIOException("The lab's folder cannot be written", e);
    }
  }

  /// Starts a cluster of another make, which ends with this lab.
  ///
  /// @param folder for logs and credentials, deleted with the lab
  /// @throws LabFailure if a part does not start
  public static Lab on(Cluster cluster, Binaries binaries, Path folder) {
    try {
      return new Lab(binaries, folder, cluster);
    } catch (IOException e) {
      throw new UncheckedIOException("The lab's folder cannot be written", e);
    }
  }

  /// The version of Kubernetes that runs, such as `1.37.2`.
  public String kubernetes() {
    return binaries.pin(Module.CONTROLPLANE).version();
  }

  /// A file for `KUBECONFIG`, with all rights.
  public Path kubeconfig() {
    return kubeconfig;
  }

  /// A file for `KUBECONFIG` with the rights of a ServiceAccount, through a token that the cluster
  /// issued for it.
  public Path kubeconfig(String namespace, String serviceAccount) {
    return kubeconfigWith(token(namespace, serviceAccount));
  }

  /// What a process finds its API server and its rights by in a pod of a ServiceAccount, for the
  /// Kubernetes client of Java.
  ///
  /// @param port where the API server, or what leads to it, listens
  public Map<String, String> podEnvironment(String namespace, String serviceAccount, int port) {
    try {
      Path token = folder.resolve("token-" + UUID.randomUUID());
      Files.writeString(token, token(namespace, serviceAccount));
      return Map.of(
          "KUBERNETES_SERVICE_HOST",
          apiServer().getHost(),
          "KUBERNETES_SERVICE_PORT",
          Integer.toString(port),
          "KUBERNETES_AUTH_SERVICEACCOUNT_TOKEN",
          token.toString(),
          "KUBERNETES_CERTS_CA_FILE",
          caCertificate().toString(),
          // A pod has none; a developer's machine may.
          "KUBERNETES_AUTH_TRYKUBECONFIG",
          "false");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// The same, straight to the API server.
  public Map<String, String> podEnvironment(String namespace, String serviceAccount) {
    return podEnvironment(namespace, serviceAccount, apiServer().getPort());
  }

  /// A file for `KUBECONFIG` with the rights of a token.
  public Path kubeconfigWith(String token) {
    return kubeconfigWith(token, apiServer());
  }

  /// The same, through what leads to the API server.
  ///
  /// @param apiServer where that listens
  public Path kubeconfigWith(String token, URI apiServer) {
    try {
      String file = "kubeconfig-" + UUID.randomUUID();
      return controlPlane.credentials().writeKubeconfig(file, apiServer, token);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// A client with all rights, shared and closed with the lab.
  public KubernetesClient client() {
    return client;
  }

  /// A client with the rights of a ServiceAccount; the caller closes it.
  public KubernetesClient client(String namespace, String serviceAccount) {
    return client(token(namespace, serviceAccount));
  }

  /// Where the API server listens.
  public URI apiServer() {
    return controlPlane.address();
  }

  /// The certificates to trust for [#apiServer()], as PEM.
  public Path caCertificate() {
    return controlPlane.credentials().authority();
  }

  /// The same, for a client of Java.
  public SSLContext trust() throws IOException, GeneralSecurityException {
    return controlPlane.credentials().trust();
  }

  /// Logs, data and credentials of this lab, deleted when it is closed.
  public Path folder() {
    return folder;
  }

  /// The API server's process, to see what happens when it is down, slow or back.
  public ServerProcess apiServerProcess() {
    return controlPlane.apiServer();
  }

  /// Adds a node with room for 110 pods. It becomes Ready by itself within moments.
  public void addNode(String name, Map<String, String> labels) {
    addNode(name, labels, List.of());
  }

  /// The same, with taints.
  public void addNode(String name, Map<String, String> labels, List<Taint> taints) {
    Map<String, String> all = new HashMap<>(labels);
    all.putIfAbsent("kubernetes.io/hostname", name);
    all.putIfAbsent("kubernetes.io/os", "linux");
    Map<String, Quantity> size =
        Map.of(
            "cpu", new Quantity("32"),
            "memory", new Quantity("256Gi"),
            "pods", new Quantity("110"));
    client
        .resource(
            new NodeBuilder()
                .withNewMetadata()
                .withName(name)
                .withLabels(all)
                .addToAnnotations("kwok.x-k8s.io/node", "fake")
                .endMetadata()
                .withNewSpec()
                .withTaints(taints)
                .endSpec()
                .withNewStatus()
                .withAllocatable(size)
                .withCapacity(size)
                .endStatus()
                .build())
        .create();
  }

  /// Runs kubectl with all rights to its end.
  ///
  /// @throws LabFailure if it takes longer than two minutes
  public Kubectl.Result kubectl(String... arguments) {
    try (Kubectl run = startKubectl(arguments)) {
      return run.await(KUBECTL);
    }
  }

  /// Runs helm with all rights to its end. The first time on a machine this builds it.
  ///
  /// @throws LabFailure if it takes longer than five minutes
  public Kubectl.Result helm(String... arguments) {
    Map<String, String> environment =
        Map.of(
            "KUBECONFIG",
            kubeconfig.toString(),
            "HELM_CACHE_HOME",
            folder.resolve("helm").toString(),
            "HELM_CONFIG_HOME",
            folder.resolve("helm").toString(),
            "HELM_DATA_HOME",
            folder.resolve("helm").toString());
    try (Kubectl run =
        new Kubectl(
            List.of(binaries.program(Module.HELM).toString()), List.of(arguments), environment)) {
      return run.await(HELM);
    }
  }

  /// Runs a command as in a pod: kubectl is on its path, with the rights of a ServiceAccount.
  ///
  /// @throws LabFailure if it takes longer than two minutes
  public Kubectl.Result runAs(
      String namespace,
      String serviceAccount,
      List<String> command,
      Map<String, String> environment) {
    return run(kubeconfig(namespace, serviceAccount), command, environment);
  }

  /// Runs a command as on an administrator's machine: kubectl is on its path, with all rights.
  ///
  /// @throws LabFailure if it takes longer than two minutes
  public Kubectl.Result run(String... command) {
    return run(kubeconfig, List.of(command), Map.of());
  }

  private Kubectl.Result run(
      Path kubeconfig, List<String> command, Map<String, String> environment) {
    Map<String, String> all = new HashMap<>(environment);
    all.put("KUBECONFIG", kubeconfig.toString());
    all.put("KUBECACHEDIR", folder.resolve("kubectl-cache").toString());
    all.put("KUBERC", "off");
    all.put("PATH", kubectlFolder() + File.pathSeparator + System.getenv("PATH"));
    try (Kubectl run =
        new Kubectl(List.of(command.getFirst()), command.subList(1, command.size()), all)) {
      return run.await(KUBECTL);
    }
  }

  /// Where there is a program `kubectl`.
  private Path kubectlFolder() {
    try {
      Path kubectl = Files.createDirectories(folder.resolve("bin")).resolve("kubectl");
      if (!Files.exists(kubectl)) {
        Files.writeString(
            kubectl,
            "#!/bin/sh\nexec '%s' kubectl \"$@\"\n"
                .formatted(binaries.program(Module.CONTROLPLANE)));
        Files.setPosixFilePermissions(kubectl, PosixFilePermissions.fromString("rwxr-xr-x"));
      }
      return kubectl.resolveSibling(".").normalize();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Starts kubectl with all rights. It ends with the lab at the latest.
  public Kubectl startKubectl(String... arguments) {
    Kubectl kubectl =
        new Kubectl(
            new ArrayList<>(List.of(binaries.program(Module.CONTROLPLANE).toString(), "kubectl")),
            List.of(arguments),
            Map.of(
                "LAB_PARENT_PIPE",
                "1",
                "KUBECONFIG",
                kubeconfig.toString(),
                "KUBECACHEDIR",
                folder.resolve("kubectl-cache").toString(),
                // the developer's own preferences have no place here
                "KUBERC",
                "off"));
    drains.removeIf(ended -> !ended.isRunning());
    drains.add(kubectl);
    return kubectl;
  }

  /// Adds or changes a DaemonSet with pods that need nothing: KWOK makes them Ready. A change of it
  /// replaces all of them at once.
  ///
  /// @param nodeSelector YAML, e.g. `{disks: fast}`; its pods have the label `app` with its name
  public void addDaemonSet(String namespace, String name, String nodeSelector) {
    apply(
        """
        apiVersion: apps/v1
        kind: DaemonSet
        metadata: {name: %1$s, namespace: %2$s}
        spec:
          selector: {matchLabels: {app: %1$s}}
          updateStrategy: {rollingUpdate: {maxUnavailable: 100%%}}
          template:
            metadata: {labels: {app: %1$s}}
            spec:
              nodeSelector: %3$s
              containers: [{name: main, image: none}]
        """
            .formatted(name, namespace, nodeSelector));
  }

  /// Adds a ServiceAccount, and gives it rights in all namespaces by a ClusterRole called
  /// `NAMESPACE-NAME`.
  ///
  /// @param rules of that role, each in YAML and in one line
  public void addServiceAccount(String namespace, String name, String... rules) {
    apply(
        """
        apiVersion: v1
        kind: ServiceAccount
        metadata: {name: %2$s, namespace: %1$s}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRole
        metadata: {name: %1$s-%2$s}
        rules: [%3$s]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: ClusterRoleBinding
        metadata: {name: %1$s-%2$s}
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %1$s-%2$s}
        subjects: [{kind: ServiceAccount, name: %2$s, namespace: %1$s}]
        """
            .formatted(namespace, name, String.join(", ", rules)));
  }

  /// Writes the status of a pod as its kubelet does.
  ///
  /// @param patch JSON, such as `{"status": {"phase": "Pending"}}`
  public void reportPod(String namespace, String name, String patch) {
    kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "-p", patch).orFail();
  }

  /// Applies a manifest, a folder of manifests or a folder with a kustomization.
  ///
  /// @throws AssertionError if kubectl fails
  public void apply(Path manifests) {
    boolean kustomization = Files.exists(manifests.resolve("kustomization.yaml"));
    kubectl("apply", kustomization ? "-k" : "-f", manifests.toAbsolutePath().toString()).orFail();
  }

  /// Applies manifests as a user does, who insists on what they say.
  ///
  /// @param yaml of any number of objects
  public void apply(String yaml) {
    client
        .load(new ByteArrayInputStream(yaml.getBytes(StandardCharsets.UTF_8)))
        .items()
        .forEach(
            item -> client.resource(item).fieldManager("user").forceConflicts().serverSideApply());
  }

  /// Waits until the API server lists these kinds. A moment passes between a CRD and that, in which
  /// whoever needs them finds them missing, a source of Knative for good.
  ///
  /// @param kinds plurals, as kubectl takes them
  /// @throws LabFailure if it does not list them after two minutes
  public void awaitListed(String... kinds) {
    String all = String.join(",", kinds);
    Waiting.until(
        KUBECTL,
        () -> kubectl("get", all, "-A").exit() == 0,
        () -> new LabFailure("The cluster does not list " + all + " after " + KUBECTL));
  }

  /// A token that the cluster issues for an existing ServiceAccount, valid for a day.
  ///
  /// @param audiences what it is meant for; none: the API server
  public String token(String namespace, String serviceAccount, String... audiences) {
    TokenRequest request =
        new TokenRequestBuilder()
            .withNewSpec()
            .withAudiences(audiences)
            .withExpirationSeconds(Duration.ofDays(1).toSeconds())
            .endSpec()
            .build();
    return client
        .serviceAccounts()
        .inNamespace(namespace)
        .withName(serviceAccount)
        .tokenRequest(request)
        .getStatus()
        .getToken();
  }

  /// The private key with which the cluster signs the tokens of ServiceAccounts, as PEM.
  public Path tokenKey() {
    return controlPlane.credentials().serviceAccountKey();
  }

  /// Every call that the API server has finished so far, in the order of their ends. A watch is
  /// there once it has ended.
  public List<ApiCall> apiCalls() {
    return auditLog.calls();
  }

  /// Lets the folder stay when the lab is closed, and says where it is.
  public void keepLogs() {
    keepLogs = true;
  }

  /// Ends everything the lab started and deletes its folder, unless `CHAPERONE_KEEP_LOGS` is set or
  /// [#keepLogs()] was called.
  @Override
  public void close() {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException _) {
      // The JVM is ending, so the hook does the same now.
    }
    end();
  }

  /// What the API server wrote down, its watches included.
  public AuditLog auditLog() {
    return auditLog;
  }

  /// Starts a server that ends with the lab at the latest.
  ///
  /// @param ready whether what was launched at that time is ready now
  public ServerProcess startServer(
      String name,
      List<String> command,
      Map<String, String> environment,
      Predicate<Instant> ready) {
    ServerProcess server = new ServerProcess(name, command, environment, folder, ready);
    more.add(server);
    server.start();
    return server;
  }

  /// Something that stands on this lab, and ends before it.
  public void endBefore(Runnable end) {
    guests.addFirst(end);
  }

  /// Manifests of Knative, of a module by its name after `knative.dev/`.
  public Path manifests(String knativeModule) {
    return binaries.manifests(knativeModule);
  }

  /// A program of the lab, built first if this machine does not have it yet.
  ///
  /// @throws LabFailure if it is missing and cannot be built
  public Path program(Module module) {
    return binaries.program(module);
  }

  private String adminToken() {
    return controlPlane.credentials().token(Credentials.ADMIN);
  }

  private KubernetesClient client(String token) {
    Config config =
        new ConfigBuilder(Config.empty())
            .withMasterUrl(apiServer().toString())
            .withCaCertFile(caCertificate().toString())
            .withOauthToken(token)
            // A refused eviction is an answer, not something to try again for half a minute.
            .withRequestRetryBackoffLimit(0)
            .build();
    return new KubernetesClientBuilder().withConfig(config).build();
  }

  private void end() {
    if (closed.getAndSet(true)) {
      return;
    }
    guests.forEach(Runnable::run);
    if (client != null) {
      client.close();
    }
    drains.forEach(Kubectl::destroy);
    more.forEach(ServerProcess::askToEnd);
    controlPlane.stop();
    more.forEach(ServerProcess::awaitEnd);
    auditLog.writeRights();
    if (keepLogs) {
      System.err.println("lab: logs are kept in " + folder);
    } else {
      delete(folder);
    }
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.sorted(java.util.Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    } catch (IOException | UncheckedIOException e) {
      System.err.println("lab: " + folder + " could not be deleted: " + e.getMessage());
    }
  }
}
