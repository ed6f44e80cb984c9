package dev.chaperone.reflectors;

import io.fabric8.kubernetes.client.dsl.base.ResourceDefinitionContext;
import jakarta.enterprise.context.ApplicationScoped;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/// Calico's objects that are read and written here: its CRDs themselves
/// (`crd.projectcalico.org/v1`), or the same through its API server (`projectcalico.org/v3`).
@ApplicationScoped
class Calico {
  private final String group;
  private final String version;

  Calico(@ConfigProperty(name = "reflectors.calico-api") String api) {
    int slash = api.indexOf('/');
    if (slash < 1) {
      throw new IllegalArgumentException(
          "reflectors.calico-api must be crd.projectcalico.org/v1 or projectcalico.org/v3, and is "
              + api);
    }
    this.group = api.substring(0, slash);
    this.version = api.substring(slash + 1);
  }

  String apiVersion() {
    return group + "/" + version;
  }

  ResourceDefinitionContext peers() {
    return kind("BGPPeer", "bgppeers");
  }

  ResourceDefinitionContext nodeStatuses() {
    return kind("CalicoNodeStatus", "caliconodestatuses");
  }

  private ResourceDefinitionContext kind(String kind, String plural) {
    return new ResourceDefinitionContext.Builder()
        .withGroup(group)
        .withVersion(version)
        .withKind(kind)
        .withPlural(plural)
        .withNamespaced(false)
        .build();
  }
}
