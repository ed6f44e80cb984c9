package main

import "knative.dev/eventing/pkg/reconciler/inmemorychannel/dispatcher"

// newDispatcher is the in-memory channel. It listens on port 8080, always, so the lab's build takes a copy of its package
// that has ports of its own and is otherwise the same; see KnativeModules.java.
var newDispatcher = dispatcher.NewController
