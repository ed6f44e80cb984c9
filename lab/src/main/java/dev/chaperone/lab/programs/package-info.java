/// Programs: built once per machine from pinned Go modules, or found on the machine, and their
/// processes, none of which outlives the JVM that started it. It knows no cluster.
@NullMarked
package dev.chaperone.lab.programs;

import org.jspecify.annotations.NullMarked;
