@NullMarked
package dev.chaperone.lab;

import org.jspecify.annotations.NullMarked;
