/// Labs for JUnit.
@NullMarked
package dev.chaperone.lab.junit;

import org.jspecify.annotations.NullMarked;
