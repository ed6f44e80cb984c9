/// Events that are signed by somebody without an identity in the cluster. Pure: an event and a key
/// in, true or false out. By itself, so that nothing of it is loaded for an event without a
/// signature.
@NullMarked
package dev.chaperone.signature;

import org.jspecify.annotations.NullMarked;
