package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// publishedKeys are the process's: what one endpoint has fetched serves all, and
// a reload forgets nothing.
var publishedKeys = keyfetch.New(nil, nil)

var errNoSecret = errors.New("no secret: write secret {env.NAME}")

// checkSecrets tells whether as many secrets are given as the scheme has use for.
func (h *VerifyWebhook) checkSecrets(facts webhook.Facts) error {
	switch {
	case facts.FetchesKeys && len(h.Secrets) > 0:
		return wrong("secret", "the provider's keys are fetched from where it publishes them: remove it")
	case !facts.FetchesKeys && len(h.Secrets) == 0:
		return errNoSecret
	default:
		return nil
	}
}

func keyCounter(name, help string, value func() uint64) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "webhook", Name: name, Help: help,
	}, func() float64 { return float64(value()) })
}

var keyCounters = []prometheus.Collector{
	keyCounter("key_fetches_total", "Requests made for published keys.", publishedKeys.Counters.Fetches.Load),
	keyCounter("key_fetch_failures_total", "Requests for published keys that brought none.", publishedKeys.Counters.Failures.Load),
	keyCounter("key_stale_total", "Deliveries checked with expired keys, as their source was down.", publishedKeys.Counters.Stale.Load),
	keyCounter("key_limited_total", "Deliveries refused as too many new key URLs of a host were named.", publishedKeys.Counters.Limited.Load),
}

// Interface guard
var _ webhook.KeySource = publishedKeys
