package dev.chaperone.lab.net;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.junit.LabExtension;
import dev.chaperone.lab.net.ApiProxy.Exchange;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.ConfigBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LabExtension.class)
class ApiProxyIT {
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private final ApiProxy proxy;
  private final KubernetesClient client;
  private final AtomicInteger cuts = new AtomicInteger();

  ApiProxyIT(Lab lab) {
    this.proxy = ApiProxy.start(lab);
    lab.kubectl(
        "create",
        "clusterrolebinding",
        "proxy",
        "--clusterrole=admin",
        "--serviceaccount=default:default");
    this.client = client();
  }

  @AfterEach
  void close() {
    client.close();
    proxy.close();
  }

  @Test
  void what_passes_is_counted_with_its_bytes() {
    create("counted", "x".repeat(100_000));
    assertThat(read("counted").getData().get("it")).hasSize(100_000);
    assertThat(read("not-there")).isNull();

    List<Exchange> seen = proxy.exchanges();
    assertThat(seen).extracting(Exchange::method).containsExactly("POST", "GET", "GET");
    assertThat(seen).extracting(Exchange::status).containsExactly(201, 200, 404);
    assertThat(seen.getFirst().path()).startsWith("/api/v1/namespaces/default/configmaps");
    assertThat(seen.getFirst().requestBytes()).isBetween(100_000L, 110_000L);
    assertThat(seen.get(1).requestBytes()).isLessThan(5_000);
    assertThat(seen.get(2).responseBytes()).isLessThan(5_000);
    proxy.forget();
    assertThat(proxy.exchanges()).isEmpty();
  }

  @Test
  void a_cut_before_a_call_keeps_it_from_the_api_server() {
    proxy.cutBefore(1, cuts::incrementAndGet);

    create("first", "");
    assertThat(proxy.isCut()).isFalse();
    assertThatThrownBy(() -> create("second", "")).isInstanceOf(KubernetesClientException.class);
    assertThat(proxy.isCut()).isTrue();
    assertThatThrownBy(() -> create("third", "")).isInstanceOf(KubernetesClientException.class);
    proxy.mend();
    create("fourth", "");

    assertThat(read("first")).isNotNull();
    assertThat(read("second")).isNull();
    assertThat(read("third")).isNull();
    assertThat(read("fourth")).isNotNull();
    assertThat(cuts).hasValue(1);
  }

  @Test
  void a_cut_after_a_call_lets_it_be_executed_and_keeps_the_answer() {
    proxy.cutAfter(0, cuts::incrementAndGet);

    assertThatThrownBy(() -> create("executed", "")).isInstanceOf(KubernetesClientException.class);
    assertThatThrownBy(() -> create("never", "")).isInstanceOf(KubernetesClientException.class);
    proxy.mend();

    assertThat(read("executed")).isNotNull();
    assertThat(read("never")).isNull();
    assertThat(cuts).hasValue(1);
  }

  @Test
  void a_watch_tells_at_once() {
    Queue<String> told = new ConcurrentLinkedQueue<>();
    try (var _ =
        client
            .configMaps()
            .inNamespace("default")
            .watch(
                new Watcher<>() {
                  @Override
                  public void eventReceived(Action action, ConfigMap seen) {
                    told.add(seen.getMetadata().getName());
                  }

                  @Override
                  public void onClose(WatcherException cause) {}
                })) {
      create("watched", "");
      await().atMost(PATIENCE).until(() -> told.contains("watched"));
    }
  }

  @Test
  void many_at_once_all_pass_and_are_all_counted() {
    int calls = 1_000;
    try (ExecutorService threads = Executors.newFixedThreadPool(50)) {
      List<CompletableFuture<ConfigMap>> all =
          Stream.generate(() -> CompletableFuture.supplyAsync(() -> read("nobody"), threads))
              .limit(calls)
              .toList();
      assertThat(all).allSatisfy(each -> assertThat(each.join()).isNull());
    }
    assertThat(proxy.exchanges().stream().filter(it -> it.status() == 404)).hasSize(calls);
  }

  private void create(String name, String it) {
    client
        .resource(
            new ConfigMapBuilder()
                .withNewMetadata()
                .withName(name)
                .withNamespace("default")
                .endMetadata()
                .addToData("it", it)
                .build())
        .create();
  }

  private ConfigMap read(String name) {
    return client.configMaps().inNamespace("default").withName(name).get();
  }

  private KubernetesClient client() {
    Config config =
        new ConfigBuilder(Config.fromKubeconfig(proxy.kubeconfig("default", "default").toFile()))
            .withRequestRetryBackoffLimit(0)
            .build();
    return new KubernetesClientBuilder().withConfig(config).build();
  }
}
