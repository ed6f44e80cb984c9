package dev.chaperone.lab.knative;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.chaperone.lab.Lab;
import dev.chaperone.lab.programs.LabFailure;
import io.fabric8.kubernetes.api.model.APIResource;
import io.fabric8.kubernetes.api.model.APIResourceList;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Base64;
import java.util.List;

/// The watches of an ApiServerSource's adapter. Only the audit log tells when they are established:
/// the adapter neither logs nor reports it, and its probes answer before.
final class AdapterWatches {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Lab lab;
  private final String credential;
  private final int expected;

  /// @param config the adapter's K_SOURCE_CONFIG
  /// @param token what the adapter comes with
  AdapterWatches(Lab lab, String config, String token) {
    this.lab = lab;
    this.credential = credential(token);
    this.expected = expected(lab, json(config));
  }

  /// Whether an adapter that was started at that time has established all of them.
  boolean established(Instant launched) {
    return lab.auditLog().watches().stream()
            .filter(watch -> watch.credential().equals(credential))
            .filter(watch -> !watch.time().isBefore(launched))
            .map(
                watch ->
                    watch.uri().replaceAll("(resourceVersion|timeout|timeoutSeconds)=[^&]*", ""))
            .distinct()
            .count()
        >= expected;
  }

  private static int expected(Lab lab, JsonNode config) {
    boolean everywhere = config.path("allNamespaces").asBoolean();
    int watches = 0;
    for (JsonNode resource : config.path("resources")) {
      boolean once = everywhere || !isNamespaced(lab, resource.path("gvr"));
      watches += once ? 1 : config.path("namespaces").size();
    }
    return watches;
  }

  private static boolean isNamespaced(Lab lab, JsonNode gvr) {
    String group = gvr.path("Group").asText();
    String version = gvr.path("Version").asText();
    APIResourceList known =
        lab.client().getApiResources(group.isEmpty() ? version : group + "/" + version);
    return (known == null ? List.<APIResource>of() : known.getResources())
        .stream()
            .filter(it -> it.getName().equals(gvr.path("Resource").asText()))
            .anyMatch(APIResource::getNamespaced);
  }

  /// The name under which the audit log knows this one token.
  private static String credential(String token) {
    String claims = token.split("\\.", -1)[1];
    return "JTI="
        + json(new String(Base64.getUrlDecoder().decode(claims), StandardCharsets.UTF_8))
            .path("jti")
            .asText();
  }

  private static JsonNode json(String text) {
    try {
      return JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new LabFailure("This is no JSON: " + text, e);
    }
  }
}
