/// The benchmark: Chaperone's functions beside an operator that does the same core the usual way,
/// on the same real control plane, in the same run.
///
/// A figure is printed only if what was measured also did the right thing.
@NullMarked
package dev.chaperone.lab.bench;

import org.jspecify.annotations.NullMarked;
