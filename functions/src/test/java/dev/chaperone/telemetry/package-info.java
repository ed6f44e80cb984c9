@NullMarked
package dev.chaperone.telemetry;

import org.jspecify.annotations.NullMarked;
