package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chaperone.decide.GuardSettings;
import io.fabric8.kubernetes.api.model.Quantity;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GuardConfigTest {
  @Test
  void nothing_but_an_image_is_needed() {
    assertThat(settings("", "", "", "")).isEqualTo(GuardSettings.of("pause:3"));
  }

  @Test
  void lists_are_written_as_kubectl_takes_them() {
    GuardConfig config =
        new GuardConfig(
            "pause:3",
            list("cost-center=storage, team = blocks ,empty="),
            list("checksum=a=b"),
            list("cpu=1m,memory=8Mi,ephemeral-storage=1.5e3"),
            list("cpu=1m,cpu=2m"),
            list("mirror,other"),
            Optional.of("platform"),
            Optional.of(65535L));

    assertThat(config.settings())
        .isEqualTo(
            new GuardSettings(
                "pause:3",
                Map.of("cost-center", "storage", "team", "blocks", "empty", ""),
                Map.of("checksum", "a=b"),
                Map.of(
                    "cpu",
                    new Quantity("1m"),
                    "memory",
                    new Quantity("8Mi"),
                    "ephemeral-storage",
                    new Quantity("1.5e3")),
                Map.of("cpu", new Quantity("2m")),
                List.of("mirror", "other"),
                "platform",
                65535L));
  }

  @ParameterizedTest
  @ValueSource(strings = {"cost-center", "=storage", " =storage", "a=b,c"})
  void what_is_no_pair_is_refused_with_the_name_of_the_setting(String pairs) {
    assertThatThrownBy(() -> settings(pairs, "", "", ""))
        .hasMessageContaining("chaperone.guard-labels must be like key=value,key=value");
    assertThatThrownBy(() -> settings("", pairs, "", ""))
        .hasMessageContaining("chaperone.guard-annotations must be like key=value,key=value");
    assertThatThrownBy(() -> settings("", "", pairs, ""))
        .hasMessageContaining("chaperone.guard-requests must be like key=value,key=value");
    assertThatThrownBy(() -> settings("", "", "", pairs))
        .hasMessageContaining("chaperone.guard-limits must be like key=value,key=value");
  }

  @ParameterizedTest
  @ValueSource(strings = {"cpu=much", "cpu=", "memory=8 MB", "memory=Mi", "cpu=1x", "cpu=-1"})
  void what_is_no_quantity_is_refused_with_the_name_of_the_setting(String pairs) {
    assertThatThrownBy(() -> settings("", "", pairs, ""))
        .hasMessageContaining("chaperone.guard-requests")
        .hasMessageContaining(pairs.substring(pairs.indexOf('=') + 1));
    assertThatThrownBy(() -> settings("", "", "", pairs))
        .hasMessageContaining("chaperone.guard-limits");
  }

  private static GuardSettings settings(
      String labels, String annotations, String requests, String limits) {
    return new GuardConfig(
            "pause:3",
            list(labels),
            list(annotations),
            list(requests),
            list(limits),
            Optional.empty(),
            Optional.empty(),
            Optional.empty())
        .settings();
  }

  /// As MicroProfile Config splits it.
  private static Optional<List<String>> list(String text) {
    return text.isEmpty() ? Optional.empty() : Optional.of(Arrays.asList(text.split(",")));
  }
}
