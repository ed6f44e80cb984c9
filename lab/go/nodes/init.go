package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// initNode is process 1 of a node: it makes its mounts private, configures its network, and then only takes in what
// loses its parent. Whatever runs in the node ends with it.
func initNode(arguments []string) error {
	name, data := arguments[0], arguments[2]
	index, err := strconv.Atoi(arguments[1])
	if err != nil {
		return err
	}
	children := make(chan os.Signal, 8)
	signal.Notify(children, syscall.SIGCHLD)
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	if err := syscall.Sethostname([]byte(name)); err != nil {
		return os.NewSyscallError("sethostname", err)
	}
	if err := mounts(data); err != nil {
		return err
	}
	if err := configureNetwork(index); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(data, "ready"), nil, 0o644); err != nil {
		return err
	}
	for {
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
		<-children
	}
}

func mounts(data string) error {
	bind := func(from, to string) error { return syscall.Mount(from, to, "", syscall.MS_BIND|syscall.MS_REC, "") }
	// First nothing may get out, then what the kubelet mounts has to reach the containers.
	steps := []func() error{
		func() error { return syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, "") },
		func() error { return syscall.Mount("proc", "/proc", "proc", 0, "") },
		func() error { return syscall.Mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") },
		func() error { return os.MkdirAll(filepath.Join(data, "var/log"), 0o755) },
		func() error { return os.MkdirAll(filepath.Join(data, "var/tmp"), 0o777) },
		func() error { return bind(filepath.Join(data, "var"), "/var") },
		func() error { return syscall.Mount("", "/", "", syscall.MS_SHARED|syscall.MS_REC, "") },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("mount %d: %w", i+1, err)
		}
	}
	// The kubelet asks for these settings, which are the whole machine's. It writes them only if they differ from what it
	// reads, so let it read what it wants.
	for setting, value := range map[string]string{
		"vm/overcommit_memory": "1", "vm/panic_on_oom": "0", "kernel/panic": "10", "kernel/panic_on_oops": "1",
	} {
		file := filepath.Join("/run", filepath.Base(setting))
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			return err
		}
		if err := bind(file, filepath.Join("/proc/sys", setting)); err != nil {
			return err
		}
	}
	return nil
}

func configureNetwork(index int) error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := net.InterfaceByName("eth0"); err == nil {
			break
		}
		if time.Now().After(end) {
			return errors.New("no eth0 after 10 s")
		}
	}
	for setting, value := range map[string]string{
		"ipv4/ip_forward": "1",
		// Pods of one node reach each other over its bridge: rules have to see that.
		"bridge/bridge-nf-call-iptables": "1",
	} {
		err := os.WriteFile(filepath.Join("/proc/sys/net", setting), []byte(value), 0)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return all(
		"ip link set lo up",
		fmt.Sprintf("ip addr add %s/24 dev eth0", nodeAddress(index)),
		"ip link set eth0 up",
		"ip route add default via "+gateway,
	)
}
