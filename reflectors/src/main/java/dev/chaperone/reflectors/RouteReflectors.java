package dev.chaperone.reflectors;

import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Plural;
import io.fabric8.kubernetes.model.annotation.Singular;
import io.fabric8.kubernetes.model.annotation.Version;

/// Asks for Calico route reflectors in each zone of the cluster. There is one, and it is called
/// `default`, as Calico's own cluster-wide settings are: every node has one set of BGP sessions.
///
/// Its plural is the one that a source of Knative takes it to have, which asks nobody: another
/// would never be watched. `kubectl get routereflectors` knows the singular as well.
///
/// Deleting it changes nothing: the nodes stay route reflectors, and the BGPPeers stay.
@Group("chaperone.dev")
@Version("v1alpha1")
@Plural("routereflectorses")
@Singular("routereflectors")
@AdditionalPrinterColumn(
    name = "Ready",
    jsonPath = ".status.conditions[?(@.type==\"Ready\")].status",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Reason",
    jsonPath = ".status.conditions[?(@.type==\"Ready\")].reason",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Message",
    jsonPath = ".status.conditions[?(@.type==\"Ready\")].message",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Age",
    jsonPath = ".metadata.creationTimestamp",
    type = AdditionalPrinterColumn.Type.DATE)
@ValidationRule(
    value = "self.metadata.name == 'default'",
    message = "there is one RouteReflectors for each cluster: write metadata.name default")
@ValidationRule(value = "has(self.spec)", message = "spec is missing: write at least spec: {}")
public class RouteReflectors extends CustomResource<RouteReflectorsSpec, RouteReflectorsStatus> {
  /// What the only one is called.
  public static final String NAME = "default";
}
