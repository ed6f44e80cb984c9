package main

import (
	"flag"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"lab/parent"
)

func init() {
	// The name space belongs to a thread. Other threads of Go's never come from one that is locked.
	runtime.LockOSThread()
}

// network makes the network that all nodes are in, as a name space of its own with a bridge, and forwards one port of
// this machine's loopback interface to an address in it. The name space lasts as long as the last process in it.
func network(arguments []string) error {
	flags := flag.NewFlagSet("network", flag.ExitOnError)
	listen := flags.String("listen", "", "address on this machine, such as 127.0.0.1:6443")
	to := flags.String("to", "", "where that leads in the network")
	ready := flags.String("ready", "", "file that is written when the network is there")
	_ = flags.Parse(arguments)
	parent.ExitWith()

	here, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
		return os.NewSyscallError("unshare", err)
	}
	if err := all(
		"ip link set lo up",
		"ip link add "+bridge+" type bridge",
		"ip addr add "+gateway+"/24 dev "+bridge,
		"ip link set "+bridge+" up",
	); err != nil {
		return err
	}
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		return err
	}
	// What goes from node to node by the gateway goes back out of the bridge that it came from: nothing to complain of.
	_ = os.WriteFile("/proc/sys/net/ipv4/conf/"+bridge+"/send_redirects", []byte("0"), 0)
	if err := os.WriteFile(*ready, nil, 0o644); err != nil {
		return err
	}

	dials := make(chan chan net.Conn)
	go accept(here, dials)
	for answer := range dials {
		// On this thread: a socket belongs to the name space of the thread that makes it.
		connection, err := net.Dial("tcp", *to)
		if err != nil {
			log.Print(err)
		}
		answer <- connection
	}
	return nil
}

func accept(here net.Listener, dials chan<- chan net.Conn) {
	for {
		client, err := here.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer client.Close()
			answer := make(chan net.Conn)
			dials <- answer
			server := <-answer
			if server == nil {
				return
			}
			defer server.Close()
			go copyAll(server, client)
			copyAll(client, server)
		}()
	}
}

// copyAll ends the other direction's wait, too, when one side is done.
func copyAll(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}

// all runs commands of this machine, one after the other, until one fails.
func all(commands ...string) error {
	for _, command := range commands {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			return &failure{command, err, string(out)}
		}
	}
	return nil
}

type failure struct {
	command string
	err     error
	out     string
}

func (f *failure) Error() string { return f.command + ": " + f.err.Error() + ": " + f.out }
