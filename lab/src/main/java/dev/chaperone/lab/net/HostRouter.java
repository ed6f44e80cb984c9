package dev.chaperone.lab.net;

import dev.chaperone.lab.programs.LabFailure;
import io.fabric8.kubernetes.api.model.Service;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.vertx.core.Future;
import io.vertx.core.MultiMap;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.file.FileSystemOptions;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.NetClient;
import java.net.URI;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/// Plays cluster DNS and Services for programs that run outside of a cluster: a forward proxy
/// (`HTTP_PROXY`) that sends the requests for `NAME.NAMESPACE` to where the lab runs it. A Service
/// of type ExternalName is followed, as DNS would. What has no route is answered with 503, what
/// does not listen with 502; senders of events try both again.
///
/// By HTTPS (`HTTPS_PROXY`) there is one host: the API server, under its name in the cluster.
public final class HostRouter implements AutoCloseable {
  private static final String LOCALHOST = "127.0.0.1";
  private static final String DOMAIN = ".svc.cluster.local";
  private static final String API_SERVER = "kubernetes.default.svc";
  private static final Duration END = Duration.ofSeconds(10);
  private static final int MANY = 1_000;
  private static final int NO_ROUTE = 503;
  private static final int NO_ANSWER = 502;

  /// Of one connection, not of the message that passes through.
  private static final Set<String> HOP_BY_HOP =
      Set.of("connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade");

  private final KubernetesClient cluster;
  private final URI apiServer;
  private final Map<String, Route> routes = new ConcurrentHashMap<>();
  private final Vertx vertx =
      Vertx.vertx(
          new VertxOptions()
              .setUseDaemonThread(true)
              // On a busy machine everything is late, which is no news.
              .setBlockedThreadCheckInterval(END.toMillis())
              .setFileSystemOptions(
                  new FileSystemOptions()
                      .setClassPathResolvingEnabled(false)
                      .setFileCachingEnabled(false)));
  private final HttpClient client =
      vertx.createHttpClient(new HttpClientOptions().setMaxPoolSize(MANY));
  private final NetClient tunnels = vertx.createNetClient();
  private final HttpServer server;
  private volatile Consumer<Passing> observer = _ -> {};

  /// @param cluster whose Services it knows
  public HostRouter(KubernetesClient cluster, URI apiServer) {
    this.cluster = cluster;
    this.apiServer = apiServer;
    this.server =
        await(
            vertx
                .createHttpServer(new HttpServerOptions().setHost(LOCALHOST).setPort(0))
                .requestHandler(this::serve)
                .listen());
  }

  /// Where a host's requests go, one after the other in turn.
  private record Route(List<URI> addresses, AtomicInteger requests) {
    URI next() {
      return addresses.get(Math.floorMod(requests.getAndIncrement(), addresses.size()));
    }
  }

  /// An event on its way to a host; what it does not have is an empty string.
  ///
  /// @param id its CloudEvent's
  /// @param name of the object it is about
  /// @param nanoTime when it came, as [System#nanoTime()]
  public record Passing(String host, String id, String type, String name, long nanoTime) {}

  /// Tells of every request that comes, from now on.
  public void observe(Consumer<Passing> each) {
    observer = each;
  }

  /// Sends the requests for a host to an address, from now on; to several of them in turn.
  ///
  /// @param host `NAME.NAMESPACE`, with or without the cluster's domain
  public void route(String host, URI... addresses) {
    routes.put(shortName(host), new Route(List.of(addresses), new AtomicInteger()));
  }

  /// Where the requests for a host are sent now.
  ///
  /// @throws LabFailure if there is no route
  public URI lookUp(String host) {
    return Optional.ofNullable(routes.get(shortName(host)))
        .map(Route::next)
        .orElseThrow(() -> new LabFailure("There is no route to " + host));
  }

  /// What to set as `HTTP_PROXY`.
  public URI address() {
    return URI.create("http://" + LOCALHOST + ":" + server.actualPort());
  }

  /// Answers nothing more.
  @Override
  public void close() {
    await(vertx.close());
  }

