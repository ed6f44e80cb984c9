package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.netty.handler.ssl.OpenSsl;
import io.vertx.core.Vertx;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Against the real API server's certificate.
@ExtendWith(LabExtension.class)
class NativeTlsIT {
  private final Lab lab;
  private final Vertx vertx = Vertx.vertx();

  NativeTlsIT(Lab lab) {
    this.lab = lab;
  }

  @AfterEach
  void close() {
    vertx.close();
  }

  @Test
  void asks_an_API_server_that_it_can_trust() {
    assertThat(OpenSsl.isAvailable()).isTrue();
    assertThat(version(lab.apiServer().toString(), lab.caCertificate().toString())).contains("1.");
  }

  @Test
  void refuses_a_certificate_for_another_host() {
    // The certificate names the address, and not this.
    String other = lab.apiServer().toString().replace("127.0.0.1", "localhost");

    assertThatThrownBy(() -> version(other, lab.caCertificate().toString()))
        .isInstanceOf(KubernetesClientException.class)
        .hasRootCauseInstanceOf(java.security.cert.CertificateException.class);
  }

  @Test
  void refuses_a_certificate_of_nobody_who_is_known() {
    assertThatThrownBy(() -> version(lab.apiServer().toString(), null))
        .isInstanceOf(KubernetesClientException.class)
        .hasRootCauseInstanceOf(java.security.cert.CertPathBuilderException.class);
  }

  private String version(String apiServer, String authority) {
    Config config =
        new ConfigBuilder(Config.empty())
            .withMasterUrl(apiServer)
            .withCaCertFile(authority)
            .withRequestRetryBackoffLimit(0)
            .build();
    try (KubernetesClient client =
        new KubernetesClientBuilder()
            .withConfig(config)
            .withHttpClientFactory(new NativeTls(vertx))
            .build()) {
      return client.getKubernetesVersion().getMinor() + client.raw("/version");
    }
  }
}
