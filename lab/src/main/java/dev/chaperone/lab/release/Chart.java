package dev.chaperone.lab.release;

import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/// The Helm chart: what `charts/chaperone` has, and the objects of the manifests as templates. They
/// are changed as text, line by line, so that a template reads like the manifest.
record Chart(Release release) {
  private static final Pattern IMAGE =
      Pattern.compile("([a-z0-9][a-z0-9.:/_-]*?)(?::([\\w][\\w.-]*)|@(sha256:[0-9a-f]{64}))");
  private static final Pattern KIND = Pattern.compile("(?m)^kind: (\\w+)$");
  private static final Pattern NAME = Pattern.compile("(?m)^  name: (\\S+)$");
  private static final Pattern RESOURCES =
      Pattern.compile("(?m)^        resources:\\n(?:          .*\\n)+");
  private static final Pattern SERVICE_ACCOUNT =
      Pattern.compile("(?m)^      serviceAccountName: .*$");

  /// The image of guards, in the policy that names it.
  private static final Pattern GUARD_IMAGE =
      Pattern.compile("(?<=''')registry\\.k8s\\.io/pause:\\S+(?=''')");

  private static final String NAMESPACE = "{{ .Release.Namespace }}";
  private static final String QUOTED_NAMESPACE = "{{ .Release.Namespace | quote }}";

  /// Helm makes the namespace, and installs types from a folder of their own, once.
  private static final List<String> NOT_IN_TEMPLATES =
      List.of("Namespace", "CustomResourceDefinition");

  /// Values that say whether objects of a kind are there.
  private static final Map<String, String> SWITCHES =
      Map.of(
          "ValidatingAdmissionPolicy", "policies",
          "ValidatingAdmissionPolicyBinding", "policies",
          "NetworkPolicy", "networkPolicy");

  /// A file of `charts/chaperone`.
  static String file(Path home, String name) {
    try {
      return Files.readString(home.resolve("charts/chaperone").resolve(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  Path write(Path folder) throws IOException {
    delete(folder);
    Path templates = Files.createDirectories(folder.resolve("templates"));
    Path source = release.home().resolve("charts/chaperone");
    try (Stream<Path> files = Files.walk(source)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, folder.resolve(source.relativize(file).toString()));
      }
    }
    nameImageAndVersion(folder);
    Files.writeString(
        Files.createDirectories(folder.resolve("crds")).resolve("crds.yaml"),
        render("knative/crds"));
    Files.writeString(
        templates.resolve("cluster.yaml"),
        template("cluster", "chaperone", render("knative") + "---\n" + render("triggers")));
    Files.writeString(
        templates.resolve("namespace.yaml"),
        template("namespace", "storage", render("knative/overlays/one-namespace")));
    return folder;
  }

  private void nameImageAndVersion(Path folder) throws IOException {
    Matcher image = IMAGE.matcher(release.image());
    if (!image.matches()) {
      throw new LabFailure(
          "The image has to be like name:tag or name@sha256:…, and is " + release.image());
    }
    Path values = folder.resolve("values.yaml");
    Path chart = folder.resolve("Chart.yaml");
    replace(values, "(?m)^  repository: .*$", "  repository: " + image.group(1));
    replace(chart, "(?m)^version: .*$", "version: " + release.version());
    if (image.group(2) != null) {
      replace(chart, "(?m)^appVersion: .*$", "appVersion: \"" + image.group(2) + "\"");
    } else {
      replace(values, "(?m)^  digest: \"\"", "  digest: " + image.group(3));
    }
  }

  private static void replace(Path file, String what, String with) throws IOException {
    String text = Files.readString(file);
    if (!Pattern.compile(what).matcher(text).find()) {
      throw new LabFailure(file + " has no line like " + what);
    }
    Files.writeString(file, text.replaceFirst(what, Matcher.quoteReplacement(with)));
  }

  private String render(String folder) {
    return Kubectl.kustomize(release.home().resolve(folder));
  }

  /// @param scope the value of `scope` with which these objects are there
  /// @param namespace in which the manifests have them
  private static String template(String scope, String namespace, String manifests) {
    String objects =
        Stream.of(manifests.split("(?m)^---\n", -1))
            .filter(it -> !NOT_IN_TEMPLATES.contains(find(KIND, it)))
            .map(it -> template(namespace, it))
            .collect(Collectors.joining());
    return "{{- if eq .Values.scope \"%s\" }}\n%s{{- end }}\n".formatted(scope, objects);
  }

  private static String template(String namespace, String object) {
    // What has a meaning for Helm means itself.
    String text = object.replace("{{", "{{ \"{{\" }}");
    text =
        text.replaceAll(
                "(?m)^( *(?:- )?namespace:) %s$".formatted(namespace), "$1 " + QUOTED_NAMESPACE)
            .replaceAll("(?m)^( +value:) %s$".formatted(namespace), "$1 " + QUOTED_NAMESPACE)
            .replaceAll("(?m)^( +name: \\S+\\.)%s$".formatted(namespace), "$1" + NAMESPACE)
            .replace("serviceaccount:" + namespace + ":", "serviceaccount:" + NAMESPACE + ":")
            .replace("/namespaces/" + namespace + "/", "/namespaces/" + NAMESPACE + "/");
    text =
        GUARD_IMAGE
            .matcher(text)
            .replaceAll(it -> "{{ .Values.guard.image | default \"" + it.group() + "\" }}");
    if (object.startsWith("apiVersion: serving.knative.dev/")) {
      text = service(find(NAME, object), text);
    }
    String enabled = SWITCHES.get(find(KIND, object));
    return enabled == null
        ? "---\n" + text
        : "{{- if .Values.%s.enabled }}\n---\n%s{{- end }}\n".formatted(enabled, text);
  }

  /// A Service of Knative, with the values of its container.
  private static String service(String name, String text) {
    String settings =
        "{{- with include \"chaperone.%s\" . }}\n%%s        {{- . | nindent 8 }}\n{{- end }}\n"
            .formatted(name.equals("functions") ? "functions" : "env");
    String image = "image: {{ include \"chaperone.image\" . | quote }}\n";
    text =
        text.replaceFirst(
            "(?m)^        image: .*\n",
            Matcher.quoteReplacement(settings.formatted("") + "        " + image));
    text =
        text.replaceFirst(
            "(?m)^      - image: .*\n",
            Matcher.quoteReplacement("      - " + image + settings.formatted("        env:\n")));
    text =
        RESOURCES
            .matcher(text)
            .replaceFirst(
                "        resources:\n          {{- toYaml .Values.resources | nindent 10 }}\n");
    return SERVICE_ACCOUNT
        .matcher(text)
        .replaceFirst(
            """
            {{- with .Values.image.pullSecrets }}
                  imagePullSecrets:
                  {{- range . }}
                  - name: {{ . }}
                  {{- end }}
            {{- end }}
            $0""");
  }

  private static String find(Pattern pattern, String text) {
    Matcher matcher = pattern.matcher(text);
    if (!matcher.find()) {
      throw new LabFailure("No " + pattern + " in " + text);
    }
    return matcher.group(1);
  }

  private static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }
}
