package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonPropertyDescription;
import io.fabric8.generator.annotation.Default;
import io.fabric8.generator.annotation.Required;
import io.fabric8.generator.annotation.Size;
import io.fabric8.generator.annotation.ValidationRule;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A public key, and what CloudEvents that are signed with it may ask for.
///
/// @param algorithm the only one that signatures with this key may have, whatever they say
/// @param publicKey PEM, as `openssl pkey -pubout` writes it
/// @param sources what `source` of the CloudEvents may be
/// @param companions names in this namespace
/// @param may what the CloudEvents may ask for
/// @param maxHoldDuration each hold needs a `ttl`, and no longer one
/// @param notAfter RFC 3339; from then on the key is good for nothing. Absent: until it is deleted
@ValidationRule(
    value = "self.publicKey.startsWith('-----BEGIN PUBLIC KEY-----')",
    message =
        "publicKey must be a public key in PEM, as openssl pkey -pubout writes it: -----BEGIN PUBLIC"
            + " KEY-----")
@ValidationRule(
    value =
        "self.maxHoldDuration" + Rules.IS_DURATION + " && self.maxHoldDuration" + Rules.IS_POSITIVE,
    message = "maxHoldDuration must be a duration greater than zero, for example 4h")
@ValidationRule(
    value = "!has(self.notAfter) || self.notAfter" + Rules.IS_TIME,
    message =
        "notAfter must be a time with seconds and a zone, for example 2027-11-24T06:00:00Z; leave it"
            + " out for a key without an end")
public record EventKeySpec(
    @Required
        @JsonPropertyDescription(
            "The only algorithm that signatures with this key may have, whatever they say.")
        Algorithm algorithm,
    @Required
        @Size(min = 1, max = 4096)
        @JsonPropertyDescription(
            "PEM, as openssl pkey -pubout writes it. RSA keys have at least 2048 bits; EdDSA is"
                + " Ed25519.")
        String publicKey,
    @Required
        @Size(min = 1, max = 16)
        @JsonPropertyDescription(
            "What source of the CloudEvents may be, exactly. It is part of the name of each Hold, so"
                + " senders that share a source release each other's Holds.")
        List<@Size(max = 256) String> sources,
    @Required
        @Size(min = 1, max = 64)
        @JsonPropertyDescription("Names of Companions in this namespace.")
        List<@Size(max = 50) String> companions,
    @Default("[\"Hold\",\"Release\"]")
        @Size(min = 1, max = 2)
        @JsonPropertyDescription("What the CloudEvents may ask for.")
        List<Permission> may,
    @Required
        @Size(max = 20)
        @JsonPropertyDescription(
            "Each hold needs a ttl, and at most this one. For a signal, the ttl of the signal counts.")
        String maxHoldDuration,
    @Size(max = 40) @JsonPropertyDescription("When the key ends. Left out: when it is deleted.")
        @Nullable String notAfter) {

  public EventKeySpec {
    Objects.requireNonNull(algorithm, "algorithm");
    Objects.requireNonNull(publicKey, "publicKey");
    Objects.requireNonNull(maxHoldDuration, "maxHoldDuration");
    sources = List.copyOf(sources);
    companions = List.copyOf(companions);
    may = List.copyOf(may);
  }

  /// As JOSE calls them (RFC 7518, RFC 8037).
  public enum Algorithm {
    RS256,
    PS256,
    EdDSA
  }

  /// What a CloudEvent may ask for.
  public enum Permission {
    Hold,
    Release
  }
}
