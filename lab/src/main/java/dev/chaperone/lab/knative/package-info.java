/// Knative on a lab: Eventing with every part a process of its own, an ApiServerSource alone, and a
/// stand-in for Serving.
@NullMarked
package dev.chaperone.lab.knative;

import org.jspecify.annotations.NullMarked;
