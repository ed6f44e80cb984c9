package main

import (
	"context"
	"os"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"

	defaultconfig "knative.dev/eventing/pkg/apis/config"
	"knative.dev/eventing/pkg/apis/eventing"
	eventingv1 "knative.dev/eventing/pkg/apis/eventing/v1"
	eventingv1alpha1 "knative.dev/eventing/pkg/apis/eventing/v1alpha1"
	eventingv1beta1 "knative.dev/eventing/pkg/apis/eventing/v1beta1"
	eventingv1beta2 "knative.dev/eventing/pkg/apis/eventing/v1beta2"
	eventingv1beta3 "knative.dev/eventing/pkg/apis/eventing/v1beta3"
	"knative.dev/eventing/pkg/apis/feature"
	flowsv1 "knative.dev/eventing/pkg/apis/flows/v1"
	channeldefaultconfig "knative.dev/eventing/pkg/apis/messaging/config"
	messagingv1 "knative.dev/eventing/pkg/apis/messaging/v1"
	"knative.dev/eventing/pkg/apis/sinks"
	sinksv1alpha1 "knative.dev/eventing/pkg/apis/sinks/v1alpha1"
	"knative.dev/eventing/pkg/apis/sources"
	pingdefaultconfig "knative.dev/eventing/pkg/apis/sources/config"
	sourcesv1 "knative.dev/eventing/pkg/apis/sources/v1"
	sourcesv1alpha1 "knative.dev/eventing/pkg/apis/sources/v1alpha1"
	sourcesv1beta2 "knative.dev/eventing/pkg/apis/sources/v1beta2"
	"knative.dev/eventing/pkg/apis/sugar"
	versionedscheme "knative.dev/eventing/pkg/client/clientset/versioned/scheme"
	"knative.dev/eventing/pkg/eventingtls"
	o11yconfigmap "knative.dev/eventing/pkg/observability/configmap"
	"knative.dev/eventing/pkg/reconciler/sinkbinding"
	"knative.dev/eventing/pkg/requestreply"
	kubeclient "knative.dev/pkg/client/injection/kube/client"
	configmapinformer "knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered"
	"knative.dev/pkg/configmap"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/leaderelection"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/signals"
	"knative.dev/pkg/webhook"
	"knative.dev/pkg/webhook/certificates"
	"knative.dev/pkg/webhook/configmaps"
	"knative.dev/pkg/webhook/psbinding"
	"knative.dev/pkg/webhook/resourcesemantics"
	"knative.dev/pkg/webhook/resourcesemantics/conversion"
	"knative.dev/pkg/webhook/resourcesemantics/defaulting"
	"knative.dev/pkg/webhook/resourcesemantics/validation"
)

// admitted are the kinds that the webhook fills in and checks.
var admitted = map[schema.GroupVersionKind]resourcesemantics.GenericCRD{
	eventingv1alpha1.SchemeGroupVersion.WithKind("EventPolicy"):      &eventingv1alpha1.EventPolicy{},
	eventingv1alpha1.SchemeGroupVersion.WithKind("EventTransform"):   &eventingv1alpha1.EventTransform{},
	eventingv1alpha1.SchemeGroupVersion.WithKind("RequestReply"):     &eventingv1alpha1.RequestReply{},
	eventingv1beta1.SchemeGroupVersion.WithKind("EventType"):         &eventingv1beta1.EventType{},
	eventingv1beta2.SchemeGroupVersion.WithKind("EventType"):         &eventingv1beta2.EventType{},
	eventingv1.SchemeGroupVersion.WithKind("Broker"):                 &eventingv1.Broker{},
	eventingv1.SchemeGroupVersion.WithKind("Trigger"):                &eventingv1.Trigger{},
	messagingv1.SchemeGroupVersion.WithKind("Channel"):               &messagingv1.Channel{},
	messagingv1.SchemeGroupVersion.WithKind("Subscription"):          &messagingv1.Subscription{},
	sourcesv1alpha1.SchemeGroupVersion.WithKind("IntegrationSource"): &sourcesv1alpha1.IntegrationSource{},
	sourcesv1beta2.SchemeGroupVersion.WithKind("PingSource"):         &sourcesv1beta2.PingSource{},
	sourcesv1.SchemeGroupVersion.WithKind("ApiServerSource"):         &sourcesv1.ApiServerSource{},
	sourcesv1.SchemeGroupVersion.WithKind("PingSource"):              &sourcesv1.PingSource{},
	sourcesv1.SchemeGroupVersion.WithKind("SinkBinding"):             &sourcesv1.SinkBinding{},
	sourcesv1.SchemeGroupVersion.WithKind("ContainerSource"):         &sourcesv1.ContainerSource{},
	sinksv1alpha1.SchemeGroupVersion.WithKind("JobSink"):             &sinksv1alpha1.JobSink{},
	sinksv1alpha1.SchemeGroupVersion.WithKind("IntegrationSink"):     &sinksv1alpha1.IntegrationSink{},
	flowsv1.SchemeGroupVersion.WithKind("Parallel"):                  &flowsv1.Parallel{},
	flowsv1.SchemeGroupVersion.WithKind("Sequence"):                  &flowsv1.Sequence{},
}

