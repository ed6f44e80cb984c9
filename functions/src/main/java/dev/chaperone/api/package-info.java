/// The custom resources that platform teams write: what may be asked of Chaperone and what it
/// answers in their status. Types only, no behaviour: the schema, its defaults and its rules are
/// generated from here into `knative/crds/`, so the API server refuses what these types cannot
/// mean.
@NullMarked
package dev.chaperone.api;

import org.jspecify.annotations.NullMarked;
