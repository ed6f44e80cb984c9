/// What users install without a checkout, made from `knative/` and `triggers/` as kubectl renders
/// them: one file, and a Helm chart.
@NullMarked
package dev.chaperone.lab.release;

import org.jspecify.annotations.NullMarked;
