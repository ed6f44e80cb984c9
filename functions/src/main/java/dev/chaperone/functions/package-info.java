/// The functions: one class for each kind of event, named for what it does. No rule is in here: an
/// event says where to look, [Reconciler] looks, decides and writes, and [Replies] says what
/// turned.
@NullMarked
package dev.chaperone.functions;

import org.jspecify.annotations.NullMarked;
