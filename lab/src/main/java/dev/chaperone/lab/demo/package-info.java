/// The main job, end to end, for people to watch.
@NullMarked
package dev.chaperone.lab.demo;

import org.jspecify.annotations.NullMarked;
