package main

import (
	"knative.dev/eventing/pkg/adapter/apiserver"
	"knative.dev/eventing/pkg/adapter/mtping"
	"knative.dev/eventing/pkg/adapter/v2"
	"knative.dev/pkg/signals"
)

func apiServerReceiveAdapter() {
	ctx := withTrustAndIdentity(adapter.WithInjectorEnabled(signals.NewContext()))
	adapter.MainWithContext(ctx, "apiserversource", apiserver.NewEnvConfig, apiserver.NewAdapter)
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
	adapter.MainWithContext(withTrustAndIdentity(ctx), component, mtping.NewEnvConfig, mtping.NewAdapter)
}
