package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Version;

/// The public key of somebody without an identity in the cluster, and what their signed CloudEvents
/// may ask for in its namespace. Written by whoever may create `holds` there.
@Group("chaperone.dev")
@Version("v1alpha1")
@AdditionalPrinterColumn(
    name = "Algorithm",
    jsonPath = ".spec.algorithm",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Companions",
    jsonPath = ".spec.companions",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "May",
    jsonPath = ".spec.may",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Not After",
    jsonPath = ".spec.notAfter",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Age",
    jsonPath = ".metadata.creationTimestamp",
    type = AdditionalPrinterColumn.Type.DATE)
@ValidationRule(
    value = "has(self.spec)",
    message = "spec is missing: write the key, and what it may ask for")
public class EventKey extends CustomResource<EventKeySpec, EventKeyStatus> implements Namespaced {

  private boolean readable = true;

  /// Whether all of it is understood. One that is not confirms nothing: what it forbids, or which
  /// events it has accepted, may be in what is not.
  public boolean canBeRead() {
    return readable && getSpec() != null;
  }

  /// Leaves no spec where it cannot be read.
  @JsonSetter("spec")
  void readSpec(JsonNode spec) {
    try {
      setSpec(Lenient.read(spec, EventKeySpec.class));
    } catch (JsonProcessingException e) {
      readable = false;
    }
  }

  /// Leaves no status where it cannot be read.
  @JsonSetter("status")
  void readStatus(JsonNode status) {
    try {
      setStatus(Lenient.read(status, EventKeyStatus.class));
    } catch (JsonProcessingException e) {
      readable = false;
    }
  }
}
