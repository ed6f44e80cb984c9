package dev.chaperone.it;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chaperone.lab.PodEviction;
import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.fabric8.kubernetes.api.model.ObjectMetaBuilder;
import io.fabric8.kubernetes.api.model.OwnerReferenceBuilder;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The two controllers that Kubernetes 1.37 has the API of and does not have yet, as KEP-4563 has
/// them: one makes Evictions from EvictionRequests and says whose turn it is, the other is the last
/// responder of every pod, and asks the eviction API. Each [#sync()] goes one step on; whether a
/// step is right is for the API server to say.
final class EvictionController {
  static final String EVICTOR = "imperative-eviction.k8s.io/evictor";

  private static final Duration HEARTBEAT_DEADLINE = Duration.ofMinutes(20);
  private static final int CONFLICT = 409;
  private static final int TOO_MANY_REQUESTS = 429;
  private static final int LAST_PRIORITY = 100;

  private static final ResourceDefinitionContext REQUESTS =
      kind("EvictionRequest", "evictionrequests");
  static final ResourceDefinitionContext EVICTIONS = kind("Eviction", "evictions");

  private final KubernetesClient client;
  private final String namespace;

  EvictionController(KubernetesClient client, String namespace) {
    this.client = client;
    this.namespace = namespace;
  }

  private static ResourceDefinitionContext kind(String kind, String plural) {
    return new ResourceDefinitionContext.Builder()
        .withGroup("lifecycle.k8s.io")
        .withVersion("v1alpha1")
        .withKind(kind)
        .withPlural(plural)
        .withNamespaced(true)
        .build();
  }

