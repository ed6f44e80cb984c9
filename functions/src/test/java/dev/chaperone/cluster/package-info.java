@NullMarked
package dev.chaperone.cluster;

import org.jspecify.annotations.NullMarked;
