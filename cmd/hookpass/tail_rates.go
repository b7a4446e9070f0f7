package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/hookpass/hookpass/caddymodule"
	"github.com/hookpass/hookpass/delivery"
)

const (
	pollEvery   = time.Second
	pollTimeout = 5 * time.Second

	// ratedPolls are those over which rates are taken.
	ratedPolls = 5
)

// counts are exact, whatever the stream leaves out.
type counts struct {
	at    time.Time
	by    map[delivery.Verdict]float64
	shown int
}

func (c counts) total() (n float64) {
	for _, one := range c.by {
		n += one
	}
	return n
}

// rates are what the newest counts tell.
type rates struct {
	first  counts // of the process that is asked
	newest []counts
}

func (r *rates) add(c counts) {
	if len(r.newest) > 0 {
		for verdict, n := range r.newest[len(r.newest)-1].by {
			if c.by[verdict] < n { // another process counts anew, or an endpoint has gone
				r.newest = nil
				break
			}
		}
	}
	if len(r.newest) == 0 {
		r.first = c
	}
	r.newest = append(r.newest, c)
	r.newest = r.newest[max(0, len(r.newest)-ratedPolls-1):]
}

// String tells them all, in the order of the pipeline's verdicts.
func (r *rates) String() string {
	oldest, newest := r.newest[0], r.newest[len(r.newest)-1]
	over := newest.at.Sub(oldest.at).Seconds()
	var words []string
	for _, verdict := range verdicts {
		v := delivery.Verdict(verdict)
		if n := newest.by[v] - oldest.by[v]; n > 0 {
			words = append(words, fmt.Sprintf("%s %.1f/s", verdict, n/over))
		}
	}
	if len(words) == 0 {
		words = []string{"no deliveries"}
	}
	return fmt.Sprintf("last %.0f s: %s", over, strings.Join(words, ", "))
}

// missed returns how many deliveries the stream has left out. Those of the last second
// may still be on their way.
func (r *rates) missed() int {
	before := r.newest[max(0, len(r.newest)-2)]
	return max(0, int(before.total()-r.first.total())-(r.newest[len(r.newest)-1].shown-r.first.shown))
}

// count shows rates until ctx ends.
func (t *tail) count(ctx context.Context, s *screen) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for r := new(rates); ; {
		by, err := t.counted(ctx)
		s.setStatus(func(shown int) string {
			if err != nil {
				return "nobody answers at " + plain(t.address)
			}
			r.add(counts{t.now(), by, shown})
			text := r.String()
			if missed := r.missed(); missed > 0 && *t.filters["event"] == "" && *t.filters["delivery_id"] == "" { // which nobody counts
				text += fmt.Sprintf("; %d not shown", missed)
			}
			return text
		})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// counted returns how many deliveries there were since the process began, of those
// that are to be shown.
func (t *tail) counted(ctx context.Context) (map[delivery.Verdict]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	var all caddymodule.Endpoints
	if err := t.ask(ctx, http.MethodGet, caddymodule.EndpointsPath, nil, &all); err != nil {
		return nil, err
	}
	by := map[delivery.Verdict]float64{}
	for _, e := range all.Endpoints {
		if !among(*t.filters["endpoint"], e.Name) || !among(*t.filters["provider"], e.Provider) {
			continue
		}
		for verdict, n := range e.Deliveries {
			by[verdict] += n
		}
	}
	maps.DeleteFunc(by, func(v delivery.Verdict, _ float64) bool { return !among(*t.filters["verdict"], string(v)) })
	return by, nil
}

// among reports whether a filter, which may be empty, lets a value pass.
func among(filter, value string) bool { return filter == "" || filter == value }