  /// What a maintainer of nodes asks for.
  void request(Pod pod) {
    GenericKubernetesResource request = new GenericKubernetesResource();
    request.setApiVersion("lifecycle.k8s.io/v1alpha1");
    request.setKind("EvictionRequest");
    request.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(namespace)
            .withName(pod.getMetadata().getName())
            .build());
    request.setAdditionalProperty(
        "spec",
        Map.of(
            "requester",
            "example.com/maintenance",
            "intent",
            "Eviction",
            "target",
            Map.of(
                "pod",
                Map.of("name", pod.getMetadata().getName(), "uid", pod.getMetadata().getUid()))));
    client.genericKubernetesResources(REQUESTS).resource(request).create();
  }

  /// The Eviction of this pod; absent: none was made yet.
  @Nullable GenericKubernetesResource eviction(Pod pod) {
    return client
        .genericKubernetesResources(EVICTIONS)
        .inNamespace(namespace)
        .withName(name(pod.getMetadata().getName()))
        .get();
  }

  /// What a responder says of the eviction of this pod; nothing while there is none.
  Map<String, Object> answer(Pod pod, String responder) {
    return Optional.ofNullable(eviction(pod)).stream()
        .flatMap(it -> list(it, "responders").stream())
        .filter(it -> responder.equals(it.get("name")))
        .findFirst()
        .orElse(Map.of());
  }

  /// Whose turn it is; nothing while it is nobody's.
  String active(Pod pod) {
    return Optional.ofNullable(eviction(pod)).stream()
        .flatMap(it -> list(it, "targetResponders").stream())
        .filter(it -> "Active".equals(it.get("state")))
        .map(it -> String.valueOf(it.get("name")))
        .findFirst()
        .orElse("");
  }

  boolean isEvicted(Pod pod) {
    return Optional.ofNullable(eviction(pod)).stream()
        .flatMap(it -> list(it, "conditions").stream())
        .anyMatch(it -> "TargetEvicted".equals(it.get("type")) && "True".equals(it.get("status")));
  }

  void sync() {
    client
        .genericKubernetesResources(REQUESTS)
        .inNamespace(namespace)
        .list()
        .getItems()
        .forEach(this::register);
    for (GenericKubernetesResource eviction :
        client.genericKubernetesResources(EVICTIONS).inNamespace(namespace).list().getItems()) {
      try {
        step(eviction);
      } catch (KubernetesClientException e) {
        // A responder was faster.
        if (e.getCode() != CONFLICT) {
          throw e;
        }
      }
    }
  }

  private void register(GenericKubernetesResource request) {
    String target = request.get("spec", "target", "pod", "name");
    Pod pod = client.pods().inNamespace(namespace).withName(target).get();
    if (pod == null || eviction(pod) != null) {
      return;
    }
    Map<String, String> labels = new HashMap<>();
    labels.put(request.get("spec", "requester"), "requester");
    responders(pod).forEach(it -> labels.put(String.valueOf(it.get("name")), "responder"));
    labels.put(EVICTOR, "responder");
    GenericKubernetesResource eviction = new GenericKubernetesResource();
    eviction.setApiVersion(request.getApiVersion());
    eviction.setKind("Eviction");
    eviction.setMetadata(
        new ObjectMetaBuilder()
            .withNamespace(namespace)
            .withName(name(target))
            .withLabels(labels)
            .withOwnerReferences(
                new OwnerReferenceBuilder()
                    .withApiVersion(request.getApiVersion())
                    .withKind(request.getKind())
                    .withName(request.getMetadata().getName())
                    .withUid(request.getMetadata().getUid())
                    .build())
            .build());
    eviction.setAdditionalProperty(
        "spec", Map.of("target", Objects.requireNonNull(request.get("spec", "target"))));
    client.genericKubernetesResources(EVICTIONS).resource(eviction).create();
  }

  private void step(GenericKubernetesResource eviction) {
    String target = eviction.get("spec", "target", "pod", "name");
    Pod pod = client.pods().inNamespace(namespace).withName(target).get();
    boolean gone =
        pod == null
            || !pod.getMetadata().getUid().equals(eviction.get("spec", "target", "pod", "uid"));
    List<Map<String, Object>> turns = list(eviction, "targetResponders");
    if (turns.isEmpty()) {
      if (!gone) {
        begin(eviction, pod);
      }
      return;
    }
    int active = turns.stream().map(it -> it.get("state")).toList().indexOf("Active");
    if (active < 0) {
      return;
    }
    Map<String, Object> entry = list(eviction, "responders").get(active);
    boolean completed = entry.get("completionTime") != null;
    boolean last = active == turns.size() - 1;
    if (last && !completed) {
      evict(eviction, entry, target, gone);
    } else if (gone) {
      turns.get(active).put("state", completed ? "Completed" : "Canceled");
      write(eviction, turns, list(eviction, "responders"), true);
    } else if (completed || isSilent(entry)) {
      turns.get(active).put("state", completed ? "Completed" : "Interrupted");
      List<Map<String, Object>> entries = list(eviction, "responders");
      turns.get(active + 1).put("state", "Active");
      entries.get(active + 1).put("startTime", now());
      write(eviction, turns, entries, false);
    }
  }

  /// In the order of their priorities.
  private void begin(GenericKubernetesResource eviction, Pod pod) {
    List<Map<String, Object>> turns = new ArrayList<>();
    List<Map<String, Object>> entries = new ArrayList<>();
    responders(pod).stream()
        .sorted(
            Comparator.comparing(
                it -> Integer.valueOf(String.valueOf(it.get("priority"))),
                Comparator.reverseOrder()))
        .forEach(it -> turns.add(new HashMap<>(it)));
    turns.add(new HashMap<>(Map.of("name", EVICTOR, "priority", LAST_PRIORITY)));
    turns.forEach(
        it -> {
          it.put("state", "Inactive");
          entries.add(new HashMap<>(Map.of("name", Objects.requireNonNull(it.get("name")))));
        });
    turns.getFirst().put("state", "Active");
    entries.getFirst().put("startTime", now());
    write(eviction, turns, entries, false);
  }

  private void evict(
      GenericKubernetesResource eviction, Map<String, Object> entry, String pod, boolean gone) {
    Map<String, Object> next = new HashMap<>(entry);
    if (gone) {
      next.put("completionTime", now());
    } else {
      int answer = PodEviction.evict(client, namespace, pod);
      if (answer == TOO_MANY_REQUESTS) {
        next.put("message", "Could not evict a pod due to failing eviction requests");
      } else {
        assertThat(answer).isEqualTo(PodEviction.PASSED);
      }
    }
    if (!next.equals(entry)) {
      List<Map<String, Object>> entries = list(eviction, "responders");
      entries.set(entries.indexOf(entry), next);
      write(eviction, list(eviction, "targetResponders"), entries, false);
    }
  }

  private void write(
      GenericKubernetesResource eviction,
      List<Map<String, Object>> turns,
      List<Map<String, Object>> entries,
      boolean evicted) {
    Map<String, Object> status = new HashMap<>();
    status.put("targetResponders", turns);
    status.put("responders", entries);
    status.put(
        "requesters", List.of(Map.of("name", "example.com/maintenance", "intent", "Eviction")));
    if (evicted) {
      status.put(
          "conditions",
          List.of(
              Map.of(
                  "type",
                  "TargetEvicted",
                  "status",
                  "True",
                  "reason",
                  "PodDeleted",
                  "message",
                  "",
                  "lastTransitionTime",
                  now())));
    }
    eviction.setAdditionalProperty("status", status);
    client.genericKubernetesResources(EVICTIONS).resource(eviction).updateStatus();
  }

  private static boolean isSilent(Map<String, Object> entry) {
    Object last = entry.get(entry.containsKey("heartbeatTime") ? "heartbeatTime" : "startTime");
    return Instant.parse(String.valueOf(last)).plus(HEARTBEAT_DEADLINE).isBefore(Instant.now());
  }

  /// As a pod names them.
  @SuppressWarnings("unchecked") // as the API has it
  static List<Map<String, Object>> responders(Pod pod) {
    return (List<Map<String, Object>>)
        pod.getSpec().getAdditionalProperties().getOrDefault("evictionResponders", List.of());
  }

  private static List<Map<String, Object>> list(GenericKubernetesResource eviction, String field) {
    List<Map<String, Object>> list = eviction.get("status", field);
    return list == null ? List.of() : list;
  }

  private static String name(String pod) {
    return "pod-1-" + pod;
  }

  private static String now() {
    return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
  }
}
