package dev.chaperone.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class NativeTlsTest {
  @Test
  void the_log_says_which_library_is_missing() {
    Throwable cause =
        new IllegalArgumentException(
            "Failed to load any of the given libraries",
            new UnsatisfiedLinkError("libgcc_s.so.1: cannot open shared object file"));

    assertThat(NativeTls.fallback(cause))
        .startsWith("BoringSSL cannot be loaded (libgcc_s.so.1: cannot open shared object file)")
        .contains("cold starts take longer");
  }

  @Test
  void the_log_says_so_even_if_nobody_knows_why() {
    assertThat(NativeTls.fallback(null)).contains("no cause is known");
  }
}
