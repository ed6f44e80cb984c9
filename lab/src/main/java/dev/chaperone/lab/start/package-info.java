/// Cold starts: how long one takes from nothing to an answered event, and the training that makes
/// it short. Functions that end between events pay this time again and again.
@NullMarked
package dev.chaperone.lab.start;

import org.jspecify.annotations.NullMarked;
