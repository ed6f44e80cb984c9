package main

import (
	"context"

	"knative.dev/eventing/pkg/adapter/apiserver"
	"knative.dev/eventing/pkg/adapter/mtping"
	"knative.dev/eventing/pkg/adapter/v2"
	"knative.dev/pkg/signals"
)

func apiServerReceiveAdapter() {
	ctx := withTrustAndIdentity(adapter.WithInjectorEnabled(signals.NewContext()))
	runAdapter(ctx, "apiserversource", apiserver.NewEnvConfig, apiserver.NewAdapter)
}

// runAdapter is the adapter package's, except that probes have a port of their own.
func runAdapter(ctx context.Context, component string, env adapter.EnvConfigConstructor, constructor adapter.AdapterConstructor) {
	serveProbes()
	adapter.MainWithContext(adapter.WithHealthProbesDisabled(ctx), component, env, constructor)
}

func pingAdapter() {
	const component = "pingsource-mt-adapter"
	// Close to a full minute it lives on for a moment, so that no beat is lost to its end.
	ctx := mtping.NewDelayingContext(signals.NewContext(), mtping.GetNoShutDownAfterValue())
	ctx = adapter.WithController(ctx, mtping.NewController)
	ctx = adapter.WithHAEnabled(ctx)
	ctx = adapter.WithConfigWatcherEnabled(ctx)
	ctx = adapter.WithConfiguratorOptions(ctx, []adapter.ConfiguratorOption{
		adapter.WithLoggerConfigurator(adapter.NewLoggerConfiguratorFromConfigMap(component)),
		adapter.WithObservabilityConfigurator(adapter.NewObservabilityConfiguratorFromConfigMap()),
		adapter.WithCloudEventsStatusReporterConfigurator(adapter.NewCloudEventsReporterConfiguratorFromConfigMap()),
	})
	runAdapter(withTrustAndIdentity(ctx), component, mtping.NewEnvConfig, mtping.NewAdapter)
}
