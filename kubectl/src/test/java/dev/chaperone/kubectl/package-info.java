@NullMarked
package dev.chaperone.kubectl;

import org.jspecify.annotations.NullMarked;
