/// Karpenter for a lab: the real one, with nodes that KWOK plays.
@NullMarked
package dev.chaperone.lab.autoscaler;

import org.jspecify.annotations.NullMarked;
