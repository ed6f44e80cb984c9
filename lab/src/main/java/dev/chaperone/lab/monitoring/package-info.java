/// What watches a cluster: kube-state-metrics, Prometheus and Alertmanager.
@NullMarked
package dev.chaperone.lab.monitoring;

import org.jspecify.annotations.NullMarked;
