/// The least that a function costs, to measure Chaperone's against: the same framework, in the same
/// packaging, without any work.
@NullMarked
package dev.chaperone.floor;

import org.jspecify.annotations.NullMarked;
