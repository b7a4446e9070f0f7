package delivery

import (
	"slices"
	"sync"
	"time"
)

// verdicts are all there are, in the order in which a [History] counts them.
var verdicts = []Verdict{VerdictForwarded, VerdictFailed, VerdictDuplicate, VerdictBusy, VerdictIgnored, VerdictHandshake, VerdictRejected}

const remembered = 60 // minutes

// History counts the deliveries of the last hour, by minute and verdict.
//
// Its zero value is empty. Its methods may be called concurrently.
type History struct {
	mu      sync.Mutex
	minutes [remembered]minute // by the minute of Unix time modulo their number
}

type minute struct {
	start  int64 // in minutes of Unix time
	counts [7]uint64
}

// Minute is what became of the deliveries of one minute.
type Minute struct {
	Minute     time.Time          `json:"minute"`     // at which it begins
	Deliveries map[Verdict]uint64 `json:"deliveries"` // without those of which there were none
}

// Add counts a delivery.
func (h *History) Add(v Verdict, at time.Time) {
	i := slices.Index(verdicts, v)
	if i < 0 {
		return
	}
	start := at.Unix() / 60
	h.mu.Lock()
	defer h.mu.Unlock()
	m := &h.minutes[start%remembered]
	if start != m.start { // also where the clock was set back: that hour is over, too
		*m = minute{start: start}
	}
	m.counts[i]++
}

// LastHour returns the minutes of the hour before now that had deliveries, the
// oldest first.
func (h *History) LastHour(now time.Time) []Minute {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []Minute{}
	for start := max(now.Unix()/60-remembered+1, 0); start <= now.Unix()/60; start++ {
		m := &h.minutes[start%remembered]
		if m.start != start {
			continue
		}
		counted := Minute{time.Unix(start*60, 0).UTC(), map[Verdict]uint64{}}
		for i, n := range m.counts {
			if n > 0 {
				counted.Deliveries[verdicts[i]] = n
			}
		}
		all = append(all, counted)
	}
	return all
}
