@NullMarked
package dev.chaperone.lab.net;

import org.jspecify.annotations.NullMarked;
