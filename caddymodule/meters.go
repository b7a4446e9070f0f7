package caddymodule

import (
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

// metersByName are those of the endpoints, by name. They go with the last
// configuration that has the endpoint, so that nobody is told of the silence of one
// that was removed.
var metersByName = caddy.NewUsagePool()

// meters measure one endpoint. Each is found once, and not for every delivery.
type meters struct {
	deliveries, replays   *prometheus.CounterVec
	verify, forward, body prometheus.Histogram
	inFlight              prometheus.Gauge
	lastUse               *prometheus.GaugeVec // by label of a secret

	// Of the newest verified delivery: when it arrived, and how long before that it
	// was signed, in nanoseconds; least: there was none, or it has no timestamp.
	newest, age atomic.Int64

	history delivery.History

	all []prometheus.Collector
}

const never = -1 << 63

var (
	newestDesc = prometheus.NewDesc("caddy_webhook_last_verified_timestamp_seconds",
		"When the newest verified delivery arrived, in Unix time.", []string{"endpoint"}, nil)
	ageDesc = prometheus.NewDesc("caddy_webhook_timestamp_age_seconds",
		"How long before its arrival the newest verified delivery was signed; negative where the sender's clock is ahead.", []string{"endpoint"}, nil)
)

func newMeters(endpoint string) *meters {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "caddy", Subsystem: "webhook", Name: name, Help: help, Buckets: buckets,
		}, []string{"endpoint"}).WithLabelValues(endpoint).(prometheus.Histogram)
	}
	m := &meters{
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "webhook", Name: "deliveries_total",
			Help: "Deliveries by endpoint and by what became of them.",
		}, []string{"endpoint", "provider", "verdict", "reason", "mode"}),
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "caddy", Subsystem: "webhook", Name: "replays_total",
			Help: "Deliveries that were handled again, by hand or, as it seems, by somebody who captured them.",
		}, []string{"endpoint", "replayed", "verdict"}),
		verify: histogram("verify_seconds", "Time spent on verifying a delivery.",
			[]float64{5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, .1, 1, 10}),
		forward: histogram("forward_seconds", "Time that the application took for a delivery.",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}),
		body: histogram("body_bytes", "Bytes read of the bodies of deliveries.",
			prometheus.ExponentialBuckets(256, 4, 9)),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "webhook", Name: "in_flight",
			Help: "Deliveries that are not answered yet.",
		}, []string{"endpoint"}).WithLabelValues(endpoint),
		lastUse: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "caddy", Subsystem: "webhook", Name: "secret_last_used_timestamp_seconds",
			Help: "When a delivery was last verified with the secret, in Unix time; 0: not since the process began.",
		}, []string{"endpoint", "secret"}),
	}
	m.newest.Store(never)
	m.age.Store(never)
	m.all = []prometheus.Collector{m.deliveries, m.replays, m.verify, m.forward, m.body, m.inFlight, m.lastUse}
	return m
}

// secretMeters are those of an endpoint's secrets, by label.
func (m *meters) secretMeters(endpoint string, secrets []webhook.Secret) map[string]prometheus.Gauge {
	uses := map[string]prometheus.Gauge{}
	for _, s := range secrets {
		uses[s.Label()] = m.lastUse.WithLabelValues(endpoint, s.Label())
	}
	return uses
}

// count takes a delivery into account that has ended. A replay tells nothing of its
// sender, nor of the clocks.
func (x *exchange) count() {
	m, r := x.h.meters, &x.record
	defer m.inFlight.Dec() // once the rest is told
	if r.Replayed != "" {
		m.replays.WithLabelValues(r.Endpoint, string(r.Replayed), string(r.Verdict)).Inc()
	}
	if x.replay != nil {
		return
	}
	m.deliveries.WithLabelValues(r.Endpoint, r.Provider, string(r.Verdict), string(r.Reason), string(r.Mode)).Inc()
	m.history.Add(r.Verdict, r.Time)
	if r.Verify != 0 {
		m.verify.Observe(r.Verify.Seconds())
	}
	if r.Forward != 0 {
		m.forward.Observe(r.Forward.Seconds())
	}
	if r.BodyBytes != 0 {
		m.body.Observe(float64(r.BodyBytes))
	}
	if !x.verified {
		return
	}
	m.newest.Store(r.Time.UnixNano())
	if r.TimestampKnown {
		m.age.Store(int64(r.TimestampAge))
	}
	if use, labelled := x.h.uses[r.Secret]; labelled {
		use.Set(float64(r.Time.UnixMilli()) / 1000)
	}
}

// Destruct implements [caddy.Destructor].
func (*meters) Destruct() error { return nil }

// endpointMetrics are the metrics of all endpoints.
type endpointMetrics struct{}

// Describe implements prometheus.Collector.
func (endpointMetrics) Describe(all chan<- *prometheus.Desc) {
	all <- newestDesc
	all <- ageDesc
	for _, c := range newMeters("").all {
		c.Describe(all)
	}
}

// Collect implements prometheus.Collector.
func (endpointMetrics) Collect(all chan<- prometheus.Metric) {
	metersByName.Range(func(name, value any) bool {
		m := value.(*meters)
		for _, c := range m.all {
			c.Collect(all)
		}
		if newest := m.newest.Load(); newest != never {
			all <- prometheus.MustNewConstMetric(newestDesc, prometheus.GaugeValue, time.Duration(newest).Seconds(), name.(string))
		}
		if age := m.age.Load(); age != never {
			all <- prometheus.MustNewConstMetric(ageDesc, prometheus.GaugeValue, time.Duration(age).Seconds(), name.(string))
		}
		return true
	})
}
