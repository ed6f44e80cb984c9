package dev.chaperone.it;

import dev.chaperone.api.Hold;
import dev.chaperone.lab.Lab;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Which Holds of a namespace said at which moment that they are enforced, as the API server's own
/// watch tells it.
final class HoldHistory implements AutoCloseable, Watcher<Hold> {
  private final List<Version> versions = new ArrayList<>();
  private final Watch watch;
  private boolean broken;

  HoldHistory(Lab lab, String namespace) {
    this.watch = lab.client().resources(Hold.class).inNamespace(namespace).watch(this);
  }

  /// @param revision of the whole cluster, which orders versions of different objects
  /// @param enforced false also for one that is deleted, and for one of one node
  private record Version(String name, String uid, long revision, boolean enforced) {}

  @Override
  public synchronized void eventReceived(Action action, Hold seen) {
    boolean enforced =
        action != Action.DELETED
            && seen.getSpec().nodeName() == null
            && seen.getStatus() != null
            && seen.getStatus().conditions() != null
            && seen.getStatus().conditions().stream()
                .anyMatch(it -> it.getType().equals("Enforced") && it.getStatus().equals("True"));
    versions.add(
        new Version(
            seen.getMetadata().getName(),
            seen.getMetadata().getUid(),
            Long.parseLong(seen.getMetadata().getResourceVersion()),
            enforced));
  }

  @Override
  public synchronized void onClose(WatcherException cause) {
    broken = true;
  }

  /// Names of the Holds that said so at this revision of the cluster.
  synchronized List<String> enforcedAt(long revision) {
    if (broken) {
      throw new AssertionError("the watch of the Holds broke off");
    }
    Map<String, Version> last = new HashMap<>();
    versions.stream().filter(it -> it.revision() < revision).forEach(it -> last.put(it.uid(), it));
    return last.values().stream().filter(Version::enforced).map(Version::name).sorted().toList();
  }

  /// Forgets what is older than the present state.
  synchronized void forget() {
    Map<String, Version> last = new HashMap<>();
    versions.forEach(it -> last.put(it.uid(), it));
    versions.clear();
    last.values().stream().filter(Version::enforced).forEach(versions::add);
  }

  @Override
  public void close() {
    watch.close();
  }
}