  private void serve(HttpServerRequest request) {
    request.pause();
    if (request.method().equals(HttpMethod.CONNECT)) {
      tunnel(request);
      return;
    }
    String host = shortName(String.valueOf(request.authority().host()));
    observer.accept(
        new Passing(
            host,
            header(request, "ce-id"),
            header(request, "ce-type"),
            header(request, "ce-name"),
            System.nanoTime()));
    target(host)
        .onSuccess(
            target -> {
              if (target.isPresent()) {
                forward(request, target.get());
              } else {
                answer(request, NO_ROUTE, "no route to " + host);
              }
            })
        .onFailure(e -> answer(request, NO_ROUTE, "no route to " + host + ": " + e));
  }

  private void tunnel(HttpServerRequest request) {
    if (!API_SERVER.equals(request.authority().host())) {
      answer(request, NO_ROUTE, "no HTTPS to " + request.authority());
      return;
    }
    tunnels
        .connect(apiServer.getPort(), apiServer.getHost())
        .compose(
            out ->
                request
                    .toNetSocket()
                    .onSuccess(
                        in -> {
                          in.pipeTo(out);
                          out.pipeTo(in);
                        }))
        .onFailure(e -> answer(request, NO_ANSWER, apiServer + " does not answer: " + e));
  }

  private static String header(HttpServerRequest request, String name) {
    String value = request.getHeader(name);
    return value == null ? "" : value;
  }

  private Future<Optional<URI>> target(String host) {
    Route known = routes.get(host);
    return known != null
        ? Future.succeededFuture(Optional.of(known.next()))
        : vertx.executeBlocking(() -> Optional.ofNullable(follow(host)), false);
  }

  private @org.jspecify.annotations.Nullable URI follow(String host) {
    String[] parts = host.split("\\.", -1);
    Service service =
        parts.length == 2
            ? cluster.services().inNamespace(parts[1]).withName(parts[0]).get()
            : null;
    String name = service == null ? null : service.getSpec().getExternalName();
    Route target = name == null ? null : routes.get(shortName(name));
    if (target == null) {
      return null;
    }
    routes.put(host, target);
    return target.next();
  }

  private void forward(HttpServerRequest in, URI target) {
    RequestOptions options =
        new RequestOptions()
            .setMethod(in.method())
            .setHost(target.getHost())
            .setPort(target.getPort())
            .setURI(in.query() == null ? in.path() : in.path() + "?" + in.query());
    client
        .request(options)
        .compose(
            out -> {
              in.response().closeHandler(_ -> out.reset());
              pass(in.headers(), out.headers());
              // Some tell by it for whom a request is.
              out.headers().set("host", in.authority().toString());
              return send(in, out);
            })
        .compose(answer -> passBack(answer, in.response()))
        .onFailure(e -> answer(in, NO_ANSWER, target + " does not answer: " + e));
  }

  private static Future<HttpClientResponse> send(HttpServerRequest in, HttpClientRequest out) {
    boolean hasBody =
        in.getHeader("content-length") != null || in.getHeader("transfer-encoding") != null;
    if (!hasBody) {
      in.resume();
      return out.send();
    }
    return out.send(in);
  }

  private static Future<Void> passBack(HttpClientResponse answer, HttpServerResponse response) {
    response.setStatusCode(answer.statusCode());
    pass(answer.headers(), response.headers());
    if (answer.getHeader("content-length") == null
        && answer.getHeader("transfer-encoding") == null) {
      return response.end();
    }
    return answer.pipeTo(response);
  }

  private static void pass(MultiMap from, MultiMap to) {
    from.forEach(
        header -> {
          if (!HOP_BY_HOP.contains(header.getKey().toLowerCase(Locale.ROOT))) {
            to.add(header.getKey(), header.getValue());
          }
        });
  }

  private static void answer(HttpServerRequest request, int status, String text) {
    HttpServerResponse response = request.response();
    if (response.closed() || response.ended()) {
      return;
    }
    if (response.headWritten()) {
      response.reset();
      return;
    }
    request.resume();
    response.headers().clear();
    response.setStatusCode(status).end(text);
  }

  private static String shortName(String host) {
    String name = host.toLowerCase(Locale.ROOT);
    return name.endsWith(DOMAIN) ? name.substring(0, name.length() - DOMAIN.length()) : name;
  }

  private static <T> T await(Future<T> future) {
    try {
      return future
          .toCompletionStage()
          .toCompletableFuture()
          .get(END.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while waiting for the router", e);
    } catch (java.util.concurrent.ExecutionException | java.util.concurrent.TimeoutException e) {
      throw new LabFailure("The router does not start or end: " + e, e);
    }
  }
}
