/// The status page, which answers `GET /` where the installation wants it: what the statuses of the
/// Companions say, on one screen, for people. It decides nothing and writes nothing, and nothing of
/// it but its route is loaded before somebody asks for it, because a start costs more than all the
/// work after it.
@NullMarked
package dev.chaperone.page;

import org.jspecify.annotations.NullMarked;
