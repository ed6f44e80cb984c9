/// What stands between programs and a cluster: its DNS and Services, and a proxy that counts calls
/// to the API server and cuts the line.
@NullMarked
package dev.chaperone.lab.net;

import org.jspecify.annotations.NullMarked;
