package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// The collectors are the process's: each configuration has a registry of its
// own, and counters that began anew with each reload would tell little.
var (
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

	bufferedBytes = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "caddy", Subsystem: "webhook", Name: "buffered_bytes",
		Help: "Bytes of bodies held now, of max_buffered at most.",
	}, func() float64 { return float64(buffers.used.Load()) })

	bufferedLimit = prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "caddy", Subsystem: "webhook", Name: "buffered_bytes_limit",
		Help: "The most bytes of bodies that are held at once: max_buffered.",
	}, func() float64 { return float64(buffers.limit.Load()) })
)

// collectors are all of the module's metrics.
func collectors() []prometheus.Collector {
	return append([]prometheus.Collector{droppedLines, bufferedBytes, bufferedLimit, storeMetrics{}, endpointMetrics{}}, keyCounters...)
}

func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range collectors() {
		if err := registry.Register(c); err != nil && !errors.As(err, &prometheus.AlreadyRegisteredError{}) {
			return err
		}
	}
	return nil
}
