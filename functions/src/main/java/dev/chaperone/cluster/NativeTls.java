package dev.chaperone.cluster;

import io.fabric8.kubernetes.client.vertx.VertxHttpClientBuilder;
import io.fabric8.kubernetes.client.vertx.VertxHttpClientFactory;
import io.netty.handler.ssl.OpenSsl;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.vertx.core.Vertx;
import io.vertx.core.net.JdkSSLEngineOptions;
import io.vertx.core.spi.tls.SslContextFactory;
import io.vertx.ext.web.client.WebClientOptions;
import javax.net.ssl.KeyManager;
import javax.net.ssl.TrustManager;
import org.jboss.logging.Logger;
import org.jspecify.annotations.Nullable;

/// TLS by BoringSSL, where there is one for the machine. The JDK's own is Java: a cold start
/// interprets its arithmetic, and of the JVM's compilers only the one that short lives do without
/// makes it fast.
///
/// Whom to trust remains the Kubernetes client's decision, and that a certificate is for the host
/// is checked as before.
final class NativeTls extends VertxHttpClientFactory {
  private static final Logger LOG = Logger.getLogger(NativeTls.class);

  private final Vertx vertx;

  /// As the client that is being built was told.
  private Managers managers = new Managers(null, null);

  NativeTls(Vertx vertx) {
    super(vertx);
    this.vertx = vertx;
  }

  private record Managers(@Nullable KeyManager identity, @Nullable TrustManager trust) {}

  @Override
  public VertxHttpClientBuilder<VertxHttpClientFactory> newBuilder() {
    return new VertxHttpClientBuilder<VertxHttpClientFactory>(this, vertx) {
      @Override
      public VertxHttpClientBuilder<VertxHttpClientFactory> sslContext(
          KeyManager[] identity, TrustManager[] trust) {
        managers = new Managers(first(identity), first(trust));
        return super.sslContext(identity, trust);
      }
    };
  }

  private static <T> @Nullable T first(T @Nullable [] managers) {
    return managers == null || managers.length == 0 ? null : managers[0];
  }

  @Override
  protected void additionalConfig(WebClientOptions options) {
    if (!options.isSsl()) {
      return;
    }
    if (OpenSsl.isAvailable()) {
      options.setSslEngineOptions(new Engine(managers));
    } else {
      LOG.warn(fallback(OpenSsl.unavailabilityCause()));
    }
  }

  /// What the log says where there is no BoringSSL.
  ///
  /// @param cause why, if that is known
  static String fallback(@Nullable Throwable cause) {
    return "BoringSSL cannot be loaded (%s): the JDK's TLS is used, and cold starts take longer. On Linux it needs glibc and libgcc_s.so.1 in the image"
        .formatted(cause == null ? "no cause is known" : Words.root(cause).getMessage());
  }

  /// Vert.x knows BoringSSL only with certificates from files.
  private static final class Engine extends JdkSSLEngineOptions {
    private final Managers managers;

    Engine(Managers managers) {
      this.managers = managers;
    }

    @Override
    public JdkSSLEngineOptions copy() {
      return this;
    }

    @Override
    public SslContextFactory sslContextFactory() {
      return () -> {
        SslContextBuilder builder = SslContextBuilder.forClient().sslProvider(SslProvider.OPENSSL);
        if (managers.identity() != null) {
          builder.keyManager(managers.identity());
        }
        if (managers.trust() != null) {
          builder.trustManager(managers.trust());
        }
        return builder.build();
      };
    }
  }
}
