package dev.chaperone.lab;

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
import java.util.UUID;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/// Who may talk to the API server of one lab: the administrator and the components, each under its
/// own name so that their calls can be told apart in the audit log, and the key that signs
/// ServiceAccount tokens.
final class Credentials {
  static final String ADMIN = "admin";
  static final String CONTROLLER_MANAGER = "system:kube-controller-manager";
  static final String SCHEDULER = "system:kube-scheduler";
  static final String KWOK = "kwok";

  private final Path folder;
  private final String secret = UUID.randomUUID().toString();

  Credentials(Path folder) throws IOException {
    this.folder = folder;
    Files.createDirectories(certificates());
    Files.writeString(
        tokens(),
        String.join(
            "\n",
            List.of(ADMIN, CONTROLLER_MANAGER, SCHEDULER, KWOK).stream()
                .map(user -> "%s,%s,%s,system:masters".formatted(token(user), user, user))
                .toList()));
    Files.writeString(serviceAccountKey(), newKey());
  }

  String token(String user) {
    return secret + "-" + user.replace(':', '-');
  }

  Path tokens() {
    return folder.resolve("tokens.csv");
  }

  Path serviceAccountKey() {
    return folder.resolve("service-accounts.pem");
  }

  /// Where the API server writes its own certificate.
  Path certificates() {
    return folder.resolve("certificates");
  }

  /// Certificate of the API server and of the authority that signed it; exists once the API server
  /// has begun to start.
  Path authority() {
    return certificates().resolve("apiserver.crt");
  }

  Path writeKubeconfig(String fileName, URI apiServer, String token) throws IOException {
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

  SSLContext trust() throws IOException, GeneralSecurityException {
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
