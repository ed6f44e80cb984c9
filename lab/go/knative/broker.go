package main

import (
	"context"
	"log"
	"time"

	"github.com/kelseyhightower/envconfig"
	"go.uber.org/zap"
	corev1listers "k8s.io/client-go/listers/core/v1"

	"knative.dev/eventing/pkg/apis/feature"
	"knative.dev/eventing/pkg/auth"
	"knative.dev/eventing/pkg/broker"
	"knative.dev/eventing/pkg/broker/filter"
	"knative.dev/eventing/pkg/broker/ingress"
	eventingclient "knative.dev/eventing/pkg/client/injection/client"
	brokerinformer "knative.dev/eventing/pkg/client/injection/informers/eventing/v1/broker"
	triggerinformer "knative.dev/eventing/pkg/client/injection/informers/eventing/v1/trigger"
	eventpolicyinformer "knative.dev/eventing/pkg/client/injection/informers/eventing/v1alpha1/eventpolicy"
	eventtypeinformer "knative.dev/eventing/pkg/client/injection/informers/eventing/v1beta3/eventtype"
	subscriptioninformer "knative.dev/eventing/pkg/client/injection/informers/messaging/v1/subscription"
	"knative.dev/eventing/pkg/eventingtls"
	"knative.dev/eventing/pkg/eventtype"
	o11yconfigmap "knative.dev/eventing/pkg/observability/configmap"
	"knative.dev/eventing/pkg/observability/otel"
	"knative.dev/eventing/pkg/requestreply"
	kubeclient "knative.dev/pkg/client/injection/kube/client"
	configmapinformer "knative.dev/pkg/client/injection/kube/informers/core/v1/configmap/filtered"
	configmap "knative.dev/pkg/configmap/informer"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/observability/metrics"
	k8sruntime "knative.dev/pkg/observability/runtime/k8s"
	"knative.dev/pkg/observability/tracing"
	"knative.dev/pkg/signals"
	"knative.dev/pkg/system"
)

// brokerPart is what ingress and filter have in common: clients, informers and settings that follow their ConfigMaps.
type brokerPart struct {
	ctx          context.Context
	logger       *zap.Logger
	informers    []controller.Informer
	settings     *configmap.InformedWatcher
	features     *feature.Store
	trustBundles corev1listers.ConfigMapNamespaceLister
	meters       *metrics.MeterProvider
	tracers      *tracing.TracerProvider
	// autoCreate gets the creator of EventTypes if that feature is on.
	autoCreate func(*eventtype.EventTypeAutoHandler)
}

func newBrokerPart(component, telemetry string) *brokerPart {
	config := injection.ParseAndGetRESTConfigOrDie()
	ctx := withTrustAndIdentity(injection.WithConfig(signals.NewContext(), config))
	p := &brokerPart{}
	p.ctx, p.informers = injection.Default.SetupInformers(ctx, config)

	logs, err := sharedmain.GetLoggingConfig(p.ctx)
	if err != nil {
		log.Fatal("Error loading the logging configuration: ", err)
	}
	sugared, level := logging.NewLoggerFromConfig(logs, component)
	p.logger = sugared.Desugar()
	profiling := k8sruntime.NewProfilingServer(sugared.Named("pprof"))
	p.meters, p.tracers = otel.SetupObservabilityOrDie(p.ctx, telemetry, sugared, profiling)

	p.settings = configmap.NewInformedWatcher(kubeclient.Get(p.ctx), system.Namespace())
	p.settings.Watch(o11yconfigmap.Name(), profiling.UpdateFromConfigMap)
	p.settings.Watch(logging.ConfigMapName(), logging.UpdateLevelFromConfigMap(sugared, level, component))
	p.features = feature.NewStore(logging.FromContext(p.ctx).Named("feature-config-store"), func(string, any) {
		p.maybeAutoCreate()
	})
	p.features.WatchConfigs(p.settings)
	p.trustBundles = configmapinformer.Get(p.ctx, eventingtls.TrustBundleLabelSelector).Lister().ConfigMaps(system.Namespace())
	return p
}

