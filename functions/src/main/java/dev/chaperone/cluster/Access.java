package dev.chaperone.cluster;

import io.fabric8.kubernetes.api.model.authentication.TokenReview;
import io.fabric8.kubernetes.api.model.authentication.TokenReviewBuilder;
import io.fabric8.kubernetes.api.model.authentication.UserInfo;
import io.fabric8.kubernetes.api.model.authorization.v1.SubjectAccessReview;
import io.fabric8.kubernetes.api.model.authorization.v1.SubjectAccessReviewBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.eclipse.microprofile.config.inject.ConfigProperty;
import org.jspecify.annotations.Nullable;

/// The identity of a sender, and its rights: Kubernetes' own answer to both. Asked anew each time,
/// but for tokens of which no answer can be good.
@ApplicationScoped
public class Access {
  private static final String GROUP = "chaperone.dev";
  private static final Pattern BEARER = Pattern.compile("(?i)bearer +([A-Za-z0-9._~+/=-]+)");

  private final KubernetesClient client;
  private final String audience;
  private final Tokens tokens;

  Access(KubernetesClient client, @ConfigProperty(name = "chaperone.audience") String audience) {
    this.client = client;
    this.audience = audience;
    this.tokens = new Tokens(audience, InstantSource.system());
  }

  /// The bearer token of an `Authorization` header; empty if there is none.
  public static Optional<String> bearerToken(@Nullable String authorization) {
    return Optional.ofNullable(authorization)
        .map(BEARER::matcher)
        .filter(Matcher::matches)
        .map(it -> it.group(1));
  }

  /// What may be done to Holds.
  public enum Verb {
    CREATE,
    DELETE;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /// The user of this token; empty if it has none, has expired, or is not meant for Chaperone.
  ///
  /// @throws Unavailable when the API server does not answer, or not in time, or is asked too often
  public Optional<UserInfo> user(String token, Deadline deadline) {
    if (!tokens.isWorthAsking(token)) {
      return Optional.empty();
    }
    Optional<UserInfo> user = review(token, deadline);
    tokens.answered(token, user.isPresent());
    return user;
  }

  private Optional<UserInfo> review(String token, Deadline deadline) {
    TokenReview review =
        ask(
            "whose token it is",
            deadline,
            () ->
                client
                    .resource(
                        new TokenReviewBuilder()
                            .withNewSpec()
                            .withToken(token)
                            .withAudiences(audience)
                            .endSpec()
                            .build())
                    .create());
    return Optional.ofNullable(review.getStatus())
        .filter(it -> Boolean.TRUE.equals(it.getAuthenticated()))
        .filter(it -> it.getAudiences() != null && it.getAudiences().contains(audience))
        .map(it -> it.getUser());
  }

  /// Whether this user may do this to Holds in the namespace.
  ///
  /// @throws Unavailable when the API server does not answer, or not in time
  public boolean mayHold(UserInfo user, Verb verb, String namespace, Deadline deadline) {
    return may(user, verb.toString(), GROUP, "holds", namespace, deadline);
  }

  /// Whether this user may list the Companions of the namespace.
  ///
  /// @param namespace absent: of all namespaces
  /// @throws Unavailable when the API server does not answer, or not in time
  public boolean mayListCompanions(UserInfo user, @Nullable String namespace, Deadline deadline) {
    return may(user, "list", GROUP, "companions", namespace, deadline);
  }

  /// Whether this user may list the Kubernetes Events of the namespace.
  ///
  /// @param namespace absent: of all namespaces
  /// @throws Unavailable when the API server does not answer, or not in time
  public boolean mayListEvents(UserInfo user, @Nullable String namespace, Deadline deadline) {
    return may(user, "list", "", "events", namespace, deadline);
  }

  private boolean may(
      UserInfo user,
      String verb,
      String group,
      String resource,
      @Nullable String namespace,
      Deadline deadline) {
    SubjectAccessReview review =
        ask(
            "what " + user.getUsername() + " may do",
            deadline,
            () ->
                client
                    .resource(
                        new SubjectAccessReviewBuilder()
                            .withNewSpec()
                            .withUser(user.getUsername())
                            .withUid(user.getUid())
                            .withGroups(user.getGroups() == null ? List.of() : user.getGroups())
                            .withExtra(user.getExtra())
                            .withNewResourceAttributes()
                            .withGroup(group)
                            .withResource(resource)
                            .withVerb(verb)
                            .withNamespace(namespace)
                            .endResourceAttributes()
                            .endSpec()
                            .build())
                    .create());
    return review.getStatus() != null && Boolean.TRUE.equals(review.getStatus().getAllowed());
  }

  private static <T> T ask(String what, Deadline deadline, Supplier<T> call) {
    deadline.check("asking " + what);
    try {
      return call.get();
    } catch (KubernetesClientException e) {
      throw new Unavailable("Cannot ask " + what + ": " + Words.of(e), e);
    }
  }
}
