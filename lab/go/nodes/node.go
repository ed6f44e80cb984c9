package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// node starts a node's process 1 in name spaces of its own, connects it to the network, and waits. When the lab ends, or
// asks for it (SIGTERM), it kills process 1, with which the kernel ends whatever runs in the node, and removes the
// control groups and the folder of its data.
func node(arguments []string) error {
	flags := flag.NewFlagSet("node", flag.ExitOnError)
	name := flags.String("name", "", "host name")
	index := flags.Int("index", 0, "1 for the first node")
	data := flags.String("data", "", "folder for what the node keeps; removed at its end")
	groups := flags.String("groups", "", "control group of this node's pods, such as /lab-4711/node-1")
	around := flags.Int("network", 0, "process id of `nodes network`")
	_ = flags.Parse(arguments)

	ended := make(chan os.Signal, 1)
	// A Ctrl-C reaches the whole foreground group; the lab ends its nodes itself.
	signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
	signal.Notify(ended, syscall.SIGTERM)

	defer cleanUp(*groups, *data)
	if err := makeGroups(*groups); err != nil {
		return err
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return err
	}
	first := exec.Command("/proc/self/exe", "init", *name, strconv.Itoa(*index), *data)
	first.Stdout, first.Stderr = os.Stdout, os.Stderr
	first.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := first.Start(); err != nil {
		return fmt.Errorf("name spaces for a node: %w (it takes root)", err)
	}
	defer func() {
		_ = first.Process.Kill()
		_ = first.Wait()
	}()
	if err := connect(*around, first.Process.Pid, *index); err != nil {
		return err
	}
	// Not the child's id in its own name space: what nsenter needs.
	if err := os.WriteFile(filepath.Join(*data, "pid"), []byte(strconv.Itoa(first.Process.Pid)), 0o644); err != nil {
		return err
	}
	closed := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		closed <- err
	}()
	select {
	case <-closed:
	case <-ended:
	}
	return nil
}

func connect(network, first, index int) error {
	inNetwork := fmt.Sprintf("nsenter --net=/proc/%d/ns/net ", network)
	wire := fmt.Sprintf("node%d", index)
	// One of that name is left when a node ended a moment ago: it goes with its name space, which takes a while.
	_ = all(inNetwork + "ip link del " + wire)
	return all(
		inNetwork+fmt.Sprintf("ip link add %s type veth peer name eth0 netns %d", wire, first),
		inNetwork+fmt.Sprintf("ip link set %s master %s up", wire, bridge),
		inNetwork+fmt.Sprintf("ip route replace %s via %s", podRange(index), nodeAddress(index)),
	)
}

func cleanUp(groups, data string) {
	if err := removeGroups(groups); err != nil {
		log.Print(err)
	}
	if err := os.RemoveAll(data); err != nil {
		log.Print(err)
	}
}

// again tries for a while: what was killed is not gone at once, least of all on a busy machine.
func again(try func() error) error {
	end := time.Now().Add(45 * time.Second)
	for {
		err := try()
		if err == nil || errors.Is(err, os.ErrNotExist) || time.Now().After(end) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
