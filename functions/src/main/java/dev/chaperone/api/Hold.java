package dev.chaperone.api;

import com.fasterxml.jackson.annotation.JsonSetter;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.fabric8.crd.generator.annotation.AdditionalPrinterColumn;
import io.fabric8.crd.generator.annotation.AdditionalSelectableField;
import io.fabric8.generator.annotation.ValidationRule;
import io.fabric8.kubernetes.api.model.Namespaced;
import io.fabric8.kubernetes.client.CustomResource;
import io.fabric8.kubernetes.model.annotation.Categories;
import io.fabric8.kubernetes.model.annotation.Group;
import io.fabric8.kubernetes.model.annotation.Version;

/// A reason to keep the budgets of a [Companion] in the same namespace closed, for as long as it
/// exists and has not expired. Written by people, by GitOps, by every user with the right to create
/// `holds`.
@Group("chaperone.dev")
@Version("v1alpha1")
@Categories("chaperone")
@AdditionalPrinterColumn(
    name = "Companion",
    jsonPath = ".spec.companionRef.name",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Node",
    jsonPath = ".spec.nodeName",
    type = AdditionalPrinterColumn.Type.STRING,
    priority = 1)
@AdditionalPrinterColumn(
    name = "Node-Selector",
    jsonPath = ".spec.nodeSelector",
    type = AdditionalPrinterColumn.Type.STRING,
    priority = 1)
@AdditionalPrinterColumn(
    name = "Active",
    jsonPath = ".status.conditions[?(@.type==\"Active\")].status",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Enforced",
    jsonPath = ".status.conditions[?(@.type==\"Enforced\")].status",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Reason",
    jsonPath = ".spec.reason",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Expires",
    jsonPath = ".spec.expiresAt",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Message",
    jsonPath = ".status.conditions[?(@.type==\"Enforced\")].message",
    type = AdditionalPrinterColumn.Type.STRING,
    priority = 1)
@AdditionalPrinterColumn(
    name = "Age",
    jsonPath = ".metadata.creationTimestamp",
    type = AdditionalPrinterColumn.Type.DATE)
@AdditionalSelectableField(jsonPath = ".spec.companionRef.name")
@ValidationRule(
    value = "has(self.spec)",
    message = "spec is missing: write spec.companionRef.name and spec.reason")
public class Hold extends CustomResource<HoldSpec, HoldStatus> implements Namespaced {

  /// One that cannot be read holds until it is deleted: the safe side is closed.
  @JsonSetter("spec")
  void readSpec(JsonNode spec) {
    try {
      setSpec(Lenient.read(spec, HoldSpec.class));
    } catch (JsonProcessingException e) {
      String companion = spec.path("companionRef").path("name").asText();
      setSpec(
          new HoldSpec(
              new HoldSpec.CompanionRef(companion), "its spec cannot be read: correct it", null));
    }
  }

  /// Leaves no status where it cannot be read: it is then written anew.
  @JsonSetter("status")
  void readStatus(JsonNode status) {
    setStatus(Lenient.readOrNull(status, HoldStatus.class));
  }
}
