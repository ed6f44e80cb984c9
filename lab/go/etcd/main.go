package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"

	"lab/parent"
)

func main() {
	parent.ExitWith()
	etcdmain.Main(os.Args)
}
