/// The documentation, held against what it documents: pages that are generated from the code, and
/// links that lead somewhere. `-Ddocs.write=true` writes what is generated.
@NullMarked
package dev.chaperone.docs;

import org.jspecify.annotations.NullMarked;
