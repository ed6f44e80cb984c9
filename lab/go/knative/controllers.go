package main

import (
	"context"
	"log"
	"os"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	messagingv1 "knative.dev/eventing/pkg/apis/messaging/v1"
	"knative.dev/eventing/pkg/apis/sinks"
	"knative.dev/eventing/pkg/auth"
	"knative.dev/eventing/pkg/certificates"
	eventingfactory "knative.dev/eventing/pkg/client/injection/informers/factory/filtered"
	"knative.dev/eventing/pkg/eventingtls"
	"knative.dev/eventing/pkg/reconciler/apiserversource"
	"knative.dev/eventing/pkg/reconciler/broker"
	mttrigger "knative.dev/eventing/pkg/reconciler/broker/trigger"
	"knative.dev/eventing/pkg/reconciler/channel"
	"knative.dev/eventing/pkg/reconciler/containersource"
	"knative.dev/eventing/pkg/reconciler/eventpolicy"
	"knative.dev/eventing/pkg/reconciler/eventtransform"
	"knative.dev/eventing/pkg/reconciler/eventtype"
	imccontroller "knative.dev/eventing/pkg/reconciler/inmemorychannel/controller"
	integrationsink "knative.dev/eventing/pkg/reconciler/integration/sink"
	integrationsource "knative.dev/eventing/pkg/reconciler/integration/source"
	"knative.dev/eventing/pkg/reconciler/jobsink"
	"knative.dev/eventing/pkg/reconciler/parallel"
	"knative.dev/eventing/pkg/reconciler/pingsource"
	"knative.dev/eventing/pkg/reconciler/requestreply"
	"knative.dev/eventing/pkg/reconciler/sequence"
	sourcecrd "knative.dev/eventing/pkg/reconciler/source/crd"
	"knative.dev/eventing/pkg/reconciler/subscription"
	sugarnamespace "knative.dev/eventing/pkg/reconciler/sugar/namespace"
	sugartrigger "knative.dev/eventing/pkg/reconciler/sugar/trigger"
	kubefactory "knative.dev/pkg/client/injection/kube/informers/factory/filtered"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/signals"
	"knative.dev/pkg/webhook"
	webhookcertificates "knative.dev/pkg/webhook/certificates"
	"knative.dev/pkg/webhook/resourcesemantics"
	"knative.dev/pkg/webhook/resourcesemantics/defaulting"
	"knative.dev/pkg/webhook/resourcesemantics/validation"
)

// withTrustAndIdentity selects what most parts watch of all ConfigMaps and ServiceAccounts: bundles of trusted
// certificates, and the identities that events are sent under.
func withTrustAndIdentity(ctx context.Context) context.Context {
	return kubefactory.WithSelectors(ctx, auth.OIDCLabelSelector, eventingtls.TrustBundleLabelSelector)
}

// run is sharedmain's, except that probes have a port of their own: Knative's is 8080, always.
func run(ctx context.Context, component string, controllers ...injection.ControllerConstructor) {
	sharedmain.MainWithContext(sharedmain.WithHealthProbesDisabled(ctx), component, append(controllers, probes)...)
}

// probes is one more controller, so that it begins to answer when the others begin to work.
func probes(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	impl := controller.NewContext(ctx, whenStarted(serveProbes), controller.ControllerOptions{
		WorkQueueName: "probes",
		Logger:        logging.FromContext(ctx),
	})
	impl.EnqueueKey(types.NamespacedName{Name: "started"})
	return impl
}

type whenStarted func()

func (do whenStarted) Reconcile(context.Context, string) error {
	do()
	return nil
}

func serveProbes() {
	port, err := strconv.Atoi(os.Getenv("PROBES_PORT"))
	if err != nil {
		return
	}
	go func() { log.Fatal(injection.ServeHealthProbes(context.Background(), port)) }()
}

func eventingController() {
	ctx := kubefactory.WithSelectors(signals.NewContext(),
		auth.OIDCLabelSelector,
		eventingtls.TrustBundleLabelSelector,
		sinks.JobSinkJobsLabelSelector,
		eventtransform.JsonataResourcesSelector,
		certificates.SecretLabelSelectorPair,
		requestreply.SecretLabelSelector,
	)
	ctx = eventingfactory.WithSelectors(ctx, eventtransform.JsonataResourcesSelector)
	run(ctx, "controller",
		channel.NewController,
		subscription.NewController,
		eventtype.NewController,
		eventpolicy.NewController,
		parallel.NewController,
		sequence.NewController,
		apiserversource.NewController,
		pingsource.NewController,
		containersource.NewController,
		integrationsource.NewController,
		sourcecrd.NewController,
		jobsink.NewController,
		integrationsink.NewController,
		sugarnamespace.NewController,
		sugartrigger.NewController,
		eventtransform.NewController,
		requestreply.NewController,
	)
}

func brokerController() {
	ctx := kubefactory.WithSelectors(signals.NewContext(), auth.OIDCLabelSelector)
	run(ctx, "mt-broker-controller", broker.NewController, mttrigger.NewController)
}

// channelController reconciles in-memory channels and serves their webhook.
func channelController() {
	kinds := map[schema.GroupVersionKind]resourcesemantics.GenericCRD{
		messagingv1.SchemeGroupVersion.WithKind("InMemoryChannel"): &messagingv1.InMemoryChannel{},
	}
	defaults := func(ctx context.Context, _ configmap.Watcher) *controller.Impl {
		return defaulting.NewAdmissionController(ctx,
			"inmemorychannel.eventing.knative.dev", "/defaulting", kinds, nil, true)
	}
	validates := func(ctx context.Context, _ configmap.Watcher) *controller.Impl {
		return validation.NewAdmissionController(ctx,
			"validation.inmemorychannel.eventing.knative.dev", "/resource-validation", kinds, nil, true)
	}
	ctx := webhook.WithOptions(signals.NewContext(), webhook.Options{
		ServiceName: webhook.NameFromEnv(),
		Port:        webhook.PortFromEnv(8443),
		SecretName:  "inmemorychannel-webhook-certs",
	})
	run(ctx, webhook.NameFromEnv(),
		webhookcertificates.NewController, validates, defaults, imccontroller.NewController)
}

// channelDispatcher is the in-memory channel itself.
func channelDispatcher() {
	ctx := signals.NewContext()
	if namespace := os.Getenv("NAMESPACE"); namespace != "" {
		ctx = injection.WithNamespaceScope(ctx, namespace)
	}
	run(withTrustAndIdentity(ctx), "inmemorychannel-dispatcher", newDispatcher)
}
