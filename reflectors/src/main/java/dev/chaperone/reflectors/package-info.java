/// Keeps a topology of Calico route reflectors: so many nodes of each zone are route reflectors,
/// and each node has sessions with at least two of them, also while they change.
///
/// One event, one look: [TopologyReader] reads everything live into a [Snapshot], [TopologyPlan]
/// decides without client, clock or logger, and [TopologyWriter] writes the [Change]s in their
/// order. Nothing is remembered between events, so a process that is killed between any two writes
/// costs time only.
@NullMarked
package dev.chaperone.reflectors;

import org.jspecify.annotations.NullMarked;
