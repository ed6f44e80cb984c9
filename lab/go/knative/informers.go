package main

import (
	"context"
	"log"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"k8s.io/client-go/rest"

	eventingfactory "knative.dev/eventing/pkg/client/injection/informers/factory/filtered"
	kubefactory "knative.dev/pkg/client/injection/kube/informers/factory/filtered"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
)

// Every package of an informer that is linked registers it, and each part starts all that are registered. In a program
// of its own a part has only those that it imports; here each has to be told, or it would watch what the others need and
// its ServiceAccount may not. This is what `go list -deps` says of each part's own main package. Where versions differ, a
// "|" separates the package that one of them has from the other's.
var informers = map[string][]string{
	"apiserver_receive_adapter": {},
	"mtping": {
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1/pingsource",
	},
	"controller": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/broker",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/trigger",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventtransform",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/requestreply",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1beta2/eventtype",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1beta3/eventtype",
		"knative.dev/eventing/pkg/client/injection/informers/flows/v1/parallel",
		"knative.dev/eventing/pkg/client/injection/informers/flows/v1/sequence",
		"knative.dev/eventing/pkg/client/injection/informers/messaging/v1/channel",
		"knative.dev/eventing/pkg/client/injection/informers/messaging/v1/subscription",
		"knative.dev/eventing/pkg/client/injection/informers/sinks/v1alpha1/integrationsink",
		"knative.dev/eventing/pkg/client/injection/informers/sinks/v1alpha1/jobsink",
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1/apiserversource",
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1/containersource",
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1/pingsource",
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1/sinkbinding",
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1/sinkbinding/filtered",
		"knative.dev/eventing/pkg/client/injection/informers/sources/v1alpha1/integrationsource",
		"knative.dev/pkg/client/injection/apiextensions/informers/apiextensions/v1/customresourcedefinition",
		"knative.dev/pkg/client/injection/kube/informers/apps/v1/deployment",
		"knative.dev/pkg/client/injection/kube/informers/apps/v1/deployment/filtered",
		"knative.dev/pkg/client/injection/kube/informers/apps/v1/statefulset",
		"knative.dev/pkg/client/injection/kube/informers/batch/v1/job/filtered",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/namespace",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/secret/filtered",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/service",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/service/filtered",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/serviceaccount/filtered",
		"knative.dev/pkg/client/injection/kube/informers/rbac/v1/role/filtered",
		"knative.dev/pkg/client/injection/kube/informers/rbac/v1/rolebinding",
		"knative.dev/pkg/client/injection/kube/informers/rbac/v1/rolebinding/filtered",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
	"mtchannel_broker": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/broker",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/trigger",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/messaging/v1/subscription",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/configmap",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/serviceaccount/filtered",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
	"channel_controller": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/messaging/v1/inmemorychannel",
		"knative.dev/pkg/client/injection/kube/informers/admissionregistration/v1/mutatingwebhookconfiguration",
		"knative.dev/pkg/client/injection/kube/informers/admissionregistration/v1/validatingwebhookconfiguration",
		"knative.dev/pkg/client/injection/kube/informers/apps/v1/deployment",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/endpoints" + // before Eventing 0.50
			"|knative.dev/pkg/client/injection/kube/informers/discovery/v1/endpointslice",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/service",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/serviceaccount",
		"knative.dev/pkg/client/injection/kube/informers/rbac/v1/rolebinding",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
	"channel_dispatcher": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1beta3/eventtype",
		"knative.dev/eventing/pkg/client/injection/informers/messaging/v1/inmemorychannel",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
	"ingress": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/broker",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1beta3/eventtype",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
	"jobsink": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/sinks/v1alpha1/jobsink",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
	"filter": {
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/broker",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1/trigger",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy",
		"knative.dev/eventing/pkg/client/injection/informers/eventing/v1beta3/eventtype",
		"knative.dev/eventing/pkg/client/injection/informers/messaging/v1/subscription",
		"knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered",
		"knative.dev/pkg/injection/clients/namespacedkube/informers/core/v1/secret",
	},
}

// part is what is registered, narrowed to what one part needs.
type part struct {
	injection.Interface
	packages []string
}

// onlyInformersOf lets the process have the informers of this one part.
func onlyInformersOf(name string) {
	p := part{injection.Default, informers[name]}
	if found := len(p.GetInformers()) + len(p.GetFilteredInformers()); found != len(p.packages) {
		log.Fatalf("%s needs %d informers, but %d of them are linked", name, len(p.packages), found)
	}
	injection.Default = p
}

func (p part) GetInformers() []injection.InformerInjector {
	return slices.DeleteFunc(p.Interface.GetInformers(), func(i injection.InformerInjector) bool { return !p.needs(i) })
}

func (p part) GetFilteredInformers() []injection.FilteredInformersInjector {
	return slices.DeleteFunc(p.Interface.GetFilteredInformers(), func(i injection.FilteredInformersInjector) bool { return !p.needs(i) })
}

func (p part) needs(injector any) bool {
	function := runtime.FuncForPC(reflect.ValueOf(injector).Pointer()).Name()
	name := function[:strings.LastIndex(function, ".")]
	return slices.ContainsFunc(p.packages, func(one string) bool { return slices.Contains(strings.Split(one, "|"), name) })
}

func (p part) SetupInformers(ctx context.Context, config *rest.Config) (context.Context, []controller.Informer) {
	// The factories of the other parts are there too, and insist on a selector.
	if ctx.Value(kubefactory.LabelKey{}) == nil {
		ctx = kubefactory.WithSelectors(ctx)
	}
	if ctx.Value(eventingfactory.LabelKey{}) == nil {
		ctx = eventingfactory.WithSelectors(ctx)
	}
	for _, with := range p.GetClients() {
		ctx = with(ctx, config)
	}
	for _, with := range p.GetInformerFactories() {
		ctx = with(ctx)
	}
	for _, with := range p.GetDucks() {
		ctx = with(ctx)
	}
	var all []controller.Informer
	for _, with := range p.GetInformers() {
		var one controller.Informer
		ctx, one = with(ctx)
		all = append(all, one)
	}
	for _, with := range p.GetFilteredInformers() {
		var some []controller.Informer
		ctx, some = with(ctx)
		all = append(all, some...)
	}
	return ctx, all
}
