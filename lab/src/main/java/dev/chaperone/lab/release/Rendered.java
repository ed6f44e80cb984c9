package dev.chaperone.lab.release;

import dev.chaperone.lab.programs.Kubectl;
import dev.chaperone.lab.programs.LabFailure;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What kubectl renders of a folder whose Services all run the same image.
record Rendered(String yaml) {
  private static final Pattern IMAGE = Pattern.compile("(?m)^ +(?:- )?image: (\\S+)$");

  static Rendered of(Path folder) {
    return new Rendered(Kubectl.kustomize(folder));
  }

  /// The image that they run.
  ///
  /// @throws LabFailure if there is none
  String image() {
    Matcher image = IMAGE.matcher(yaml);
    if (!image.find()) {
      throw new LabFailure("No image in " + yaml);
    }
    return image.group(1);
  }

  /// The same with another image.
  Rendered with(String image) {
    return new Rendered(
        IMAGE.matcher(yaml).replaceAll(it -> it.group().replace(it.group(1), image)));
  }
}
