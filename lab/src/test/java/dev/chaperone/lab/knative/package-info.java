@NullMarked
package dev.chaperone.lab.knative;

import org.jspecify.annotations.NullMarked;
