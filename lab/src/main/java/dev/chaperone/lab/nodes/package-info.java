/// Real nodes for a lab: containerd, kubelet and kube-proxy in name spaces of this machine, cluster
/// DNS, network policies, and all of Knative in pods. What the rest of the lab plays, these are.
@NullMarked
package dev.chaperone.lab.nodes;

import org.jspecify.annotations.NullMarked;
