/// `kubectl chaperone`: says what blocks a drain, and places and releases Holds, with the rights of
/// whoever runs it. It talks to the API server alone; nothing in the cluster is there for it.
///
/// What a drain meets is asked of the API server by dry runs, never guessed. What Chaperone says of
/// it is in the words of the Companion's status.
@NullMarked
package dev.chaperone.kubectl;

import org.jspecify.annotations.NullMarked;
