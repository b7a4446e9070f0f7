package chaos

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

const (
	// A commit takes far less. Who is killed this soon after the application's
	// answer may not have come to it: no store can know of an outcome that was
	// not reported to it.
	commitTime = time.Second

	// After an outage Redis has been told by then of what it missed.
	arrearsTime = 3 * time.Second

	// What the application notices late: that hookpass gave a request up.
	noticeTime = 300 * time.Millisecond

	mostViolations = 10
)

// violations says what should not have happened, in words.
func (l *lab) violations() []string {
	killed := map[string]time.Duration{}
	for _, r := range l.replicas {
		maps.Copy(killed, r.killed)
	}
	var outages []outage
	if l.cache != nil {
		outages = l.cache.outages
	}
	var all []string
	for i := range l.histories {
		h := &l.histories[i]
		slices.SortFunc(h.visits, func(a, b visit) int { return cmp.Compare(a.start, b.start) })
		for _, found := range []string{h.together(), h.handledAgain(killed, outages), h.falseSuccess(), h.sentAway(), h.lost()} {
			if found != "" {
				all = append(all, fmt.Sprintf("delivery %d of %s: %s\n\tapplication %v\n\tsenders %v", i, h.provider.name, found, h.visits, h.attempts))
			}
		}
		if len(all) >= mostViolations {
			break
		}
	}
	return all
}

// together finds two copies that were at the application at the same time.
func (h *history) together() string {
	for n := 1; n < len(h.visits); n++ {
		end := h.visits[n-1].end
		if h.visits[n-1].cancelled {
			end -= noticeTime
		}
		if h.visits[n].start < end {
			return fmt.Sprintf("requests %d and %d were there together", n-1, n)
		}
	}
	return ""
}

// handledAgain finds a request that came after another was answered with
// success, unless nobody is left who could have known: hookpass was killed before
// it had told a sender, or while it was the only one to remember, as Redis was
// out.
func (h *history) handledAgain(killed map[string]time.Duration, outages []outage) string {
	for n := 1; n < len(h.visits); n++ {
		before, next := h.visits[n-1], h.visits[n]
		if !before.handled() {
			continue
		}
		at, crashed := killed[before.incarnation]
		unsaid := crashed && at <= before.end+commitTime && !h.acknowledgedBefore(next.start)
		untold := crashed && slices.ContainsFunc(outages, func(o outage) bool {
			return o.from <= before.end+commitTime && before.end <= o.to+commitTime && at <= o.to+arrearsTime
		})
		if !unsaid && !untold {
			return fmt.Sprintf("forwarded again after request %d was handled", n-1)
		}
	}
	return ""
}

// falseSuccess finds a sender that was told of a success before there was one.
func (h *history) falseSuccess() string {
	for n, a := range h.attempts {
		if a.acknowledged() && !slices.ContainsFunc(h.visits, func(v visit) bool { return v.handled() && v.end <= a.end }) {
			return fmt.Sprintf("attempt %d was answered %d before the application had handled it", n, a.status)
		}
	}
	return ""
}

// sentAway finds a genuine delivery whose sender was told not to try again.
func (h *history) sentAway() string {
	for n, a := range h.attempts {
		if a.status/100 == 4 {
			return fmt.Sprintf("attempt %d was answered %d", n, a.status)
		}
	}
	return ""
}

// lost finds a delivery that never got through although its sender went on.
func (h *history) lost() string {
	if !h.givesUp && !slices.ContainsFunc(h.attempts, attempt.acknowledged) {
		return "never got through"
	}
	return ""
}

// counts is what happened in a run.
type counts struct {
	deliveries, attempts, unanswered, refused, duplicates, requests, failures, kills int
}

func (l *lab) count() counts {
	c := counts{deliveries: len(l.histories)}
	for i := range l.histories {
		h := &l.histories[i]
		c.attempts += len(h.attempts)
		c.requests += len(h.visits)
		for _, a := range h.attempts {
			switch {
			case a.duplicate:
				c.duplicates++
			case a.status == 0:
				c.unanswered++
			case !a.acknowledged():
				c.refused++
			}
		}
		for _, v := range h.visits {
			if !v.handled() {
				c.failures++
			}
		}
	}
	for _, r := range l.replicas {
		c.kills += len(r.killed)
	}
	return c
}

func (l *lab) summary() string {
	c := l.count()
	return fmt.Sprintf("%d deliveries in %v: %d attempts, %d unanswered, %d told to try again, %d duplicates; %d requests at the application, %d failed; %d kills, %d configurations",
		c.deliveries, l.now().Round(time.Millisecond), c.attempts, c.unanswered, c.refused, c.duplicates, c.requests, c.failures, c.kills, l.replicas[0].generation)
}

// provesSomething fails if nothing went wrong in the run.
func (l *lab) provesSomething(t *testing.T) {
	t.Helper()
	c := l.count()
	if c.unanswered == 0 || c.refused == 0 || c.duplicates == 0 || c.failures == 0 || l.kills && c.kills == 0 {
		t.Errorf("too quiet to prove anything: %+v", c)
	}
}
