package dedup

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var seeds = flag.Int("seeds", 30, "seeds of the model test for each set-up, and at most for each mutant")

// The model test drives a store with random deliveries, writes down what was
// forwarded and answered, and checks the history against the promises of Store
// (see check). Time is synctest's, so "when" is exact.

const (
	modelWorkers    = 24
	modelDeliveries = 60 // by each worker
	modelStep       = 50 * time.Millisecond
	modelLongest    = 10 * time.Second // the longest window
)

var (
	modelWindows   = []time.Duration{5 * time.Second, modelLongest}
	modelEndpoints = []string{"shop", "bank"}

	modelWaits = []time.Duration{0, 2 * modelStep, 2 * time.Second}
)

// delivery is a copy of a delivery as its sender saw it: what Begin answered,
// and when. Sequence numbers order what happens at the same time.
type delivery struct {
	id ID
	Options
	called   int64
	returned int64
	from, to time.Duration // when Begin was called, and when it returned
	gone     bool          // the sender had gone by then
	outcome  Outcome
	at       time.Duration // of a duplicate
	forward  forwarded     // of a forward
}

// forwarded is what became of a claim.
type forwarded struct {
	success bool
	perhaps bool  // it is not known whether there was a success
	ending  int64 // before the claim was ended
	ended   int64 // after
	at      time.Duration
	by      *claim
}

func (f forwarded) mayHaveSucceeded() bool { return f.success || f.perhaps }

// model runs one history.
type model struct {
	store Store
	ids   int
	sharing

	start      time.Time
	seq        atomic.Int64
	mu         sync.Mutex
	deliveries []delivery
	forgets    []forgotten

	mortal *mortal // the store, if processes keep it that come and go
	deaths map[*Memory]death
}

// sharing is what differs where several processes share a store.
type sharing struct {
	slack   time.Duration // by how much later a copy may learn that another process has ended a claim
	lag     time.Duration // and that it was told to forget
	tick    time.Duration // by how much clocks may differ
	lease   time.Duration
	windows []time.Duration // default: modelWindows
	crash   func(Claim)     // ends a claim as if its process had died; nil: none does
	refuses bool            // the store may say that it cannot tell
	keeps   bool            // nothing is to be forgotten
	faster  time.Duration   // by what all times are divided, where they are those of a clock
	overrun bool            // the application does not know of deadlines: copies may be there together
}

// forgotten is a Forget, or, without an id, a ForgetEndpoint.
type forgotten struct {
	id               ID
	endpoint         string
	called, returned int64
	to               time.Duration
}

func (f forgotten) covers(d delivery) bool { return f.id == d.id || f.endpoint == d.Endpoint }

func (m *model) run(t *testing.T, seed uint64) {
	m.start = time.Now()
	m.faster = max(m.faster, 1)
	if m.windows == nil {
		m.windows = modelWindows
	}
	var wg sync.WaitGroup
	if m.mortal != nil {
		ended := make(chan struct{})
		dead := make(chan struct{})
		go func() {
			defer close(dead)
			m.restart(ended, rand.New(rand.NewPCG(seed, modelWorkers)))
		}()
		defer func() { close(ended); <-dead; m.buryTheDead() }()
	}
	for w := range modelWorkers {
		rng := rand.New(rand.NewPCG(seed, uint64(w)))
		wg.Go(func() {
			for range modelDeliveries {
				if rng.IntN(100) == 0 && !m.keeps {
					m.forget(t, rng)
				}
				m.deliver(t, rng)
				pause := time.Duration(rng.IntN(4)) * modelStep
				if rng.IntN(40) == 0 {
					pause = modelLongest/2 + time.Duration(rng.IntN(200))*modelStep
				}
				time.Sleep(pause / m.faster)
			}
		})
	}
	wg.Wait()
}

// forget is what an operator does to have deliveries sent again.
func (m *model) forget(t *testing.T, rng *rand.Rand) {
	time.Sleep(m.tick)
	f := forgotten{called: m.seq.Add(1)}
	var err error
	if rng.IntN(3) == 0 {
		f.endpoint = modelEndpoints[rng.IntN(len(modelEndpoints))]
		err = m.store.ForgetEndpoint(t.Context(), f.endpoint)
	} else {
		f.id = nthID(rng.IntN(m.ids))
		_, err = m.store.Forget(t.Context(), f.id)
	}
	f.returned, f.to = m.seq.Add(1), time.Since(m.start)
	switch {
	case err == nil:
	case m.refuses, m.mortal != nil && (errors.Is(err, ErrClosed) || errors.Is(err, ErrJournal)):
		f.returned, f.to = math.MaxInt64, math.MaxInt64/2 // it may or may not have
	default:
		t.Errorf("Forget: %v", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgets = append(m.forgets, f)
}

// deliver sends one copy of one delivery.
func (m *model) deliver(t *testing.T, rng *rand.Rand) {
	n := rng.IntN(m.ids)
	if rng.IntN(3) == 0 {
		n = 0 // a favourite, so that there are more copies than may wait
	}
	d := delivery{id: nthID(n), Options: Options{
		Endpoint: modelEndpoints[n%len(modelEndpoints)],

		Window: m.windows[rng.IntN(len(m.windows))] / m.faster,
		Wait:   modelWaits[rng.IntN(len(modelWaits))] / m.faster,
		Lease:  m.lease,
	}}
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if rng.IntN(5) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rng.IntN(20))*modelStep/m.faster)
	}
	defer cancel()

	d.called, d.from = m.seq.Add(1), time.Since(m.start)
	out, err := m.store.Begin(ctx, d.id, d.Options)
	d.returned, d.to = m.seq.Add(1), time.Since(m.start)
	switch {
	case m.mortal != nil && errors.Is(err, ErrClosed), m.refuses && errors.Is(err, ErrUnavailable):
		return // the connection is refused, or nobody can tell
	case err != nil:
		t.Errorf("Begin: %v", err)
		return
	}
	d.outcome, d.at, d.gone = out, out.At.Sub(m.start), ctx.Err() != nil
	if out.Kind == Forward {
		m.forward(&d, rng)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deliveries = append(m.deliveries, d)
}

