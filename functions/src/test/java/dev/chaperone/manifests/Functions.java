package dev.chaperone.manifests;

import dev.chaperone.functions.HealOnPulse;
import io.quarkus.funqy.Funq;
import io.quarkus.funqy.knative.events.CloudEventMapping;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/// The functions that there are, read from the compiled classes as Funqy does.
final class Functions {
  private Functions() {}

  /// The name of each function, by the type of the events that it is called for.
  static Map<String, String> byType() {
    Map<String, String> functions = new TreeMap<>();
    for (Class<?> type : classes()) {
      for (Method method : type.getDeclaredMethods()) {
        Funq function = method.getAnnotation(Funq.class);
        if (function != null) {
          functions.put(
              method.getAnnotation(CloudEventMapping.class).trigger(),
              function.value().isEmpty() ? method.getName() : function.value());
        }
      }
    }
    return functions;
  }

  private static Iterable<Class<?>> classes() {
    Class<?> one = HealOnPulse.class;
    try {
      Path classes = Path.of(one.getProtectionDomain().getCodeSource().getLocation().toURI());
      try (Stream<Path> files =
          Files.list(classes.resolve(one.getPackageName().replace('.', '/')))) {
        return files
            .map(file -> file.getFileName().toString())
            .filter(file -> file.endsWith(".class") && !file.equals("package-info.class"))
            .<Class<?>>map(file -> load(one, file.replace(".class", "")))
            .toList();
      }
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Class<?> load(Class<?> neighbour, String name) {
    try {
      return Class.forName(
          neighbour.getPackageName() + "." + name, false, neighbour.getClassLoader());
    } catch (ClassNotFoundException e) {
      throw new IllegalStateException(e);
    }
  }
}
