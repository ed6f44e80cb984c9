@NullMarked
package dev.chaperone.lab.programs;

import org.jspecify.annotations.NullMarked;
