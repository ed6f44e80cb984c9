package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/godbus/dbus/v5"
	"github.com/spf13/cobra"
)

// What a kubelet asks of systemd's logind for a graceful shutdown of its node, on a bus at the address where it looks.
const (
	busSocket  = "/var/run/dbus/system_bus_socket"
	login      = "org.freedesktop.login1"
	manager    = login + ".Manager"
	loginPath  = dbus.ObjectPath("/org/freedesktop/login1")
	properties = "org.freedesktop.DBus.Properties"
	// So long that no kubelet wants to change it, which would take a file of the whole machine.
	longestDelay = uint64(3_600_000_000)
)

const busConfig = `<busconfig>
  <type>system</type>
  <listen>unix:path=` + busSocket + `</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
`

// newLogindCommand runs a bus, and on it as much of logind as a kubelet needs.
func newLogindCommand() *cobra.Command {
	return &cobra.Command{Use: "logind", RunE: func(*cobra.Command, []string) error {
		stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer cancel()
		folder := filepath.Dir(busSocket)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		config := filepath.Join(folder, "bus.conf")
		if err := os.WriteFile(config, []byte(busConfig), 0o644); err != nil {
			return err
		}
		_ = os.RemoveAll(busSocket)
		// It writes its address when it listens.
		ready, address, err := os.Pipe()
		if err != nil {
			return err
		}
		bus := exec.Command("dbus-daemon", "--nofork", "--nopidfile", "--config-file="+config, "--print-address=3")
		bus.ExtraFiles = []*os.File{address}
		bus.Stdout, bus.Stderr = os.Stdout, os.Stderr
		bus.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := bus.Start(); err != nil {
			return err
		}
		defer func() {
			_ = bus.Process.Kill()
			_ = bus.Wait()
		}()
		_ = address.Close()
		if _, err := ready.Read(make([]byte, 1)); err != nil {
			return fmt.Errorf("no bus: %w", err)
		}
		connection, err := dbus.ConnectSystemBus()
		if err != nil {
			return err
		}
		for _, object := range []struct {
			methods any
			called  string
		}{{inhibitor{}, manager}, {delay{}, properties}} {
			if err := connection.Export(object.methods, loginPath, object.called); err != nil {
				return err
			}
		}
		if _, err := connection.RequestName(login, dbus.NameFlagDoNotQueue); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, "ready"), nil, 0o644); err != nil {
			return err
		}
		<-stop.Done()
		return nil
	}}
}

type inhibitor struct{}

// Inhibit gives something to close. Nothing here shuts down once everybody has.
func (inhibitor) Inhibit(_, who, _, _ string) (dbus.UnixFD, *dbus.Error) {
	// No os.File, which would be closed before it is sent.
	file, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return 0, dbus.MakeFailedError(err)
	}
	fmt.Println("inhibited by", who)
	return dbus.UnixFD(file), nil
}

type delay struct{}

func (delay) Get(_, _ string) (dbus.Variant, *dbus.Error) {
	return dbus.MakeVariant(longestDelay), nil
}

// newShutdownCommand says what logind says before a machine shuts down (`shutdown true`), or when that was called off.
func newShutdownCommand() *cobra.Command {
	return &cobra.Command{Use: "shutdown", Args: cobra.ExactArgs(1), RunE: func(_ *cobra.Command, arguments []string) error {
		begins, err := strconv.ParseBool(arguments[0])
		if err != nil {
			return err
		}
		connection, err := dbus.ConnectSystemBus()
		if err != nil {
			return err
		}
		defer connection.Close()
		return connection.Emit(loginPath, manager+".PrepareForShutdown", begins)
	}}
}
