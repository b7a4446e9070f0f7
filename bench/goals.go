package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// goal is a ratio that hookpass is to stay below.
type goal struct {
	name        string
	most, found float64
}

// goals are those of which everything was measured.
func (r *results) goals() (all []goal) {
	add := func(name string, most float64, found float64, known bool) {
		if known {
			all = append(all, goal{name, most, found})
		}
	}
	accepted, ok := r.ratio("accepted 1 KiB")
	add("accepted, 1 KiB: processor time to that of plain proxying", 0.75, accepted, ok)
	if large, plainLarge := r.processor(product, "accepted 256 KiB"), r.processor(plain, "accepted 256 KiB"); large > 0 && plainLarge > 0 {
		add("accepted, 256 KiB: what is added to plain proxying, to the bare SHA-256", 1.1, float64(large-plainLarge)/float64(bareHash()), true)
	}
	for _, refused := range []string{"forged", "duplicate", "stale", "unsigned"} {
		found, ok := r.ratio(refused + " 1 KiB")
		add(refused+", 1 KiB: processor time to that of plain proxying", 0.35, found, ok)
	}
	for _, percentile := range []string{"p50", "p99"} {
		latency := func(target string) time.Duration {
			samples := r.cells[cell{target, "latency 1 KiB"}]
			if len(samples) == 0 {
				return 0
			}
			return median(samples, func(i int) time.Duration { return samples[i].latency(percentile) })
		}
		if latency(direct) > 0 && latency(product) > 0 {
			add("latency added to a direct connection, "+percentile+": to that of plain proxying", 1.2,
				float64(latency(product)-latency(direct))/float64(latency(plain)-latency(direct)), true)
		}
	}
	memory := map[string]int64{}
	for _, t := range r.idle {
		memory[t.name] = t.bytes
	}
	if memory[stock] > 0 && memory[product] > 0 {
		add("memory, idle: to that of caddy reverse-proxy as it comes", 1, float64(memory[product])/float64(memory[stock]), true)
	}
	return all
}

// ratio is that of hookpass's processor time to that of forwarding as much by
// plain proxying.
func (r *results) ratio(name string) (float64, bool) {
	samples, base := r.cells[cell{product, name}], r.base(name)
	n := min(len(samples), len(base))
	if n == 0 {
		return 0, false
	}
	return median(samples[:n], func(i int) float64 { return float64(samples[i].processor) / float64(base[i].processor) }), true
}

func (r *results) processor(target, name string) time.Duration {
	samples := r.cells[cell{target, name}]
	if len(samples) == 0 {
		return 0
	}
	return median(samples, func(i int) time.Duration { return samples[i].processor })
}

// base is what plain proxying of deliveries of the same size was measured at.
func (r *results) base(name string) []sample {
	for _, c := range allCases {
		if c.name != name {
			continue
		}
		for _, other := range allCases {
			if other.kind == genuine && !other.fixed && other.size == c.size {
				return r.cells[cell{plain, other.name}]
			}
		}
	}
	return nil
}

func printGoals(w io.Writer, goals []goal) error {
	var text strings.Builder
	text.WriteString("\nGoals:\n\n| | at most | measured | |\n|---|---|---|---|\n")
	for _, g := range goals {
		verdict := "met"
		if g.found > g.most {
			verdict = "not met"
		}
		fmt.Fprintf(&text, "| %s | %.2f | %.2f | %s |\n", g.name, g.most, g.found, verdict)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
