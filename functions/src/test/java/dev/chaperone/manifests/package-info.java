/// The manifests of `knative/` and `triggers/` as kubectl renders them: that they agree with each
/// other and with the functions, which no API server checks.
@NullMarked
package dev.chaperone.manifests;

import org.jspecify.annotations.NullMarked;
