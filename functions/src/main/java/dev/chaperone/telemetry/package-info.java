/// What an operator of Chaperone can see of its work: counts and times, and the spans of a trace.
/// Nothing in here decides anything, and where nobody collects spans none is made, nor any class
/// for them loaded, because a start costs more than all the work after it.
@NullMarked
package dev.chaperone.telemetry;

import org.jspecify.annotations.NullMarked;
