package dedup

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestBeginAndCommitNeverWaitForTheCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 1000
		c := newStuck()
		m := startTestMemory(t, newMemory(capacity, c))
		start := time.Now()
		o := Options{Window: time.Hour}
		commitAll(t, m, 0, 10*capacity, o)
		wantNewest(t, m, capacity, 10*capacity)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v for a cache that is stuck", waited)
		}
		if n := m.pendingCommits(); n != capacity {
			t.Errorf("%d commits are pending, want the capacity, %d", n, capacity)
		}
		close(c.release)
		synctest.Wait()
		wantNewest(t, m, capacity, 10*capacity)
		if n := m.pendingCommits(); n != 0 {
			t.Errorf("%d commits are pending with a cache that works again", n)
		}
	})
}

func TestFloodLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const commits, writers = 200_000, 8
		m := newTestMemory(t, commits)
		o := Options{Window: time.Minute}
		ids := make([]ID, commits)
		for i := range ids {
			ids[i] = nthID(i)
		}
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := w; i < commits; i += writers {
					forward(t, m, ids[i], o).Commit()
				}
			})
		}
		wg.Wait()
		wantAll := func(want Kind) {
			t.Helper()
			for _, id := range ids {
				wantKind(t, begin(t, m, id, o), want)
			}
		}
		wantAll(Duplicate) // many of them still on their way
		synctest.Wait()
		if n := m.pendingCommits(); n != 0 {
			t.Errorf("%d commits never reached the cache", n)
		}
		time.Sleep(o.Window - time.Millisecond)
		wantAll(Duplicate)

		// All of them expire, in one bucket of ristretto's, under new commits.
		for i := range 1000 {
			commitAll(t, m, commits+i, commits+i+1, o)
			time.Sleep(10 * time.Millisecond)
		}
		if n := m.Stats().Entries; n != 1000 {
			t.Errorf("%d entries, want the 1000 new ones", n)
		}
		for i := range 1000 {
			wantKind(t, begin(t, m, nthID(commits+i), o), Duplicate)
		}
	})
}

// 64 copies of each delivery at once, to an application that is slow and fails
// one call in five: each is handled with success exactly once.
func TestEachDeliveryIsHandledOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const deliveries, copies = 1000, 64
		m := newTestMemory(t, deliveries)
		o := Options{Window: time.Hour, Wait: 2 * time.Second}
		var calls atomic.Int64
		app := make([]struct{ handled, running atomic.Int64 }, deliveries)
		handle := func(n int) bool {
			if app[n].running.Add(1) > 1 {
				t.Errorf("two copies of delivery %d are at the application", n)
			}
			defer app[n].running.Add(-1)
			call := calls.Add(1)
			time.Sleep(time.Duration(call%7) * 50 * time.Millisecond)
			if call%5 == 0 {
				return false
			}
			app[n].handled.Add(1)
			return true
		}
		// deliver is one try of a sender, and reports whether the answer was 2xx.
		deliver := func(n int) bool {
			out := begin(t, m, nthID(n), o)
			if out.Kind != Forward {
				return out.Kind == Duplicate
			}
			defer out.Claim.Abort()
			success := handle(n)
			if success {
				out.Claim.Commit()
			}
			return success
		}
		var wg sync.WaitGroup
		for n := range deliveries {
			for range copies {
				wg.Go(func() {
					for !deliver(n) {
						time.Sleep(500 * time.Millisecond)
					}
				})
			}
		}
		wg.Wait()
		for n := range app {
			if handled := app[n].handled.Load(); handled != 1 {
				t.Errorf("delivery %d was handled %d times, want once", n, handled)
			}
		}
		if failures := calls.Load() - deliveries; failures < deliveries/10 {
			t.Errorf("the application failed %d times, want about %d", failures, deliveries/4)
		}
	})
}

func TestWaitersAreLimitedInTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, DefaultCapacity)
		o := Options{Window: time.Minute, Wait: time.Second}
		const ids = maxWaiters/maxWaitersPerID + 1
		var claims []Claim
		for i := range ids {
			claims = append(claims, forward(t, m, nthID(i), o))
		}
		for i := range ids - 1 {
			for range maxWaitersPerID {
				go func() { _, _ = m.Begin(t.Context(), nthID(i), o) }()
			}
		}
		synctest.Wait()
		if n := m.Stats().Waiters; n != maxWaiters {
			t.Fatalf("%d copies wait, want %d", n, maxWaiters)
		}
		start := time.Now()
		wantKind(t, begin(t, m, nthID(ids-1), o), Busy)
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v, want no wait", waited)
		}
		for _, c := range claims {
			c.Commit()
		}
		synctest.Wait()
		if s, held := m.Stats(), m.claimsHeld(); s.InFlight != 0 || s.Waiters != 0 || held != 0 {
			t.Errorf("%+v and %d claims held, want none of each", s, held)
		}
	})
}

func TestCloseUnderLoad(t *testing.T) {
	for range 50 {
		m, err := NewMemory(100)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var served atomic.Int64
		for w := range 8 {
			wg.Go(func() {
				for i := 0; ; i++ {
					o := Options{Window: time.Minute, Wait: time.Minute}
					out, err := m.Begin(t.Context(), nthID((w*i)%500), o)
					if err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Errorf("Begin: %v", err)
						}
						return
					}
					if out.Kind == Forward {
						runtime.Gosched()
						out.Claim.Commit()
					}
					served.Add(1)
				}
			})
		}
		for served.Load() < 1000 {
			runtime.Gosched()
		}
		for range 2 {
			wg.Go(func() {
				if err := m.Close(context.Background()); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			wg.Go(func() {
				m.Stats()
				if err := m.SetCapacity(50); err != nil {
					t.Errorf("SetCapacity: %v", err)
				}
			})
		}
		wg.Wait()
	}
	// The goroutines of ristretto and the settler have ended when Close returns,
	// or are about to: give them the processor.
	var stacks string
	for range 1000 {
		buf := make([]byte, 1<<20)
		stacks = string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "ristretto") && !strings.Contains(stacks, "settler") {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("goroutines are left after Close:\n%s", stacks)
}
