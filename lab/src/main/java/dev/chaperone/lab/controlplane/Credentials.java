package dev.chaperone.lab.controlplane;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/// Who may talk to the API server of one lab: the administrator and the components, each under its
/// own name so that their calls can be told apart in the audit log, and the key that signs
/// ServiceAccount tokens.
public final class Credentials {
  /// All rights.
  public static final String ADMIN = "admin";

  public static final String CONTROLLER_MANAGER = "system:kube-controller-manager";
  public static final String SCHEDULER = "system:kube-scheduler";
  static final String KWOK = "kwok";

  private static final String ALL_RIGHTS = "system:masters";

  private final Path folder;
  private final String secret = UUID.randomUUID().toString();

  Credentials(Path folder) throws IOException {
    this(folder, Map.of(KWOK, ALL_RIGHTS));
  }

  /// @param folder where tokens and keys are kept
  /// @param more users besides the administrator and the components, each with its group
  public Credentials(Path folder, Map<String, String> more) throws IOException {
    this.folder = folder;
    Files.createDirectories(certificates());
    Map<String, String> users = new TreeMap<>(more);
    List.of(ADMIN, CONTROLLER_MANAGER, SCHEDULER).forEach(user -> users.put(user, ALL_RIGHTS));
    Files.writeString(
        tokens(),
        users.entrySet().stream()
            .map(
                user ->
                    "%1$s,%2$s,%2$s,%3$s"
                        .formatted(token(user.getKey()), user.getKey(), user.getValue()))
            .collect(Collectors.joining("\n")));
    Files.writeString(serviceAccountKey(), newKey());
  }

  /// The secret of a user.
  public String token(String user) {
    return secret + "-" + user.replace(':', '-');
  }

  /// Of all users, as the API server reads it.
  public Path tokens() {
    return folder.resolve("tokens.csv");
  }

  /// Signs the tokens of ServiceAccounts.
  public Path serviceAccountKey() {
    return folder.resolve("service-accounts.pem");
  }

  /// Where the API server writes its own certificate.
  public Path certificates() {
    return folder.resolve("certificates");
  }

  /// Certificate of the API server and of the authority that signed it; exists once the API server
  /// has begun to start.
  public Path authority() {
    return certificates().resolve("apiserver.crt");
  }

  /// Writes a file for `KUBECONFIG`, and returns it.
  public Path writeKubeconfig(String fileName, URI apiServer, String token) throws IOException {
    return Files.writeString(
        folder.resolve(fileName),
        """
        apiVersion: v1
        kind: Config
        clusters: [{name: lab, cluster: {server: "%s", certificate-authority: "%s"}}]
        users: [{name: lab, user: {token: "%s"}}]
        contexts: [{name: lab, context: {cluster: lab, user: lab}}]
        current-context: lab
        """
            .formatted(apiServer, authority(), token));
  }

  /// Trusts the API server, and nobody else.
  public SSLContext trust() throws IOException, GeneralSecurityException {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream file = Files.newInputStream(authority())) {
      for (Certificate certificate :
          CertificateFactory.getInstance("X.509").generateCertificates(file)) {
        store.setCertificateEntry(UUID.randomUUID().toString(), certificate);
      }
    }
    TrustManagerFactory factory =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, factory.getTrustManagers(), null);
    return context;
  }

  private static String newKey() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
      generator.initialize(2048);
      PrivateKey key = generator.generateKeyPair().getPrivate();
      String lines = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(key.getEncoded());
      return "-----BEGIN PRIVATE KEY-----\n" + lines + "\n-----END PRIVATE KEY-----\n";
    } catch (GeneralSecurityException e) {
      throw new AssertionError("Every Java has RSA", e);
    }
  }
}
