/// A lab from the command line.
@NullMarked
package dev.chaperone.lab.cli;

import org.jspecify.annotations.NullMarked;
