package dev.chaperone.manifests;

import java.util.List;
import java.util.stream.Stream;

/// What users apply together.
record Wiring(String name, Manifests manifests) {
  static final Wiring DEFAULT = of("default", "knative", "triggers");
  static final Wiring ONE_NAMESPACE = of("one namespace", "knative/overlays/one-namespace");
  static final Wiring KAFKA = of("kafka", "knative/overlays/kafka");
  static final Wiring OIDC = of("oidc", "knative/overlays/oidc");
  static final Wiring NODE_CONDITIONS =
      of("node conditions", "knative/overlays/node-conditions", "triggers");
  static final Wiring SPREAD = of("spread", "knative/overlays/spread", "triggers");
  static final Wiring SIGNED_EVENTS =
      of("signed events", "knative/overlays/signed-events", "triggers");
  static final Wiring EVICTION_RESPONDER =
      of("eviction responder", "knative/overlays/eviction-responder", "triggers");
  static final Wiring DEAD_MAN = of("dead man", "knative", "triggers", "knative/overlays/dead-man");
  static final Wiring STATUS_PAGE = of("status page", "knative/overlays/status-page", "triggers");
  static final Wiring NODE_UPDATES =
      of("node updates", "knative", "triggers/overlays/node-updates");
  static final Wiring CEPH = of("ceph", "knative", "triggers", "triggers/examples/ceph");
  static final Wiring SIGNAL = of("signal", "knative", "triggers", "triggers/examples/signal");
  static final Wiring HOLDS_WITH_OIDC =
      of("holds with oidc", "knative/overlays/oidc", "triggers/examples/holds-with-oidc");

  static Stream<Wiring> all() {
    return Stream.of(
        DEFAULT,
        ONE_NAMESPACE,
        KAFKA,
        OIDC,
        NODE_CONDITIONS,
        SPREAD,
        SIGNED_EVENTS,
        EVICTION_RESPONDER,
        DEAD_MAN,
        STATUS_PAGE,
        NODE_UPDATES,
        CEPH,
        SIGNAL,
        HOLDS_WITH_OIDC);
  }

  private static Wiring of(String name, String... folders) {
    return new Wiring(name, Manifests.of(folders));
  }

  List<TriggerFilter> triggers() {
    return manifests.ofKind("Trigger").stream().map(TriggerFilter::new).toList();
  }

  /// Where all of it is, but for what teams add.
  String namespace() {
    return equals(ONE_NAMESPACE) ? "storage" : "chaperone";
  }

  boolean oidc() {
    return equals(OIDC) || equals(HOLDS_WITH_OIDC);
  }

  @Override
  public String toString() {
    return name;
  }
}