// forward plays the proxy and the application behind it.
func (m *model) forward(d *delivery, rng *rand.Rand) {
	f := &d.forward
	f.by, _ = d.outcome.Claim.(*claim)
	defer func() { f.ended = m.seq.Add(1) }()
	defer func() { _ = recover() }()
	defer d.outcome.Claim.Abort()

	takes, what := time.Duration(rng.IntN(8))*modelStep/m.faster, rng.IntN(10)
	if deadline := d.outcome.Deadline; !deadline.IsZero() && time.Until(deadline) < takes && !m.overrun {
		takes, what = time.Until(deadline), 8
	}
	time.Sleep(takes)
	f.success = what < 5
	f.ending, f.at = m.seq.Add(1), time.Since(m.start)
	if m.crash != nil && !f.success && rng.IntN(4) == 0 {
		m.crash(d.outcome.Claim)
		time.Sleep(time.Until(d.outcome.Deadline) + LeaseMargin)
		f.at = time.Since(m.start) // until when the delivery is kept from others
		return
	}
	switch what {
	case 0: // confused, but the first call counts
		d.outcome.Claim.Commit()
		d.outcome.Claim.Abort()
		d.outcome.Claim.Commit()
	case 9:
		panic("the application's connection broke")
	default:
		if f.success {
			d.outcome.Claim.Commit()
		}
	}
}

// check returns how the history breaks the promises of Store, given the
// capacity. The numbers are those of the invariants below.
//
//	I1  One copy of a delivery is in flight at a time.
//	I2  Within the window of a success there is no forward, as long as fewer
//	    than capacity commits followed and it was not forgotten.
//	I3  A duplicate has a success within the window, at the time it states, that
//	    was not forgotten.
//	I4  A failure leaves no trace: follows from I3 and I5.
//	I5  A copy waits, and is busy, only while another one is in flight; busy
//	    means that it waited as long as it would, that its sender has gone, or
//	    that too many are waiting.
func (m *model) check(capacity int) (broken []string) {
	history := m.deliveries
	report := func(invariant string, d delivery, format string, args ...any) {
		broken = append(broken, fmt.Sprintf("%s: %v of %x at %v: %s", invariant,
			d.outcome.Kind, d.id[:2], d.to, fmt.Sprintf(format, args...)))
	}
	byID := make(map[ID][]delivery)
	var commits []delivery
	for _, d := range history {
		byID[d.id] = append(byID[d.id], d)
		if d.forward.mayHaveSucceeded() {
			commits = append(commits, d)
		}
	}
	for _, copies := range byID {
		var forwards []delivery
		for _, d := range copies {
			if d.outcome.Kind == Forward {
				forwards = append(forwards, d)
			}
		}
		slices.SortFunc(forwards, func(a, b delivery) int { return int(a.returned - b.returned) })
		for i, f := range forwards {
			for _, g := range forwards[:i] {
				if f.returned < g.forward.ending && !m.overrun {
					report("I1", f, "another copy was in flight")
				}
				window := min(f.Window, g.Window)
				decided := f.returned
				if m.overrun { // f may have been decided on just before g ended
					decided = f.called
				}
				if g.forward.success && g.forward.ended < decided && f.to-g.forward.at < window && !m.forgot(g, f) &&
					followers(commits, g, f) < capacity {
					report("I2", f, "handled %v ago", f.to-g.forward.at)
				}
			}
		}
		for _, d := range copies {
			if d.to-d.from > max(d.Wait, 0)+m.slack {
				report("I5", d, "waited %v of %v", d.to-d.from, d.Wait)
			}
			if free := freeTime(forwards, d); free > m.slack {
				report("I5", d, "waited although the delivery was free for %v", free)
			}
			switch d.outcome.Kind {
			case Duplicate:
				if !slices.ContainsFunc(forwards, func(f delivery) bool {
					return f.forward.mayHaveSucceeded() && f.forward.ending < d.returned && !m.mustForget(f, d) &&
						(f.forward.at-d.at).Abs() < time.Millisecond+m.tick &&
						d.to-d.at < d.Window+m.slack+m.tick && d.to-d.at <= f.Window+m.slack+m.tick
				}) {
					report("I3", d, "no success at %v", d.at)
				}
			case Busy:
				if !slices.ContainsFunc(forwards, func(f delivery) bool {
					return f.called < d.returned && (f.forward.ended > d.called || m.slack > 0) &&
						f.to <= d.to+m.slack && d.from <= f.forward.at+m.slack
				}) && !m.refuses && (m.slack == 0 || !overtaken(copies, d)) {
					report("I5", d, "no copy was in flight")
				}
				if d.to-d.from < d.Wait && !d.gone && waiting(copies, d) < maxWaitersPerID {
					report("I5", d, "waited %v of %v", d.to-d.from, d.Wait)
				}
			}
		}
	}
	return broken
}

