@NullMarked
package dev.chaperone.decide;

import org.jspecify.annotations.NullMarked;
