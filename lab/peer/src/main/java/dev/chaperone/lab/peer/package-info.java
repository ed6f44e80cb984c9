/// What Chaperone is measured against: the same core written the usual way, as a long-running
/// operator on the Java Operator SDK, with informers for everything it looks at.
///
/// It follows that project's own advice: indexed informers with label selectors and paged lists,
/// caches that keep only what is read, event filters, no polling, server-side apply with the SDK's
/// matcher. It is no product: expressions, windows, settling, signals and Kubernetes Events are
/// left out, which only makes it faster.
@NullMarked
package dev.chaperone.lab.peer;

import org.jspecify.annotations.NullMarked;