// defaultsOf gives a context the settings from which the webhook takes defaults, as they are at that moment.
func defaultsOf(ctx context.Context, settings configmap.Watcher) func(context.Context) context.Context {
	logger := logging.FromContext(ctx)
	brokers := defaultconfig.NewStore(logger.Named("config-store"))
	brokers.WatchConfigs(settings)
	channels := channeldefaultconfig.NewStore(logger.Named("channel-config-store"))
	channels.WatchConfigs(settings)
	features := feature.NewStore(logger.Named("feature-config-store"))
	features.WatchConfigs(settings)
	return func(ctx context.Context) context.Context {
		return features.ToContext(channels.ToContext(brokers.ToContext(ctx)))
	}
}

func defaultingWebhook(ctx context.Context, settings configmap.Watcher) *controller.Impl {
	return defaulting.NewAdmissionController(ctx,
		"webhook.eventing.knative.dev", "/defaulting", admitted, defaultsOf(ctx, settings), true)
}

func validatingWebhook(ctx context.Context, settings configmap.Watcher) *controller.Impl {
	pings := pingdefaultconfig.NewStore(logging.FromContext(ctx).Named("ping-config-store"))
	pings.WatchConfigs(settings)
	defaults := defaultsOf(ctx, settings)
	kubernetes := &sinks.Config{KubeClient: kubeclient.Get(ctx)}
	if err := requestreply.RegisterCESQLVerifyCorrelationIdFilter(ctx); err != nil {
		logging.FromContext(ctx).Warnw("RequestReply cannot be used", "error", err)
	}
	return validation.NewAdmissionController(ctx,
		"validation.webhook.eventing.knative.dev", "/resource-validation", admitted,
		func(ctx context.Context) context.Context {
			return sinks.WithConfig(defaults(pings.ToContext(ctx)), kubernetes)
		}, true)
}

func configMapWebhook(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	return configmaps.NewAdmissionController(ctx,
		"config.webhook.eventing.knative.dev", "/config-validation",
		configmap.Constructors{
			o11yconfigmap.Name():           o11yconfigmap.Parse,
			logging.ConfigMapName():        logging.NewConfigFromConfigMap,
			leaderelection.ConfigMapName(): leaderelection.NewConfigFromConfigMap,
			sugar.ConfigName:               sugar.NewConfigFromConfigMap,
		})
}

func sinkBindingWebhook(ctx context.Context, _ configmap.Watcher) *controller.Impl {
	selection := psbinding.WithSelector(psbinding.ExclusionSelector)
	if os.Getenv("SINK_BINDING_SELECTION_MODE") == "inclusion" {
		selection = psbinding.WithSelector(psbinding.InclusionSelector)
	}
	bundles := configmapinformer.Get(ctx, eventingtls.TrustBundleLabelSelector).Lister()
	return psbinding.NewAdmissionController(ctx,
		"sinkbindings.webhook.sources.knative.dev", "/sinkbindings", sinkbinding.ListAll,
		sinkbinding.WithContextFactory(ctx, bundles, func(types.NamespacedName) {}), selection)
}

func conversionWebhook(ctx context.Context, settings configmap.Watcher) *controller.Impl {
	return conversion.NewConversionController(ctx, "/resource-conversion",
		map[schema.GroupKind]conversion.GroupKindConversion{
			sourcesv1.Kind("PingSource"): {
				DefinitionName: sources.PingSourceResource.String(),
				HubVersion:     sourcesv1beta2.SchemeGroupVersion.Version,
				Zygotes: map[string]conversion.ConvertibleObject{
					sourcesv1beta2.SchemeGroupVersion.Version: &sourcesv1beta2.PingSource{},
					sourcesv1.SchemeGroupVersion.Version:      &sourcesv1.PingSource{},
				},
			},
			eventingv1beta2.Kind("EventType"): {
				DefinitionName: eventing.EventTypesResource.String(),
				HubVersion:     eventingv1beta1.SchemeGroupVersion.Version,
				Zygotes: map[string]conversion.ConvertibleObject{
					eventingv1beta1.SchemeGroupVersion.Version: &eventingv1beta1.EventType{},
					eventingv1beta2.SchemeGroupVersion.Version: &eventingv1beta2.EventType{},
					eventingv1beta3.SchemeGroupVersion.Version: &eventingv1beta3.EventType{},
				},
			},
		}, defaultsOf(ctx, settings))
}

func eventingWebhook() {
	_ = versionedscheme.AddToScheme(scheme.Scheme)
	ctx := webhook.WithOptions(signals.NewContext(), webhook.Options{
		ServiceName: webhook.NameFromEnv(),
		Port:        webhook.PortFromEnv(8443),
		SecretName:  "eventing-webhook-certs",
	})
	run(withTrustAndIdentity(ctx), webhook.NameFromEnv(),
		certificates.NewController, configMapWebhook, validatingWebhook, defaultingWebhook, conversionWebhook,
		sinkbinding.NewController, sinkBindingWebhook)
}
