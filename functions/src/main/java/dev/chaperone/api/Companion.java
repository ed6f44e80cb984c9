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
import io.fabric8.kubernetes.model.annotation.ShortNames;
import io.fabric8.kubernetes.model.annotation.Version;
import java.util.Optional;

/// Asks for a companion beside every pod of the target DaemonSet, and for drains and evictions to
/// wait while a [Hold] says so. Whatever Chaperone makes for it lives in its namespace, is named
/// after it, and is deleted with it.
///
/// Its name has at most 50 characters, because guard pods carry it as a label and in front of their
/// own names.
@Group("chaperone.dev")
@Version("v1alpha1")
@ShortNames("comp")
@Categories("chaperone")
@AdditionalPrinterColumn(
    name = "Target",
    jsonPath = ".spec.targetRef.name",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Ready",
    jsonPath = ".status.conditions[?(@.type==\"Ready\")].status",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Allowed",
    jsonPath = ".status.conditions[?(@.type==\"DisruptionAllowed\")].status",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Reason",
    jsonPath = ".status.conditions[?(@.type==\"DisruptionAllowed\")].reason",
    type = AdditionalPrinterColumn.Type.STRING)
@AdditionalPrinterColumn(
    name = "Guards",
    jsonPath = ".status.guards.running",
    type = AdditionalPrinterColumn.Type.INTEGER)
@AdditionalPrinterColumn(
    name = "Nodes",
    jsonPath = ".status.guards.desired",
    type = AdditionalPrinterColumn.Type.INTEGER)
@AdditionalPrinterColumn(
    name = "Message",
    jsonPath = ".status.conditions[?(@.type==\"DisruptionAllowed\")].message",
    type = AdditionalPrinterColumn.Type.STRING,
    priority = 1)
@AdditionalPrinterColumn(
    name = "Age",
    jsonPath = ".metadata.creationTimestamp",
    type = AdditionalPrinterColumn.Type.DATE)
@AdditionalSelectableField(jsonPath = ".spec.targetRef.name")
@AdditionalSelectableField(jsonPath = ".spec.followerRef.name")
@ValidationRule(
    value = "size(self.metadata.name) <= 50",
    message = "metadata.name is too long: write at most 50 characters")
@ValidationRule(
    value = "has(self.spec)",
    message = "spec is missing: write at least spec.targetRef.name, the DaemonSet to follow")
public class Companion extends CustomResource<CompanionSpec, CompanionStatus>
    implements Namespaced {
  private static final int MAX_WORDS = 300;

  private String unreadable = "spec is missing";

  /// Why there is no spec, for people; empty: there is one. The rules of the CRD refuse what cannot
  /// be read, but may be newer than an object, or older than this version.
  public Optional<String> whyUnreadable() {
    return getSpec() == null ? Optional.of(unreadable) : Optional.empty();
  }

  /// Leaves no spec where it cannot be read.
  @JsonSetter("spec")
  void readSpec(JsonNode spec) {
    try {
      setSpec(Lenient.read(spec, CompanionSpec.class));
    } catch (JsonProcessingException e) {
      String words = String.valueOf(e.getOriginalMessage());
      unreadable = words.length() <= MAX_WORDS ? words : words.substring(0, MAX_WORDS) + "…";
    }
  }

  /// Leaves no status where it cannot be read: nothing is then known of what was before.
  @JsonSetter("status")
  void readStatus(JsonNode status) {
    setStatus(Lenient.readOrNull(status, CompanionStatus.class));
  }
}
