package dev.chaperone.lab.nodes;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;

/// Writes images without a container runtime or a registry, in the format that `docker save` writes
/// and every runtime reads.
final class ImageArchive {
  private static final ObjectMapper JSON = new ObjectMapper();

  private ImageArchive() {}

  static void write(List<Image> images, OutputStream out) throws IOException {
    ArrayNode manifest = JSON.createArrayNode();
    Tar tar = new Tar(out);
    for (Image image : images) {
      Layer layer = measure(image);
      String layerFile = layer.digest() + ".tar";
      byte[] config = JSON.writeValueAsBytes(config(image, layer));
      String configFile = HexFormat.of().formatHex(sha256().digest(config)) + ".json";
      tar.add(configFile, config);
      tar.begin(layerFile, layer.size());
      writeLayer(image, out);
      tar.end(layer.size());
      ObjectNode entry = manifest.addObject();
      entry.put("Config", configFile);
      entry.putArray("RepoTags").add(image.name());
      entry.putArray("Layers").add(layerFile);
    }
    tar.add("manifest.json", JSON.writeValueAsBytes(manifest));
    tar.finish();
  }

  private record Layer(String digest, long size) {}

  private static Layer measure(Image image) throws IOException {
    MessageDigest digest = sha256();
    long[] size = {0};
    try (OutputStream counted =
        new DigestOutputStream(OutputStream.nullOutputStream(), digest) {
          @Override
          public void write(byte[] bytes, int from, int length) throws IOException {
            size[0] += length;
            super.write(bytes, from, length);
          }
        }) {
      writeLayer(image, counted);
    }
    return new Layer(HexFormat.of().formatHex(digest.digest()), size[0]);
  }

  private static void writeLayer(Image image, OutputStream out) throws IOException {
    Tar tar = new Tar(out);
    tar.addFolder("tmp", 0_1777);
    tar.addFolder("etc", 0_755);
    tar.add(
        "etc/passwd",
        "root:x:0:0::/:\nnobody:x:65532:65532::/:\n".getBytes(StandardCharsets.UTF_8));
    for (Map.Entry<String, Path> file : image.files().entrySet()) {
      tar.add(file.getKey().substring(1), file.getValue());
    }
    tar.finish();
  }

  private static ObjectNode config(Image image, Layer layer) {
    ObjectNode config = JSON.createObjectNode();
    config.put("architecture", "amd64").put("os", "linux").put("created", "1970-01-01T00:00:00Z");
    ObjectNode run = config.putObject("config");
    run.put("User", image.user()).put("WorkingDir", "/");
    image.environment().forEach(run.putArray("Env")::add);
    image.entrypoint().forEach(run.putArray("Entrypoint")::add);
    config
        .putObject("rootfs")
        .put("type", "layers")
        .putArray("diff_ids")
        .add("sha256:" + layer.digest());
    config.putArray("history").addObject().put("created_by", "the lab");
    return config;
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("Every Java has SHA-256", e);
    }
  }

  /// As much of tar as an image needs: the same bytes for the same files, whoever owns them here.
  private static final class Tar {
    private static final int BLOCK = 512;
    private static final int NAME = 100;

    private final OutputStream out;

    Tar(OutputStream out) {
      this.out = out;
    }

    void add(String name, byte[] bytes) throws IOException {
      begin(name, bytes.length);
      out.write(bytes, 0, bytes.length);
      end(bytes.length);
    }

    void add(String name, Path file) throws IOException {
      long size = Files.size(file);
      header(name, size, Files.isExecutable(file) ? 0_755 : 0_644, '0');
      Files.copy(file, out);
      end(size);
    }

    void addFolder(String name, int mode) throws IOException {
      header(name + "/", 0, mode, '5');
    }

    /// What follows is written by the caller.
    void begin(String name, long size) throws IOException {
      header(name, size, 0_644, '0');
    }

    void end(long size) throws IOException {
      pad((int) ((BLOCK - size % BLOCK) % BLOCK));
    }

    void finish() throws IOException {
      pad(2 * BLOCK);
    }

    private void pad(int zeros) throws IOException {
      out.write(new byte[zeros], 0, zeros);
    }

    private void header(String name, long size, int mode, char type) throws IOException {
      byte[] header = new byte[BLOCK];
      if (name.length() > NAME) {
        throw new IOException(name + " is longer than tar's first format takes");
      }
      put(header, 0, name);
      put(header, 100, "%07o".formatted(mode));
      put(header, 108, "0000000");
      put(header, 116, "0000000");
      put(header, 124, "%011o".formatted(size));
      put(header, 136, "00000000000");
      put(header, 148, "        ");
      header[156] = (byte) type;
      put(header, 257, "ustar\00000");
      int sum = 0;
      for (byte each : header) {
        sum += each & 0xff;
      }
      put(header, 148, "%06o\000".formatted(sum));
      out.write(header, 0, BLOCK);
    }

    private static void put(byte[] header, int at, String text) {
      byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
      System.arraycopy(bytes, 0, header, at, bytes.length);
    }
  }
}
