package dev.chaperone.it;

import dev.chaperone.lab.Lab;
import dev.chaperone.lab.controlplane.Features;
import dev.chaperone.lab.install.Chaperone;
import dev.chaperone.lab.programs.LoopbackPort;
import io.quarkus.test.common.QuarkusTestResourceLifecycleManager;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// One lab for all integration tests, with Chaperone installed from the very files that users
/// install, and the functions running as the ServiceAccount that they have there.
public class OnTheLab implements QuarkusTestResourceLifecycleManager {
  private static final Path HOME = Path.of(System.getProperty("chaperone.home"));

  private static final String KUBECONFIG = "kubeconfig";

  private String serviceAccount = "functions";
  private Features features = Features.NONE;

  private @Nullable Lab lab;
  private int port;

  /// @param args `serviceAccount`: as whom, if not as the functions; `gates` and `apis`: what
  ///     Kubernetes leaves off, names with commas between
  @Override
  public void init(Map<String, String> args) {
    serviceAccount = args.getOrDefault("serviceAccount", serviceAccount);
    features = new Features(names(args.get("gates")), names(args.get("apis")));
  }

  private static List<String> names(@Nullable String list) {
    return list == null ? List.of() : List.of(list.split(","));
  }

  @Override
  public Map<String, String> start() {
    lab = Lab.start(features);
    Chaperone.installTypesAndRights(lab, HOME);
    port = LoopbackPort.free().number();
    // As by KUBECONFIG; Quarkus' own settings for it are fixed when it is built.
    System.setProperty(KUBECONFIG, lab.kubeconfig("chaperone", serviceAccount).toString());
    return Map.of("quarkus.http.test-port", String.valueOf(port));
  }

  @Override
  public void inject(TestInjector injector) {
    Installation installation =
        new Installation(
            Objects.requireNonNull(lab),
            URI.create("http://127.0.0.1:" + port + "/"),
            HOME.resolve("triggers/base/sources.yaml"));
    injector.injectIntoFields(installation, new TestInjector.MatchesType(Installation.class));
  }

  @Override
  public void stop() {
    System.clearProperty(KUBECONFIG);
    if (lab != null) {
      lab.close();
    }
  }
}
