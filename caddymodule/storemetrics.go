package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hookpass/hookpass/dedup"
)

// storeMetrics tell how the memory of deliveries fares, and Redis behind it.
type storeMetrics struct{}

// storeMetric is one of them; S is what the store counts.
type storeMetric[S any] struct {
	*prometheus.Desc
	kind  prometheus.ValueType
	value func(S) float64
}

func gauge[S any](name, help string, value func(S) float64) storeMetric[S] {
	return storeMetric[S]{prometheus.NewDesc("caddy_webhook_dedup_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter[S any](name, help string, value func(S) float64) storeMetric[S] {
	return storeMetric[S]{prometheus.NewDesc("caddy_webhook_dedup_"+name, help, nil, nil), prometheus.CounterValue, value}
}

var memoryMetrics = []storeMetric[dedup.Stats]{
	gauge("entries", "Deliveries remembered.",
		func(s dedup.Stats) float64 { return float64(s.Entries) }),
	gauge("effective_window_seconds", "Age of the oldest delivery remembered: how far back the memory reaches.",
		func(s dedup.Stats) float64 { return s.EffectiveWindow.Seconds() }),
	counter("evicted_early_total", "Deliveries forgotten before their window ended, for lack of capacity.",
		func(s dedup.Stats) float64 { return float64(s.EvictedEarly) }),
	gauge("in_flight", "Deliveries at the application, and not settled.",
		func(s dedup.Stats) float64 { return float64(s.InFlight) }),
	gauge("waiters", "Copies that wait for one in flight.",
		func(s dedup.Stats) float64 { return float64(s.Waiters) }),
	gauge("journal_segments", "Files of the journal.",
		func(s dedup.Stats) float64 { return float64(s.Segments) }),
	gauge("journal_bytes", "Size of the journal.",
		func(s dedup.Stats) float64 { return float64(s.JournalBytes) }),
	counter("journal_errors_total", "What could not be read from the journal, or written to it.",
		func(s dedup.Stats) float64 { return float64(s.JournalErrors) }),
}

var redisMetrics = []storeMetric[dedup.RedisStats]{
	counter("redis_claim_errors_total", "Claims that Redis did not answer.",
		func(s dedup.RedisStats) float64 { return float64(s.ClaimErrors) }),
	counter("redis_commit_errors_total", "Successes that Redis did not take at once.",
		func(s dedup.RedisStats) float64 { return float64(s.CommitErrors) }),
	counter("redis_abort_errors_total", "Failures that Redis did not take at once.",
		func(s dedup.RedisStats) float64 { return float64(s.AbortErrors) }),
	gauge("redis_outage", "1 while Redis does not answer and is not asked.",
		func(s dedup.RedisStats) float64 {
			if s.Outage {
				return 1
			}
			return 0
		}),
	counter("redis_unshared_total", "Deliveries that this replica decided alone, or rejected, as Redis was out.",
		func(s dedup.RedisStats) float64 { return float64(s.Unshared) }),
	counter("redis_leases_lost_total", "Successes that came after their lease, so that another replica may have forwarded the delivery, too.",
		func(s dedup.RedisStats) float64 { return float64(s.LeasesLost) }),
	gauge("redis_pending_commits", "Successes that Redis has yet to be told of.",
		func(s dedup.RedisStats) float64 { return float64(s.PendingCommits) }),
	counter("redis_lost_commits_total", "Successes that Redis was not told of within their window.",
		func(s dedup.RedisStats) float64 { return float64(s.LostCommits) }),
}

// Describe implements prometheus.Collector.
func (storeMetrics) Describe(all chan<- *prometheus.Desc) {
	for _, m := range memoryMetrics {
		all <- m.Desc
	}
	for _, m := range redisMetrics {
		all <- m.Desc
	}
}

// Collect implements prometheus.Collector. While a configuration takes the place
// of another, each may have a Redis of its own.
func (storeMetrics) Collect(all chan<- prometheus.Metric) {
	collect(all, memories, memoryMetrics, func(value any) dedup.Stats { return value.(memoryInUse).Stats() })
	collect(all, redises, redisMetrics, func(value any) dedup.RedisStats { return value.(redisInUse).Stats() })
}

func collect[S any](all chan<- prometheus.Metric, pool *caddy.UsagePool, metrics []storeMetric[S], stats func(any) S) {
	var each []S
	pool.Range(func(_, value any) bool {
		each = append(each, stats(value))
		return true
	})
	if len(each) == 0 {
		return
	}
	for _, m := range metrics {
		sum := 0.0
		for _, s := range each {
			sum += m.value(s)
		}
		all <- prometheus.MustNewConstMetric(m.Desc, m.kind, sum)
	}
}