func (p *brokerPart) maybeAutoCreate() {
	if p.autoCreate == nil || !p.features.IsEnabled(feature.EvenTypeAutoCreate) {
		return
	}
	p.autoCreate(&eventtype.EventTypeAutoHandler{
		EventTypeLister: eventtypeinformer.Get(p.ctx).Lister(),
		EventingClient:  eventingclient.Get(p.ctx).EventingV1beta3(),
		FeatureStore:    p.features,
		Logger:          p.logger,
	})
}

func (p *brokerPart) verifier() *auth.Verifier {
	return auth.NewVerifier(p.ctx, eventpolicyinformer.Get(p.ctx).Lister(), p.trustBundles, p.settings)
}

// run serves until the process is asked to end.
func (p *brokerPart) run(servers *eventingtls.ServerManager) {
	if err := p.settings.Start(p.ctx.Done()); err != nil {
		p.logger.Warn("Failed to watch ConfigMaps", zap.Error(err))
	}
	p.maybeAutoCreate()
	if err := controller.StartInformers(p.ctx.Done(), p.informers...); err != nil {
		p.logger.Fatal("Failed to start informers", zap.Error(err))
	}
	if err := servers.StartServers(p.ctx); err != nil {
		p.logger.Fatal("The servers ended", zap.Error(err))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = p.meters.Shutdown(ctx)
	_ = p.tracers.Shutdown(ctx)
	_ = p.logger.Sync()
}

func brokerIngress() {
	var env struct {
		MaxTTL    int32 `envconfig:"MAX_TTL" default:"255"`
		HTTPPort  int   `envconfig:"INGRESS_PORT" default:"8080"`
		HTTPSPort int   `envconfig:"INGRESS_PORT_HTTPS" default:"8443"`
	}
	envconfig.MustProcess("", &env)
	p := newBrokerPart("mt_broker_ingress", "broker.ingress")
	handler, err := ingress.NewHandler(p.logger, broker.TTLDefaulter(p.logger, env.MaxTTL), brokerinformer.Get(p.ctx),
		p.verifier(), auth.NewOIDCTokenProvider(p.ctx), p.trustBundles, p.features.ToContext, p.meters, p.tracers)
	if err != nil {
		p.logger.Fatal("Error creating the handler", zap.Error(err))
	}
	p.autoCreate = func(creator *eventtype.EventTypeAutoHandler) { handler.EvenTypeHandler = creator }
	servers, err := ingress.NewServerManager(p.ctx, p.logger, p.settings, env.HTTPPort, env.HTTPSPort, p.meters, p.tracers, handler)
	if err != nil {
		p.logger.Fatal("Error creating the servers", zap.Error(err))
	}
	p.run(servers)
}

func brokerFilter() {
	var env struct {
		HTTPPort  int `envconfig:"FILTER_PORT" default:"8080"`
		HTTPSPort int `envconfig:"FILTER_PORT_HTTPS" default:"8443"`
	}
	envconfig.MustProcess("", &env)
	p := newBrokerPart("mt_broker_filter", "broker.filter")
	handler, err := filter.NewHandler(p.logger, p.verifier(), auth.NewOIDCTokenProvider(p.ctx), triggerinformer.Get(p.ctx),
		brokerinformer.Get(p.ctx), subscriptioninformer.Get(p.ctx), p.trustBundles, p.features.ToContext, p.meters, p.tracers)
	if err != nil {
		p.logger.Fatal("Error creating the handler", zap.Error(err))
	}
	p.autoCreate = func(creator *eventtype.EventTypeAutoHandler) { handler.EventTypeCreator = creator }
	servers, err := filter.NewServerManager(p.ctx, p.logger, p.settings, env.HTTPPort, env.HTTPSPort, p.meters, p.tracers, handler)
	if err != nil {
		p.logger.Fatal("Error creating the servers", zap.Error(err))
	}
	if err := requestreply.RegisterCESQLVerifyCorrelationIdFilter(p.ctx); err != nil {
		p.logger.Fatal("Failed to register KN_VERIFY_CORRELATION_ID", zap.Error(err))
	}
	p.run(servers)
}
