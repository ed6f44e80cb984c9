package dev.chaperone.lab.release;

import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The files of a release: `install.yaml`, the folder `chaperone` with the Helm chart, and the
/// folder `schemas` with a JSON schema for each custom resource; [RouteReflectorsYaml] besides.
///
/// @param home the checkout
/// @param image of the functions, `name:tag` or `name@sha256:…`
/// @param version of the chart, a semantic version
public record Release(Path home, String image, String version) {
  private static final Pattern CHART_VERSION = Pattern.compile("(?m)^version: (.*)$");
  private static final List<String> OPTIONS =
      List.of("--image", "--reflectors-image", "--version", "--output");

  private static final String HEADER =
      """
      # Chaperone in one file: what `kubectl apply -k knative/` and `kubectl apply -k triggers/` apply. Knative Serving and
      # Eventing have to be there.
      #
      #   kubectl apply -f install.yaml
      #   kubectl wait -n chaperone --for=condition=Ready --timeout=5m ksvc,broker,trigger,apiserversource,pingsource --all
      #
      # Companions and Holds can be applied once their types are known:
      #
      #   kubectl wait --for=condition=Established crd/companions.chaperone.dev crd/holds.chaperone.dev
      #
      # `kubectl delete -f install.yaml`, before Knative itself goes, takes all Companions and Holds, and with them guards and
      # budgets: drains are free at once.
      """;

  /// Writes a release.
  ///
  /// @param arguments `--image IMAGE`, `--reflectors-image IMAGE`, `--version VERSION`, `--output
  ///     FOLDER`; what is left out is as the checkout says, into `target/release`
  public static void main(String[] arguments) throws IOException {
    Path home = Path.of(System.getProperty("chaperone.home", ".")).toAbsolutePath().normalize();
    Map<String, String> options = options(arguments);
    Release shipped = asShipped(home);
    Release release =
        new Release(
            home,
            options.getOrDefault("--image", shipped.image),
            options.getOrDefault("--version", shipped.version));
    RouteReflectorsYaml reflectors = RouteReflectorsYaml.asShipped(home);
    if (options.containsKey("--reflectors-image")) {
      reflectors = new RouteReflectorsYaml(home, options.get("--reflectors-image"));
    }
    Path output = Path.of(options.getOrDefault("--output", home.resolve("target/release") + ""));
    System.out.println("release: " + release.writeInstallYaml(output));
    System.out.println("release: " + release.writeChart(output));
    System.out.println("release: " + reflectors.write(output));
    release.writeSchemas(output).forEach(it -> System.out.println("release: " + it));
  }

  private static Map<String, String> options(String[] arguments) {
    Map<String, String> options = new TreeMap<>();
    for (int i = 0; i < arguments.length; i += 2) {
      if (!OPTIONS.contains(arguments[i]) || i + 1 == arguments.length) {
        System.err.println(
            "usage: scripts/release [--image IMAGE] [--reflectors-image IMAGE]"
                + " [--version VERSION] [--output FOLDER]");
        System.exit(2);
      }
      options.put(arguments[i], arguments[i + 1]);
    }
    return options;
  }

  /// The release with the image and the version that the checkout names.
  public static Release asShipped(Path home) {
    Matcher version = CHART_VERSION.matcher(Chart.file(home, "Chart.yaml"));
    if (!version.find()) {
      throw new LabFailure("No version in charts/chaperone/Chart.yaml");
    }
    return new Release(home, Rendered.of(home.resolve("knative")).image(), version.group(1));
  }

  /// Writes `install.yaml` into a folder.
  public Path writeInstallYaml(Path folder) throws IOException {
    Rendered manifests = Rendered.of(home.resolve("knative")).with(image);
    Path file = Files.createDirectories(folder).resolve("install.yaml");
    return Files.writeString(
        file, HEADER + manifests.yaml() + "---\n" + Kubectl.kustomize(home.resolve("triggers")));
  }

  /// Writes the chart as a subfolder `chaperone` of a folder, in the place of one that is there.
  ///
  /// @throws LabFailure if the image is not like `name:tag` or `name@sha256:…`
  public Path writeChart(Path folder) throws IOException {
    return new Chart(this).write(folder.resolve("chaperone"));
  }

  /// Writes the JSON schemas into a subfolder `schemas` of a folder.
  public List<Path> writeSchemas(Path folder) throws IOException {
    return new Schemas(home).write(folder.resolve("schemas"));
  }
}
