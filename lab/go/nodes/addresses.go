package main

import "fmt"

// Every lab has a network name space of its own, so these addresses are the same in each and meet nobody's.
const (
	bridge  = "nodes"
	gateway = "10.77.0.1"
)

// nodeAddress is where a node is, and podRange what its pods get. The first node is 1.
func nodeAddress(index int) string { return fmt.Sprintf("10.77.0.%d", 10+index) }
func podRange(index int) string    { return fmt.Sprintf("10.244.%d.0/24", index) }
