package dev.chaperone.cluster;

import java.util.regex.Pattern;

/// What may stand between two slashes of a request's path: the client puts names there as they are,
/// and one with a question mark would ask for something else.
final class PathName {
  /// Every name that the API server lets an object have, but for those with characters that a URL
  /// would have to escape; nobody uses them.
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][-A-Za-z0-9._:]{0,252}");

  private PathName() {}

  static boolean isOne(String name) {
    return NAME.matcher(name).matches();
  }
}
