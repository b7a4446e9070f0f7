package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/delivery"
)

// The collectors are the process's: each configuration has a registry of its
// own, and counters that began anew with each reload would tell little.
var (
	deliveries = prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "webhook", Name: "deliveries_total",
		Help: "Deliveries by endpoint and by what became of them.",
	}, []string{"endpoint", "provider", "verdict", "reason", "mode"})

	droppedLines = prometheus.NewCounterFunc(prometheus.CounterOpts{
		Namespace: "caddy", Subsystem: "webhook", Name: "log_lines_dropped_total",
		Help: "Lines of the open delivery logs lost to a full queue or a failing writer.",
	}, func() float64 {
		var dropped uint64
		logs.Range(func(_, value any) bool {
			dropped += value.(*logInUse).Dropped()
			return true
		})
		return float64(dropped)
	})
)

func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range append(keyCounters, deliveries, droppedLines, storeMetrics{}) {
		if err := registry.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			return err
		}
	}
	return nil
}

func count(r *delivery.Record) {
	deliveries.WithLabelValues(r.Endpoint, r.Provider, string(r.Verdict), string(r.Reason), string(r.Mode)).Inc()
}
