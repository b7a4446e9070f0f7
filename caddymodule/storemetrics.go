package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/dedup"
)

// memoryMetrics tell how the process's memory of deliveries fares.
type memoryMetrics struct{}

type memoryMetric struct {
	*prometheus.Desc
	kind  prometheus.ValueType
	value func(dedup.Stats) float64
}

func memoryGauge(name, help string, value func(dedup.Stats) float64) memoryMetric {
	return memoryMetric{prometheus.NewDesc("caddy_webhook_dedup_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func memoryCounter(name, help string, value func(dedup.Stats) float64) memoryMetric {
	return memoryMetric{prometheus.NewDesc("caddy_webhook_dedup_"+name, help, nil, nil), prometheus.CounterValue, value}
}

var allMemoryMetrics = []memoryMetric{
	memoryGauge("entries", "Deliveries remembered.",
		func(s dedup.Stats) float64 { return float64(s.Entries) }),
	memoryGauge("effective_window_seconds", "Age of the oldest delivery remembered: how far back the memory reaches.",
		func(s dedup.Stats) float64 { return s.EffectiveWindow.Seconds() }),
	memoryCounter("evicted_early_total", "Deliveries forgotten before their window ended, for lack of capacity.",
		func(s dedup.Stats) float64 { return float64(s.EvictedEarly) }),
	memoryGauge("in_flight", "Deliveries at the application, and not settled.",
		func(s dedup.Stats) float64 { return float64(s.InFlight) }),
	memoryGauge("waiters", "Copies that wait for one in flight.",
		func(s dedup.Stats) float64 { return float64(s.Waiters) }),
	memoryGauge("journal_segments", "Files of the journal.",
		func(s dedup.Stats) float64 { return float64(s.Segments) }),
	memoryGauge("journal_bytes", "Size of the journal.",
		func(s dedup.Stats) float64 { return float64(s.JournalBytes) }),
	memoryCounter("journal_errors_total", "What could not be read from the journal, or written to it.",
		func(s dedup.Stats) float64 { return float64(s.JournalErrors) }),
}

// Describe implements prometheus.Collector.
func (memoryMetrics) Describe(all chan<- *prometheus.Desc) {
	for _, m := range allMemoryMetrics {
		all <- m.Desc
	}
}

// Collect implements prometheus.Collector.
func (memoryMetrics) Collect(all chan<- prometheus.Metric) {
	memories.Range(func(_, value any) bool {
		stats := value.(memoryInUse).Stats()
		for _, m := range allMemoryMetrics {
			all <- prometheus.MustNewConstMetric(m.Desc, m.kind, m.value(stats))
		}
		return true
	})
}
