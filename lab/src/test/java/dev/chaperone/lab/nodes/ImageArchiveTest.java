package dev.chaperone.lab.nodes;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What this system's own tar makes of it.
class ImageArchiveTest {
  @TempDir private Path folder;

  @Test
  void each_layer_is_what_its_digest_says_and_has_the_files() throws Exception {
    Path program = Files.writeString(folder.resolve("program"), "#!/bin/true\n");
    assertThat(program.toFile().setExecutable(true)).isTrue();
    Path archive = folder.resolve("image.tar");
    Files.write(archive, archive(Image.ofProgram("dev.local/a:1", program, "serve")));

    Path image = extract(archive, "image");
    JsonNode manifest = json(image.resolve("manifest.json")).get(0);
    JsonNode config = json(image.resolve(manifest.path("Config").asText()));
    Path layer = image.resolve(manifest.at("/Layers/0").asText());

    assertThat(manifest.at("/RepoTags/0").asText()).isEqualTo("dev.local/a:1");
    assertThat(config.at("/config/Entrypoint").toString())
        .isEqualTo("[\"/app/program\",\"serve\"]");
    assertThat(config.at("/config/User").asText()).isEqualTo("65532");
    assertThat(config.at("/rootfs/diff_ids/0").asText()).isEqualTo("sha256:" + sha256(layer));
    Path root = extract(layer, "root");
    assertThat(root.resolve("app/program")).hasSameBinaryContentAs(program).isExecutable();
    assertThat(root.resolve("tmp")).isDirectory();
  }

  @Test
  void the_same_files_make_the_same_bytes() throws IOException {
    Path program = Files.writeString(folder.resolve("program"), "a");
    Image image = Image.ofProgram("dev.local/a:1", program);
    byte[] once = archive(image);
    assertThat(program.toFile().setLastModified(0)).isTrue();

    assertThat(archive(image)).isEqualTo(once);
    Files.writeString(program, "b");
    assertThat(archive(image)).isNotEqualTo(once);
  }

  private static byte[] archive(Image image) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ImageArchive.write(List.of(image), out);
    return out.toByteArray();
  }

  private Path extract(Path archive, String to) throws Exception {
    Path target = Files.createDirectory(folder.resolve(to));
    Process tar =
        new ProcessBuilder("tar", "-xf", archive.toString(), "-C", target.toString())
            .inheritIO()
            .start();
    assertThat(tar.waitFor()).isZero();
    return target;
  }

  private static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }

  private static String sha256(Path file) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    return HexFormat.of().formatHex(digest.digest(Files.readAllBytes(file)));
  }
}
