// One program for every part of Knative Eventing, linked once: the first argument says which part.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"lab/parent"

	// Only for the real CRDs of Serving, in the module's config folder.
	_ "knative.dev/serving/config/core/300-resources"
)

func main() {
	parts := map[string]func(){
		"apiserver_receive_adapter": apiServerReceiveAdapter,
		"mtping":                    pingAdapter,
		"controller":                eventingController,
		"mtchannel_broker":          brokerController,
		"channel_controller":        channelController,
		"channel_dispatcher":        channelDispatcher,
		"ingress":                   brokerIngress,
		"filter":                    brokerFilter,
		"jobsink":                   jobSink,
	}
	if len(os.Args) < 2 || parts[os.Args[1]] == nil {
		names := slices.Sorted(maps.Keys(parts))
		fmt.Fprintf(os.Stderr, "usage: knative %s ...\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	name := os.Args[1]
	os.Args = os.Args[1:]
	parent.ExitWith()
	onlyInformersOf(name)
	parts[name]()
}
