/// What should be, decided from what was seen. Pure: no client, no clock, no logger, no state; the
/// same [Snapshot] always gives the same [Decision], so every rule can be read in a table and
/// tested without a cluster.
@NullMarked
package dev.chaperone.decide;

import org.jspecify.annotations.NullMarked;
