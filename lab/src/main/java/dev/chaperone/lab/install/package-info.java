/// Chaperone on a lab: its manifests, and the command that starts its functions. Only this package,
/// and those that stand on it, know Chaperone.
@NullMarked
package dev.chaperone.lab.install;

import org.jspecify.annotations.NullMarked;
