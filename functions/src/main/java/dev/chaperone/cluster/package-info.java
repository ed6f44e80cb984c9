/// The only place that talks to the API server: everything a decision depends on is read here,
/// once, and everything it asks for is written here, once. What this package throws is about the
/// cluster, never about a user's input.
@NullMarked
package dev.chaperone.cluster;

import org.jspecify.annotations.NullMarked;
