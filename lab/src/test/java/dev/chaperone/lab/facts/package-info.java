@NullMarked
package dev.chaperone.lab.facts;

import org.jspecify.annotations.NullMarked;
