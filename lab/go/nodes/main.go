// What surrounds the nodes of a lab: the network between them, and for each of them the name spaces that make it a
// machine of its own. Nothing here is Kubernetes'; the lab starts containerd, the kubelet and the rest inside.
//
// Everything ends with the lab that started it, kill -9 included: see lab/parent. What a process's death does not take
// along, control groups and the data of a node, its own program removes.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{
		"network":     network,
		"node":        node,
		"init":        initNode,
		"certificate": certificate,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: nodes network|node|certificate ...")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
