/// The functions on a real control plane, under the rights that `knative/` gives them: tests write
/// objects and post events as users do, and look at what the cluster then is.
@NullMarked
package dev.chaperone.it;

import org.jspecify.annotations.NullMarked;
