@NullMarked
package dev.chaperone.page;

import org.jspecify.annotations.NullMarked;
