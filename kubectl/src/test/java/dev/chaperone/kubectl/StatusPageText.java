package dev.chaperone.kubectl;

import dev.chaperone.lab.programs.LabFailure;
import java.io.IOException;
import java.io.StringReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import javax.xml.xpath.XPath;
import javax.xml.xpath.XPathConstants;
import javax.xml.xpath.XPathExpressionException;
import javax.xml.xpath.XPathFactory;
import org.w3c.dom.Document;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;
import org.xml.sax.SAXException;

/// What the functions' status page says, as somebody reads it, but for how long ago that was.
final class StatusPageText {
  private static final int OK = 200;
  private static final XPath XPATH = XPathFactory.newInstance().newXPath();

  private final Document page;

  private StatusPageText(Document page) {
    this.page = page;
  }

  /// Empty while there are too many at once.
  static Optional<StatusPageText> load(URI functions, String token) {
    try (HttpClient client = HttpClient.newHttpClient()) {
      HttpResponse<String> answer =
          client.send(
              HttpRequest.newBuilder(functions).header("Authorization", "Bearer " + token).build(),
              BodyHandlers.ofString());
      return answer.statusCode() == OK ? Optional.of(of(answer.body())) : Optional.empty();
    } catch (IOException e) {
      throw new LabFailure("no status page: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new LabFailure("interrupted while the status page was loaded", e);
    }
  }

  private static StatusPageText of(String html) {
    try {
      return new StatusPageText(
          DocumentBuilderFactory.newDefaultInstance()
              .newDocumentBuilder()
              .parse(new InputSource(new StringReader(html))));
    } catch (ParserConfigurationException | SAXException | IOException e) {
      throw new LabFailure("the status page is not well-formed: " + e.getMessage(), e);
    }
  }

  /// What it says of one Companion.
  ///
  /// @param state such as `Blocked Hold`
  /// @param waiting that a drain waits; empty: none does
  /// @param message of the condition, where no reason says it
  /// @param conditions each with its message, such as `Ready True Ready: Placed and guarded`
  record Section(
      String state, String waiting, String message, List<Why> reasons, List<String> conditions) {}

  /// One line of what blocks.
  record Why(String message, String since, String until) {
    @Override
    public String toString() {
      return "%s (Since: %s; Until: %s)".formatted(message, since, until);
    }
  }

  Section companion(String namespace, String name) {
    String article = "//article[@id='companion-%s_%s']".formatted(namespace, name);
    return new Section(
        text(article + "/h3/span[@class='state']")
            + " "
            + text(article + "/h3/span[@class='reason']"),
        text(article + "/p/strong"),
        text(article + "/p[@class='message']"),
        nodes(article + "/table/tbody/tr").stream()
            .map(it -> new Why(text("td[1]", it), text("td[2]", it), text("td[3]", it)))
            .toList(),
        nodes(article + "/details/dl/dt").stream()
            .map(it -> text(".", it) + ": " + text("following-sibling::dd[1]/text()", it))
            .toList());
  }

  /// What it says of a node, for each Companion.
  List<String> node(String name) {
    return nodes("//tr[th='%s']/td/ul/li".formatted(name)).stream()
        .map(it -> text(".", it))
        .toList();
  }

  private String text(String path) {
    return text(path, page);
  }

  private static String text(String path, Node from) {
    return String.join(" ", nodes(path, from).stream().map(StatusPageText::words).toList());
  }

  private static String words(Node node) {
    String all =
        String.join(
            "",
            nodes("descendant-or-self::text()[not(ancestor::*[@class='distance'])]", node).stream()
                .map(Node::getNodeValue)
                .toList());
    return all.replaceAll("\\s+", " ").strip();
  }

  private List<Node> nodes(String path) {
    return nodes(path, page);
  }

  private static List<Node> nodes(String path, Node from) {
    try {
      NodeList found = (NodeList) XPATH.evaluate(path, from, XPathConstants.NODESET);
      return IntStream.range(0, found.getLength()).mapToObj(found::item).toList();
    } catch (XPathExpressionException e) {
      throw new IllegalArgumentException(path, e);
    }
  }
}
