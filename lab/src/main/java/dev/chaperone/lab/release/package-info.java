/// What users install without a checkout, made from `knative/`, `triggers/` and
/// `reflectors/manifests` as kubectl renders them: one file, and a Helm chart; for route reflectors
/// a file of its own.
@NullMarked
package dev.chaperone.lab.release;

import org.jspecify.annotations.NullMarked;
