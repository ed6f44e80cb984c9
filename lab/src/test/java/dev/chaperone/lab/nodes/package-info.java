@NullMarked
package dev.chaperone.lab.nodes;

import org.jspecify.annotations.NullMarked;
