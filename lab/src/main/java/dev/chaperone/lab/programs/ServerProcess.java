package dev.chaperone.lab.programs;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// One server of the lab, that can be ended, frozen and started again with the same command, ports
/// and data. It never outlives the JVM that started it, however that one ends.
public final class ServerProcess {
  private static final Duration START = Duration.ofMinutes(2);
  private static final Duration END = Duration.ofSeconds(5);

  private final String name;
  private final List<String> command;
  private final Map<String, String> environment;
  private final Path folder;
  private final Path log;
  private final Predicate<Instant> ready;
  private @Nullable Process process;
  private Instant launched = Instant.MAX;
  private boolean paused;

  /// @param folder where it runs and where its log is
  /// @param ready whether it is ready now
  public ServerProcess(
      String name,
      List<String> command,
      Map<String, String> environment,
      Path folder,
      BooleanSupplier ready) {
    this(name, command, environment, folder, _ -> ready.getAsBoolean());
  }

  /// @param folder where it runs and where its log is
  /// @param ready whether what was launched at that time is ready now
  public ServerProcess(
      String name,
      List<String> command,
      Map<String, String> environment,
      Path folder,
      Predicate<Instant> ready) {
    this.name = name;
    this.command = command;
    this.environment = environment;
    this.folder = folder;
    this.log = folder.resolve(name + ".log");
    this.ready = ready;
  }

  /// Starts it and returns when it is ready. Does nothing if it is running.
  ///
  /// @throws LabFailure if it ends or is not ready in time; the message has the last lines of its
  /// log
  public void start() {
    launch();
    awaitReady();
  }

  /// Waits until it is ready.
  ///
  /// @throws LabFailure as [#start()]
  public void awaitReady() {
    Waiting.until(
        START,
        () -> {
          if (!isRunning()) {
            throw failure("ended while starting");
          }
          return ready.test(launched);
        },
        () -> failure("was not ready after " + START.toSeconds() + " s"));
  }

  /// Starts it without waiting.
  public synchronized void launch() {
    if (isRunning()) {
      return;
    }
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    // Its standard input stays open as long as this JVM lives: lab/go/parent ends the process when
    // it closes.
    builder.environment().put("LAB_PARENT_PIPE", "1");
    builder.directory(folder.toFile());
    builder.redirectErrorStream(true);
    builder.redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
    try {
      launched = Instant.now();
      process = builder.start();
    } catch (IOException e) {
      throw new LabFailure(name + " could not be started: " + command.getFirst(), e);
    }
  }

  /// Ends it and returns when it is gone, with all its connections.
  public void stop() {
    askToEnd();
    awaitEnd();
  }

  /// Kills it as a crash would (SIGKILL) and returns when it is gone. [#start()] brings it back.
  public void kill() {
    Process killed = forget();
    if (killed == null) {
      return;
    }
    try {
      killed.destroyForcibly().waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /// What it is called in the lab, in its log's name too.
  public String name() {
    return name;
  }

  /// Freezes it: connections stay open, nothing is answered, until [#resume()].
  public synchronized void pause() {
    signal("STOP");
    paused = true;
  }

  /// Lets it go on where it was frozen.
  public synchronized void resume() {
    signal("CONT");
    paused = false;
  }

  /// Whether the process lives, frozen or not.
  public synchronized boolean isRunning() {
    return process != null && process.isAlive();
  }

  /// Its process id.
  ///
  /// @throws LabFailure if it does not run
  public synchronized long pid() {
    if (process == null) {
      throw new LabFailure(name + " does not run");
    }
    return process.pid();
  }

  /// What it wrote, across restarts.
  public Path log() {
    return log;
  }

  /// Asks it to end (SIGTERM) without waiting.
  public synchronized void askToEnd() {
    if (process == null) {
      return;
    }
    process.destroy();
    if (paused) {
      resume();
    }
  }

  /// Returns when it is gone. It is killed if it takes longer than seconds.
  public void awaitEnd() {
    awaitEnd(END);
  }

  /// The same for what has more to clean up.
  ///
  /// @param atMost after which it is killed
  public void awaitEnd(Duration atMost) {
    Process ending = forget();
    if (ending == null) {
      return;
    }
    try {
      if (!ending.waitFor(atMost.toMillis(), TimeUnit.MILLISECONDS)) {
        ending.destroyForcibly().waitFor();
      }
    } catch (InterruptedException e) {
      ending.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }

  /// From now on there is none: what is started next is another.
  private synchronized @Nullable Process forget() {
    Process last = process;
    process = null;
    return last;
  }

  private void signal(String signal) {
    Process target = process;
    if (target == null || !target.isAlive()) {
      return;
    }
    try {
      Process kill =
          new ProcessBuilder("kill", "-" + signal, Long.toString(target.pid()))
              .redirectErrorStream(true)
              .redirectOutput(new File("/dev/null"))
              .start();
      if (kill.waitFor() != 0) {
        throw new LabFailure("kill -" + signal + " did not reach " + name);
      }
    } catch (IOException e) {
      throw new LabFailure("There is no program kill here", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private LabFailure failure(String what) {
    return new LabFailure("%s %s, see %s%n%s".formatted(name, what, log, lastLines(log)));
  }

  static String lastLines(Path log) {
    try {
      String[] lines = new String(Files.readAllBytes(log), StandardCharsets.UTF_8).split("\n");
      int from = Math.max(0, lines.length - 15);
      return String.join("\n", List.of(lines).subList(from, lines.length));
    } catch (IOException e) {
      return "(no log)";
    }
  }
}
