package chaos

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// vitals is what hookpass says of itself.
type vitals struct {
	resident, heap, goroutines, descriptors float64

	// Bytes of bodies, deliveries, copies and successes to be told: what must be gone
	// at rest.
	buffered, inFlight, claimed, waiters, pending float64

	remembered, logLinesLost, journalErrors, redisErrors float64
}

// atRest returns the vitals once nothing is under way and garbage is collected.
func (r *replica) atRest() vitals {
	r.lab.Helper()
	var before, v vitals
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && !r.lab.Failed(); {
		before, v = v, r.vitals()
		if v.buffered+v.inFlight+v.claimed+v.waiters+v.pending == 0 && v.goroutines == before.goroutines {
			return v
		}
		rest(r.lab.Context(), 200*time.Millisecond)
	}
	r.lab.Errorf("hookpass does not come to rest: %+v", v)
	return v
}

func (r *replica) vitals() (v vitals) {
	r.lab.Helper()
	r.ask("/debug/pprof/heap?gc=1")
	for line := range strings.Lines(r.ask("/metrics")) {
		at := strings.LastIndexByte(line, ' ')
		n, err := strconv.ParseFloat(strings.TrimSpace(line[max(at, 0):]), 64)
		if err != nil {
			continue // a comment
		}
		name, _, _ := strings.Cut(line[:at], "{")
		if to := v.field(name); to != nil {
			*to += n
		}
	}
	return v
}

// field is where a metric goes, the sum of it where it has labels.
func (v *vitals) field(metric string) *float64 {
	switch metric {
	case "process_resident_memory_bytes":
		return &v.resident
	case "go_memstats_heap_alloc_bytes":
		return &v.heap
	case "go_goroutines":
		return &v.goroutines
	case "process_open_fds":
		return &v.descriptors
	case "caddy_webhook_buffered_bytes":
		return &v.buffered
	case "caddy_webhook_in_flight":
		return &v.inFlight
	case "caddy_webhook_dedup_in_flight":
		return &v.claimed
	case "caddy_webhook_dedup_waiters":
		return &v.waiters
	case "caddy_webhook_dedup_redis_pending_commits":
		return &v.pending
	case "caddy_webhook_dedup_entries":
		return &v.remembered
	case "caddy_webhook_log_lines_dropped_total":
		return &v.logLinesLost
	case "caddy_webhook_dedup_journal_errors_total":
		return &v.journalErrors
	case "caddy_webhook_dedup_redis_claim_errors_total", "caddy_webhook_dedup_redis_commit_errors_total":
		return &v.redisErrors
	default:
		return nil
	}
}

// ask returns what the admin API says, and nothing where that failed the test.
func (r *replica) ask(path string) string {
	r.lab.Helper()
	request, err := http.NewRequestWithContext(r.lab.Context(), http.MethodGet, "http://"+r.admin+path, http.NoBody)
	if err != nil {
		r.lab.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.lab.Error(err)
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		r.lab.Error(path, answer.Status, err)
	}
	return string(text)
}

// table is a soak's rows, in Markdown.
type table struct{ rows []row }

// row is what happened in one part of a soak, and how hookpass was behind it.
type row struct {
	at                     time.Duration
	counts                 counts
	forgeries, generations int
	vitals
}

const tableHead = `| after | deliveries | attempts | unanswered | told to try again | duplicates | forgeries | reloads | resident | heap | goroutines | descriptors | buffered | remembered |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

func (r row) String() string {
	c := r.counts
	return fmt.Sprintf("| %v | %d | %d | %d | %d | %d | %d | %d | %.1f MiB | %.1f MiB | %.0f | %.0f | %.0f | %.0f |\n",
		r.at.Round(time.Second), c.deliveries, c.attempts, c.unanswered, c.refused, c.duplicates, r.forgeries, r.generations,
		r.resident/(1<<20), r.heap/(1<<20), r.goroutines, r.descriptors, r.buffered, r.remembered)
}

func (t table) String() string {
	var text strings.Builder
	text.WriteString(tableHead)
	for _, r := range t.rows {
		text.WriteString(r.String())
	}
	return text.String()
}

// growths says what has grown: that the median of the last third is more than a
// tenth, and the given slack, above the median of the middle one. Resident memory
// goes up and down with the garbage of some seconds, which is returned late.
func (t table) growths() (found []string) {
	third := len(t.rows) / 3
	for _, of := range []struct {
		name  string
		slack float64
		value func(r row) float64
	}{
		{"resident memory", 32 << 20, func(r row) float64 { return r.resident }},
		{"heap", 1 << 20, func(r row) float64 { return r.heap }},
		{"goroutines", 5, func(r row) float64 { return r.goroutines }},
		{"descriptors", 5, func(r row) float64 { return r.descriptors }},
	} {
		middle, last := median(t.rows[third:2*third], of.value), median(t.rows[2*third:], of.value)
		if last > middle*1.1+of.slack {
			found = append(found, fmt.Sprintf("%s went from %.0f to %.0f", of.name, middle, last))
		}
	}
	return found
}
