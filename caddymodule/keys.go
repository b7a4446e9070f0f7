package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/go-jose/go-jose/v4"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/keyfetch"
	"github.com/hookpass/hookpass/webhook"
)

// publishedKeys are the process's: what one endpoint has fetched serves all, and
// a reload forgets nothing.
var publishedKeys = newKeySource(nil, nil)

// keySource is a cache as the package webhook sees it.
type keySource struct{ *keyfetch.Cache }

func newKeySource(transport http.RoundTripper, now func() time.Time) keySource {
	cache := keyfetch.New(transport, now)
	cache.Failed = func(err error) {
		caddy.Log().Named(appName).Warn("published keys could not be fetched", zap.Error(err))
	}
	return keySource{cache}
}

// Keys implements [webhook.KeySource].
func (s keySource) Keys(r webhook.KeyRequest, id string) ([]jose.JSONWebKey, error) {
	return s.Cache.Keys(keyfetch.Request(r), id)
}

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
