package dev.chaperone.it;

import io.quarkus.test.junit.QuarkusTestProfile;
import java.util.List;
import java.util.Map;

/// A profile whose tests have a lab that others do not share.
interface OnItsOwnLab extends QuarkusTestProfile {
  /// What makes it another one, as [OnTheLab#init] takes it.
  Map<String, String> lab();

  @Override
  default boolean disableGlobalTestResources() {
    return true;
  }

  @Override
  default List<TestResourceEntry> testResources() {
    return List.of(new TestResourceEntry(OnTheLab.class, lab()));
  }
}
