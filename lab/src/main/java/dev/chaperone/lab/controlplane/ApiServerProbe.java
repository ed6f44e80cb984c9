package dev.chaperone.lab.controlplane;

import dev.chaperone.lab.programs.LoopbackPort;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.GeneralSecurityException;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Asks an API server whether it is ready, as its administrator.
public final class ApiServerProbe {
  private final LoopbackPort port;
  private final URI address;
  private final Credentials credentials;
  private @Nullable HttpClient client;

  /// @param port what has to listen before it is worth to ask
  public ApiServerProbe(LoopbackPort port, URI address, Credentials credentials) {
    this.port = port;
    this.address = address;
    this.credentials = credentials;
  }

  /// Whether it says so now.
  public boolean isReady() {
    try {
      if (!port.accepts()) {
        return false;
      }
      if (client == null) {
        client = HttpClient.newBuilder().sslContext(credentials.trust()).build();
      }
      HttpRequest request =
          HttpRequest.newBuilder(address.resolve("/readyz"))
              .timeout(Duration.ofSeconds(5))
              .header("Authorization", "Bearer " + credentials.token(Credentials.ADMIN))
              .build();
      return client.send(request, BodyHandlers.discarding()).statusCode() == 200;
    } catch (IOException | GeneralSecurityException _) {
      return false;
    } catch (InterruptedException _) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
