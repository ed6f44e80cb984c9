/// The control plane: etcd, API server, controller manager and scheduler, KWOK in place of the
/// kubelets, who may talk to them, and what the API server was asked.
@NullMarked
package dev.chaperone.lab.controlplane;

import org.jspecify.annotations.NullMarked;
