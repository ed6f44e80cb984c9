package dev.chaperone.lab.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;

class ChartTest {
  @Test
  void each_value_has_a_bar_and_what_has_no_figure_has_none() throws Exception {
    Chart chart =
        new Chart("Time & space", "ms", List.of("functions", "peer"))
            .group("10 nodes", List.of(1.5, 3.0))
            .group("100 nodes", List.of(2.0, Double.NaN));

    Document svg =
        DocumentBuilderFactory.newInstance()
            .newDocumentBuilder()
            .parse(new ByteArrayInputStream(chart.svg().getBytes(StandardCharsets.UTF_8)));

    // the ground, two in the legend, three values
    assertThat(svg.getElementsByTagName("rect").getLength()).isEqualTo(1 + 2 + 3);
  }
}
