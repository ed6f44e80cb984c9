package dev.chaperone.cluster;

import dev.chaperone.decide.GuardSettings;
import io.fabric8.kubernetes.api.model.Quantity;
import jakarta.enterprise.context.ApplicationScoped;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/// The installation's settings for guard pods. Each list is written as Kubernetes' own tools take
/// them: `key=value,key=value`.
@ApplicationScoped
class GuardConfig {
  private static final Pattern QUANTITY =
      Pattern.compile("([0-9]+[.]?[0-9]*|[.][0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?");

  private final GuardSettings settings;

  GuardConfig(
      @ConfigProperty(name = "chaperone.guard-image") String image,
      @ConfigProperty(name = "chaperone.guard-labels") Optional<List<String>> labels,
      @ConfigProperty(name = "chaperone.guard-annotations") Optional<List<String>> annotations,
      @ConfigProperty(name = "chaperone.guard-requests") Optional<List<String>> requests,
      @ConfigProperty(name = "chaperone.guard-limits") Optional<List<String>> limits,
      @ConfigProperty(name = "chaperone.guard-pull-secrets") Optional<List<String>> pullSecrets,
      @ConfigProperty(name = "chaperone.guard-priority-class") Optional<String> priorityClass,
      @ConfigProperty(name = "chaperone.guard-user") Optional<Long> user) {
    this.settings =
        new GuardSettings(
            image,
            pairs("chaperone.guard-labels", labels),
            pairs("chaperone.guard-annotations", annotations),
            quantities("chaperone.guard-requests", requests),
            quantities("chaperone.guard-limits", limits),
            pullSecrets.orElse(List.of()),
            priorityClass.orElse(null),
            user.orElse(null));
  }

  GuardSettings settings() {
    return settings;
  }

  private static Map<String, Quantity> quantities(String name, Optional<List<String>> pairs) {
    return pairs(name, pairs).entrySet().stream()
        .collect(
            Collectors.toMap(
                Map.Entry::getKey,
                it -> quantity(name, it.getValue()),
                (_, last) -> last,
                TreeMap::new));
  }

  /// Checked here: the API server would refuse the guards of every Companion.
  private static Quantity quantity(String name, String text) {
    if (!QUANTITY.matcher(text).matches()) {
      throw new IllegalArgumentException(
          "%s must have quantities like 10m or 8Mi, and has \"%s\"".formatted(name, text));
    }
    return Quantity.parse(text);
  }

  private static Map<String, String> pairs(String name, Optional<List<String>> pairs) {
    Map<String, String> map = new TreeMap<>();
    for (String pair : pairs.orElse(List.of())) {
      int equals = pair.indexOf('=');
      if (equals < 0 || pair.substring(0, equals).isBlank()) {
        throw new IllegalArgumentException(
            "%s must be like key=value,key=value, and has \"%s\"".formatted(name, pair));
      }
      map.put(pair.substring(0, equals).strip(), pair.substring(equals + 1).strip());
    }
    return map;
  }
}
