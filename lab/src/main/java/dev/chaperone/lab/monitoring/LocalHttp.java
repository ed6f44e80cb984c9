package dev.chaperone.lab.monitoring;

import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;

/// What one server of the lab answers.
///
/// @param server its name, for messages
/// @param root where it listens
record LocalHttp(String server, URI root) {
  private static final int HTTP_OK = 200;
  private static final Duration ANSWER = Duration.ofSeconds(5);
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  /// Whether it answers this path with 200 now.
  boolean answers(String path) {
    try {
      return ask(request(path)).statusCode() == HTTP_OK;
    } catch (IOException notYet) {
      return false;
    }
  }

  /// @param path with its query, encoded
  /// @throws LabFailure if it answers anything but 200
  String get(String path) {
    return orFail(request(path));
  }

  /// @param json what is posted
  /// @throws LabFailure if it answers anything but 200
  String post(String path, String json) {
    return orFail(
        request(path)
            .header("content-type", "application/json")
            .POST(BodyPublishers.ofString(json)));
  }

  private HttpRequest.Builder request(String path) {
    return HttpRequest.newBuilder(root.resolve(path)).timeout(ANSWER);
  }

  private String orFail(HttpRequest.Builder request) {
    URI asked = request.build().uri();
    try {
      HttpResponse<String> answer = ask(request);
      if (answer.statusCode() != HTTP_OK) {
        throw new LabFailure(
            "%s answered %s with %d: %s"
                .formatted(server, asked, answer.statusCode(), answer.body()));
      }
      return answer.body();
    } catch (IOException e) {
      throw new LabFailure(server + " does not answer " + asked, e);
    }
  }

  private HttpResponse<String> ask(HttpRequest.Builder request) throws IOException {
    try {
      return HTTP.send(request.build(), BodyHandlers.ofString());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("Interrupted while asking " + server, e);
    }
  }
}
