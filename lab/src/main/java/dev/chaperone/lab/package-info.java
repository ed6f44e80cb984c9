/// A real Kubernetes cluster on the developer's own machine, without containers: real etcd, API
/// server, controller manager and scheduler, with KWOK playing the kubelets.
@NullMarked
package dev.chaperone.lab;

import org.jspecify.annotations.NullMarked;
