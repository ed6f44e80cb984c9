@NullMarked
package dev.chaperone.reflectors;

import org.jspecify.annotations.NullMarked;
