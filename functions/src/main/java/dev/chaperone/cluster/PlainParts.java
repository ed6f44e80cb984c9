package dev.chaperone.cluster;

import com.fasterxml.jackson.databind.BeanDescription;
import com.fasterxml.jackson.databind.DeserializationConfig;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.deser.BeanDeserializerModifier;
import com.fasterxml.jackson.databind.introspect.BeanPropertyDefinition;
import com.fasterxml.jackson.databind.module.SimpleModule;
import io.fabric8.kubernetes.api.model.Affinity;
import io.fabric8.kubernetes.api.model.PodSpec;
import io.quarkus.kubernetes.client.KubernetesClientObjectMapperCustomizer;
import jakarta.inject.Singleton;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Reads of the largest kinds only those parts as objects of their own types that something in here
/// asks for. The rest stays the JSON that it is, in the additional properties: nothing is lost, and
/// a cold start need not learn the hundreds of types that containers and volumes are made of. Of
/// thousands of pods and nodes, [Slim] keeps not even that rest.
@Singleton
class PlainParts extends BeanDeserializerModifier
    implements KubernetesClientObjectMapperCustomizer {
  private static final Map<Class<?>, Set<String>> TYPED =
      Map.of(
          PodSpec.class,
              Set.of(
                  "affinity",
                  "hostNetwork",
                  "nodeName",
                  "nodeSelector",
                  "priorityClassName",
                  "tolerations"),
          Affinity.class, Set.of("nodeAffinity"));

  @Override
  public void customize(ObjectMapper mapper) {
    mapper.registerModule(
        new SimpleModule(PlainParts.class.getSimpleName()).setDeserializerModifier(this));
  }

  @Override
  public List<BeanPropertyDefinition> updateProperties(
      DeserializationConfig config, BeanDescription type, List<BeanPropertyDefinition> properties) {
    Set<String> typed = TYPED.get(type.getBeanClass());
    return typed == null
        ? properties
        : properties.stream().filter(it -> typed.contains(it.getName())).toList();
  }
}
