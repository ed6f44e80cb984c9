package dev.chaperone.cluster;

import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.KubernetesResourceList;
import io.fabric8.kubernetes.api.model.ListOptions;
import io.fabric8.kubernetes.api.model.ListOptionsBuilder;
import io.fabric8.kubernetes.client.dsl.FilterWatchListDeletable;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// What a list gave, read page by page, so that only one page is ever in memory as it came.
///
/// @param resourceVersion the state of the cluster that it shows
record Listing<T>(List<T> items, String resourceVersion) {
  private static final long PAGE = 500;

  /// No more than one page.
  static ListOptions onePage() {
    return atMost(PAGE);
  }

  /// No more than so many.
  static ListOptions atMost(long some) {
    return new ListOptionsBuilder().withLimit(some).build();
  }

  /// Everything that the query finds now.
  static <T extends HasMetadata, L extends KubernetesResourceList<T>> Listing<T> of(
      FilterWatchListDeletable<T, L, ?> query) {
    return of(query, null, Function.identity());
  }

  /// Everything that the query finds.
  ///
  /// @param atLeast a resourceVersion of objects of the same kind: the answer shows this state or
  ///     a newer one, and comes at once where the API server has it at hand; absent: the state now,
  ///     for which the API server may first have to wait
  /// @param keep what is kept of each
  static <R extends HasMetadata, T, L extends KubernetesResourceList<R>> Listing<T> of(
      FilterWatchListDeletable<R, L, ?> query, @Nullable String atLeast, Function<R, T> keep) {
    return of(query, atLeast, _ -> true, keep);
  }

  /// The same, but for those that are not wanted, which no query can leave out.
  static <R extends HasMetadata, T, L extends KubernetesResourceList<R>> Listing<T> of(
      FilterWatchListDeletable<R, L, ?> query,
      @Nullable String atLeast,
      Predicate<R> wanted,
      Function<R, T> keep) {
    List<T> items = new ArrayList<>();
    ListOptionsBuilder first = new ListOptionsBuilder().withLimit(PAGE);
    if (atLeast != null) {
      first.withResourceVersion(atLeast).withResourceVersionMatch("NotOlderThan");
    }
    ListOptions next = first.build();
    String resourceVersion = "";
    do {
      L page = query.list(next);
      page.getItems().stream().filter(wanted).map(keep).forEach(items::add);
      resourceVersion = page.getMetadata().getResourceVersion();
      next =
          new ListOptionsBuilder()
              .withLimit(PAGE)
              .withContinue(page.getMetadata().getContinue())
              .build();
    } while (next.getContinue() != null && !next.getContinue().isEmpty());
    return new Listing<>(items, resourceVersion);
  }
}