// forgot reports whether the success of first may have been forgotten when second
// returned.
func (m *model) forgot(first, second delivery) bool {
	return slices.ContainsFunc(m.forgets, func(f forgotten) bool {
		return f.covers(first) && (f.returned > first.forward.ending || f.to+m.lag > first.forward.at) && f.called < second.returned
	})
}

// mustForget reports whether the success of first must have been forgotten when
// second was called.
func (m *model) mustForget(first, second delivery) bool {
	return slices.ContainsFunc(m.forgets, func(f forgotten) bool {
		return f.covers(first) && f.called > first.forward.ended && f.returned < second.called && f.to+m.lag <= second.from
	})
}

// followers counts the commits that may have come between the success of first
// and the forward of second.
func followers(commits []delivery, first, second delivery) (n int) {
	for _, c := range commits {
		if c.called != first.called && c.forward.ended > first.forward.ending && c.forward.ending < second.returned {
			n++
		}
	}
	return n
}

// waiting counts the other copies that may have been waiting when d returned.
func waiting(copies []delivery, d delivery) (n int) {
	for _, other := range copies {
		if other.called != d.called && other.Wait > 0 && other.called < d.returned && other.returned > d.called {
			n++
		}
	}
	return n
}

// overtaken reports whether another process may have been asked, when d returned, what has
// become of the delivery.
func overtaken(copies []delivery, d delivery) bool {
	return slices.ContainsFunc(copies, func(other delivery) bool {
		return other.called != d.called && other.called < d.returned && other.returned > d.called
	})
}

// freeTime returns for how long at a stretch no other copy was in flight while d
// waited: who looks again and again may be unlucky each time that one fails. The
// forwards come in the order in which they began.
func freeTime(forwards []delivery, d delivery) (free time.Duration) {
	covered := d.from
	for _, f := range forwards {
		if f.called == d.called || f.forward.at < covered {
			continue
		}
		if f.to >= d.to {
			break
		}
		free = max(free, f.to-covered)
		covered = f.forward.at
	}
	return max(free, d.to-covered)
}

// setUps are the circumstances under which a Memory must keep its promises.
var setUps = []struct {
	name     string
	capacity int
	cache    func(t *testing.T, rng *rand.Rand) cache
}{
	{"ristretto", DefaultCapacity, func(t *testing.T, _ *rand.Rand) cache {
		return mustRistretto(t, unlimited)
	}},
	{"hostile cache", DefaultCapacity, func(t *testing.T, rng *rand.Rand) cache {
		return hostile{mustRistretto(t, unlimited), rng}
	}},
	{"cache that keeps nothing", DefaultCapacity, func(*testing.T, *rand.Rand) cache {
		return keepsNothing{}
	}},
	{"ristretto, capacity 6", 6, func(t *testing.T, _ *rand.Rand) cache {
		return mustRistretto(t, unlimited)
	}},
	{"hostile cache, capacity 6", 6, func(t *testing.T, rng *rand.Rand) cache {
		return hostile{mustRistretto(t, unlimited), rng}
	}},
}

func TestModel(t *testing.T) {
	for _, setUp := range setUps {
		t.Run(setUp.name, func(t *testing.T) {
			var counts [Busy + 1]int
			for seed := range uint64(*seeds) {
				synctest.Test(t, func(t *testing.T) {
					rng := rand.New(rand.NewPCG(seed, 1<<32))
					m := startTestMemory(t, newMemory(setUp.capacity, setUp.cache(t, rng)))
					model := &model{store: m, ids: 16}
					model.run(t, seed)
					for _, violation := range model.check(setUp.capacity) {
						t.Errorf("seed %d: %s", seed, violation)
					}
					for _, d := range model.deliveries {
						counts[d.outcome.Kind]++
					}
					time.Sleep(modelLongest + 2*sweepEvery)
					s := m.Stats()
					s.EvictedEarly = 0
					if pending, held := m.pendingCommits(), m.claimsHeld(); s != (Stats{}) || pending+held > 0 {
						t.Errorf("seed %d: left after the last window: %+v, %d pending, %d claims", seed, s, pending, held)
					}
				})
				if t.Failed() {
					return
				}
			}
			t.Logf("%d seeds: %d forwards, %d duplicates, %d busy, none out of order",
				*seeds, counts[Forward], counts[Duplicate], counts[Busy])
		})
	}
}
