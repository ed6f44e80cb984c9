package dev.chaperone.kubectl;

import io.fabric8.kubernetes.api.model.Status;
import io.fabric8.kubernetes.client.KubernetesClientException;

/// Why a command cannot do what it was asked for. Its message names the object, the cause, and what
/// to do.
final class Problem extends RuntimeException {
  private static final int NO_ANSWER = 0;
  private static final int UNAUTHORIZED = 401;
  static final int FORBIDDEN = 403;
  static final int NOT_FOUND = 404;

  Problem(String message) {
    super(message);
  }

  private Problem(String message, Throwable cause) {
    super(message, cause);
  }

  /// What the API server's answer means to whoever runs the command.
  ///
  /// @param doing such as `list Companions`
  static Problem of(String doing, KubernetesClientException e) {
    String words = words(e);
    int code = e.getStatus() == null ? NO_ANSWER : e.getCode();
    String message =
        switch (code) {
          case UNAUTHORIZED ->
              "Cannot %s: the API server does not accept the credentials of this context. Log in again, or choose another with --context"
                  .formatted(doing);
          case FORBIDDEN ->
              "Cannot %s: %s. Ask an administrator for this right".formatted(doing, words);
          case NOT_FOUND ->
              isOfKind(e.getStatus())
                  ? "Cannot %s: the API server knows no such kind. Is Chaperone installed in this cluster?"
                      .formatted(doing)
                  : "Cannot %s: %s".formatted(doing, words);
          case NO_ANSWER ->
              "Cannot %s: the API server does not answer (%s). Check the cluster, or choose another with --context"
                  .formatted(doing, rootCause(e));
          default -> "Cannot %s: %s".formatted(doing, words);
        };
    return new Problem(message, e);
  }

  /// Whether it is the kind that does not exist, and no object of it.
  private static boolean isOfKind(Status status) {
    return status.getDetails() == null || status.getDetails().getName() == null;
  }

  /// What the API server itself says.
  static String words(KubernetesClientException e) {
    return e.getStatus() != null && e.getStatus().getMessage() != null
        ? e.getStatus().getMessage()
        : String.valueOf(e.getMessage());
  }

  private static String rootCause(Throwable e) {
    Throwable root = e;
    while (root.getCause() != null && root.getCause() != root) {
      root = root.getCause();
    }
    return root.getMessage() == null ? root.getClass().getSimpleName() : root.getMessage();
  }
}
