// One program for the data plane of Knative Eventing, linked once: the first argument says which part.
package main

import (
	"fmt"
	"os"

	filteredfactory "knative.dev/pkg/client/injection/kube/informers/factory/filtered"
	"knative.dev/pkg/signals"

	"knative.dev/eventing/pkg/adapter/apiserver"
	"knative.dev/eventing/pkg/adapter/v2"
	"knative.dev/eventing/pkg/auth"
	"knative.dev/eventing/pkg/eventingtls"

	"lab/parent"
)

func main() {
	commands := map[string]func(){
		"apiserver_receive_adapter": apiserverReceiveAdapter,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: knative apiserver_receive_adapter ...")
		os.Exit(2)
	}
	command := commands[os.Args[1]]
	os.Args = os.Args[1:]
	parent.ExitWith()
	command()
}

func apiserverReceiveAdapter() {
	ctx := adapter.WithInjectorEnabled(signals.NewContext())
	ctx = filteredfactory.WithSelectors(ctx, auth.OIDCLabelSelector, eventingtls.TrustBundleLabelSelector)
	adapter.MainWithContext(ctx, "apiserversource", apiserver.NewEnvConfig, apiserver.NewAdapter)
}
