package dev.chaperone.lab.knative;

import dev.chaperone.lab.programs.LabFailure;
import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.Container;
import io.fabric8.kubernetes.api.model.EnvVar;
import io.fabric8.kubernetes.api.model.EnvVarSource;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.client.KubernetesClient;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The environment that a kubelet would give to a container.
final class ContainerEnvironment {
  private final KubernetesClient client;
  private final String namespace;
  private final String pod;
  private final String serviceAccount;

  /// @param pod the name of the pod that it would be in
  ContainerEnvironment(
      KubernetesClient client, String namespace, String pod, String serviceAccount) {
    this.client = client;
    this.namespace = namespace;
    this.pod = pod;
    this.serviceAccount = serviceAccount;
  }

  /// @throws LabFailure if a value comes from something that is not there or that the lab does not
  /// know
  Map<String, String> of(Container container) {
    Map<String, String> environment = new HashMap<>();
    for (EnvVar variable : container.getEnv()) {
      value(variable).ifPresent(value -> environment.put(variable.getName(), value));
    }
    return environment;
  }

  private Optional<String> value(EnvVar variable) {
    EnvVarSource source = variable.getValueFrom();
    if (source == null) {
      return Optional.of(Optional.ofNullable(variable.getValue()).orElse(""));
    }
    if (source.getFieldRef() != null) {
      return Optional.of(field(source.getFieldRef().getFieldPath()));
    }
    if (source.getConfigMapKeyRef() != null) {
      var key = source.getConfigMapKeyRef();
      ConfigMap map = client.configMaps().inNamespace(namespace).withName(key.getName()).get();
      return present(
          variable, key.getOptional(), map == null ? null : map.getData().get(key.getKey()));
    }
    if (source.getSecretKeyRef() != null) {
      var key = source.getSecretKeyRef();
      Secret secret = client.secrets().inNamespace(namespace).withName(key.getName()).get();
      String value = secret == null ? null : secret.getData().get(key.getKey());
      return present(
          variable,
          key.getOptional(),
          value == null
              ? null
              : new String(Base64.getDecoder().decode(value), StandardCharsets.UTF_8));
    }
    throw new LabFailure("The lab cannot tell the value of " + variable);
  }

  private static Optional<String> present(
      EnvVar variable, @Nullable Boolean optional, @Nullable String value) {
    if (value == null && !Boolean.TRUE.equals(optional)) {
      throw new LabFailure("There is no value for " + variable);
    }
    return Optional.ofNullable(value);
  }

  private String field(String path) {
    return switch (path) {
      case "metadata.namespace" -> namespace;
      case "metadata.name" -> pod;
      case "metadata.uid" -> pod;
      case "spec.serviceAccountName" -> serviceAccount;
      case "status.podIP", "status.hostIP" -> "127.0.0.1";
      default -> throw new LabFailure("The lab does not know a pod's " + path);
    };
  }
}
