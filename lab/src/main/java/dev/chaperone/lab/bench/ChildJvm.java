package dev.chaperone.lab.bench;

import com.sun.tools.attach.AttachNotSupportedException;
import com.sun.tools.attach.VirtualMachine;
import dev.chaperone.lab.programs.WithParent;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import javax.management.JMException;
import javax.management.ObjectName;
import javax.management.remote.JMXConnector;
import javax.management.remote.JMXConnectorFactory;
import javax.management.remote.JMXServiceURL;

/// A Java program under measurement, and what Linux and its own JVM tell of it. Ends with this JVM,
/// however that ends.
final class ChildJvm implements AutoCloseable {
  private static final Duration STARTS = Duration.ofSeconds(20);
  private static final Duration ENDS = Duration.ofSeconds(10);

  private final Process parent;
  private final ProcessHandle child;

  private ChildJvm(Process parent, ProcessHandle child) {
    this.parent = parent;
    this.child = child;
  }

  static ChildJvm start(List<String> command, Map<String, String> environment, Path log) {
    ProcessBuilder builder = new ProcessBuilder(WithParent.command(command));
    builder.environment().putAll(environment);
    builder.redirectErrorStream(true);
    builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    try {
      Process parent = builder.start();
      Wait.until(
          "the process of " + log.getFileName(),
          STARTS,
          () -> parent.children().findAny().isPresent(),
          () -> parent.isAlive() ? "starting" : "ended");
      return new ChildJvm(parent, parent.children().findAny().orElseThrow());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  boolean isAlive() {
    return child.isAlive();
  }

  long residentKib() {
    return residentKib(child);
  }

  /// Of any process.
  ///
  /// @throws WrongResult if it has ended
  static long residentKib(ProcessHandle process) {
    return memory(process, "VmRSS");
  }

  /// The most memory it had since the last [#forgetPeak()].
  long peakKib() {
    return memory(child, "VmHWM");
  }

  void forgetPeak() {
    try {
      Files.writeString(proc(child, "clear_refs"), "5");
    } catch (IOException e) {
      throw ended(child);
    }
  }

  /// User and system time of all its threads so far.
  Duration cpu() {
    return child.info().totalCpuDuration().orElseThrow(() -> ended(child));
  }

  /// Bytes that all its threads have allocated so far. The first call loads JMX into it, which
  /// costs it some memory for good.
  @SuppressWarnings("BanJNDI") // the address comes from a process of our own
  long allocated() {
    try {
      VirtualMachine machine = VirtualMachine.attach(Long.toString(child.pid()));
      String address;
      try {
        address = machine.startLocalManagementAgent();
      } finally {
        machine.detach();
      }
      try (JMXConnector connector = JMXConnectorFactory.connect(new JMXServiceURL(address))) {
        return (Long)
            connector
                .getMBeanServerConnection()
                .getAttribute(
                    new ObjectName("java.lang:type=Threading"), "TotalThreadAllocatedBytes");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (AttachNotSupportedException | JMException e) {
      throw new IllegalStateException("JMX of process " + child.pid(), e);
    }
  }

  @Override
  public void close() {
    child.destroy();
    try {
      if (!parent.waitFor(ENDS.toMillis(), TimeUnit.MILLISECONDS)) {
        child.destroyForcibly();
        parent.destroyForcibly();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static long memory(ProcessHandle process, String field) {
    try {
      return Files.readAllLines(proc(process, "status")).stream()
          .filter(line -> line.startsWith(field + ":"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
          .findFirst()
          .orElseThrow(() -> ended(process));
    } catch (IOException e) {
      throw ended(process);
    }
  }

  private static Path proc(ProcessHandle process, String file) {
    return Path.of("/proc", Long.toString(process.pid()), file);
  }

  private static WrongResult ended(ProcessHandle process) {
    return new WrongResult("process " + process.pid() + " has ended");
  }
}
