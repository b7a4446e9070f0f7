package dedup

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemory(t *testing.T) {
	testStore(t, storeUnderTest{
		run: func(t *testing.T, f func(t *testing.T, s Store)) {
			synctest.Test(t, func(t *testing.T) { f(t, newTestMemory(t, DefaultCapacity)) })
		},
		idle: synctest.Wait,
	})
}

// newTestMemory returns a Memory that is closed at the end of the test.
func newTestMemory(t *testing.T, capacity int) *Memory {
	t.Helper()
	return startTestMemory(t, newMemory(capacity, mustRistretto(t, unlimited)))
}

func startTestMemory(t *testing.T, m *Memory) *Memory {
	t.Helper()
	m.settler.start()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil && m.Stats().InFlight != 0 {
			t.Errorf("the test has left claims open: %v", err)
		}
	})
	return m
}

// pendingCommits returns the number of commits that the cache has not shown yet.
func (m *Memory) pendingCommits() (n int) {
	for i := range m.table {
		sh := &m.table[i]
		sh.mu.Lock()
		n += len(sh.pending)
		sh.mu.Unlock()
	}
	return n
}

func (m *Memory) claimsHeld() (n int) {
	for i := range m.table {
		sh := &m.table[i]
		sh.mu.Lock()
		n += len(sh.claims)
		sh.mu.Unlock()
	}
	return n
}

func commitAll(t *testing.T, s Store, from, to int, o Options) {
	t.Helper()
	for i := from; i < to; i++ {
		forward(t, s, nthID(i), o).Commit()
	}
}

func nthID(i int) ID { return NewID("shop", "id", fmt.Sprint("evt_", i)) }

func TestCapacityIsAtLeastOne(t *testing.T) {
	for _, n := range []int{0, -1} {
		if m, err := NewMemory(n); !errors.Is(err, ErrCapacity) || m != nil {
			t.Errorf("NewMemory(%d) = %v, %v, want ErrCapacity", n, m, err)
		}
	}
	m, err := NewMemory(1)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	if err := m.SetCapacity(0); !errors.Is(err, ErrCapacity) {
		t.Errorf("SetCapacity(0) = %v, want ErrCapacity", err)
	}
}

func TestWindowEndsToTheMillisecond(t *testing.T) {
	const window = 10 * time.Second
	tests := []struct {
		name  string
		cache func(t *testing.T) cache
	}{
		{"settled", func(t *testing.T) cache { return mustRistretto(t, unlimited) }},
		{"pending", func(*testing.T) cache { return keepsNothing{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := startTestMemory(t, newMemory(10, tt.cache(t)))
				o := Options{Window: window}
				committed := time.Now()
				for range 3 { // the third time around, ristretto has cleaned up several times
					forward(t, m, nthID(1), o).Commit()
					synctest.Wait()
					time.Sleep(window - time.Millisecond)
					out := begin(t, m, nthID(1), o)
					wantKind(t, out, Duplicate)
					if !out.At.Equal(committed) {
						t.Errorf("committed at %v, want %v", out.At, committed)
					}
					time.Sleep(time.Millisecond)
					committed = time.Now()
				}
				forward(t, m, nthID(1), o).Abort()
			})
		})
	}
}

// Ristretto's clean-up looks at an item's expiry and deletes the item later: a
// Set in between is lost. Ids that are committed again at the very moment of
// the clean-up, many of them, are what it takes.
func TestCommitAtExpiryDuringCleanUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ids, window = 2000, 5 * time.Second
		m := newTestMemory(t, ids)
		o := Options{Window: window}
		for range 10 {
			commitAll(t, m, 0, ids, o)
			for i := range ids {
				wantKind(t, begin(t, m, nthID(i), o), Duplicate)
			}
			time.Sleep(window)
		}
	})
}

func TestTheWindowOfTheCommitIsNotExtendedByALongerOne(t *testing.T) {
	tests := []struct {
		name  string
		cache func(t *testing.T) cache
	}{
		{"settled", func(t *testing.T) cache { return mustRistretto(t, unlimited) }},
		{"settled late", func(t *testing.T) cache {
			return deaf{mustRistretto(t, unlimited), time.Now().Add(400 * time.Millisecond)}
		}},
		{"pending", func(*testing.T) cache { return keepsNothing{} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := startTestMemory(t, newMemory(10, tt.cache(t)))
				forward(t, m, nthID(1), Options{Window: time.Second}).Commit()
				time.Sleep(time.Second - time.Millisecond)
				wantKind(t, begin(t, m, nthID(1), Options{Window: time.Hour}), Duplicate)
				time.Sleep(2 * time.Millisecond)
				forward(t, m, nthID(1), Options{Window: time.Hour}).Abort()
			})
		})
	}
}

func TestExactlyTheNewestAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const capacity = 5000
		o := Options{Window: time.Hour}
		m := newTestMemory(t, capacity)
		commitAll(t, m, 0, 3*capacity, o)
		synctest.Wait()
		wantNewest(t, m, capacity, 3*capacity)
		want := Stats{Entries: capacity, EvictedEarly: 2 * capacity}
		if got := m.Stats(); got != want {
			t.Errorf("Stats = %+v, want %+v", got, want)
		}

		if err := m.SetCapacity(100); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wantNewest(t, m, 100, 3*capacity)

		if err := m.SetCapacity(200); err != nil {
			t.Fatal(err)
		}
		commitAll(t, m, 3*capacity, 3*capacity+500, o)
		synctest.Wait()
		wantNewest(t, m, 200, 3*capacity+500)
		if n := m.pendingCommits(); n != 0 {
			t.Errorf("%d commits never reached the cache", n)
		}
	})
}

// wantNewest checks that of the first committed ids exactly the last n are
// remembered.
func wantNewest(t *testing.T, m *Memory, n, committed int) {
	t.Helper()
	for i := range committed {
		out := begin(t, m, nthID(i), Options{Window: time.Hour})
		if out.Claim != nil {
			out.Claim.Abort()
		}
		if got, want := out.Kind == Duplicate, i >= committed-n; got != want {
			t.Fatalf("commit %d of %d is remembered: %v, want the newest %d", i, committed, got, n)
		}
	}
}

// The sweep must not take a commit that is still pending for one that expired.
func TestTheCapacityCountsWhatTheCacheDoesNotHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := startTestMemory(t, newMemory(50, keepsNothing{}))
		for i := range 10 {
			commitAll(t, m, 10*i, 10*i+10, Options{Window: time.Hour})
			time.Sleep(3 * sweepEvery)
		}
		wantNewest(t, m, 50, 100)
	})
}

func TestAnEvictedCommitDoesNotTakeALaterOneAlong(t *testing.T) {
	for _, settled := range []bool{true, false} {
		t.Run(fmt.Sprint("settled=", settled), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := cache(keepsNothing{})
				if settled {
					c = mustRistretto(t, unlimited)
				}
				m := startTestMemory(t, newMemory(3, c))
				o := Options{Window: sweepEvery * 3 / 2} // over before it is swept
				commitAll(t, m, 0, 1, o)
				synctest.Wait()
				time.Sleep(o.Window - time.Millisecond)
				commitAll(t, m, 1, 2, o)
				time.Sleep(2 * time.Millisecond)
				commitAll(t, m, 0, 1, o)
				commitAll(t, m, 2, 3, o) // pushes out the first commit of 0
				synctest.Wait()
				wantKind(t, begin(t, m, nthID(0), o), Duplicate)
				if n := m.Stats().EvictedEarly; n != 0 {
					t.Errorf("%d evicted before their window, want 0", n)
				}
			})
		})
	}
}

func TestStatsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, 3)
		o := Options{Window: time.Minute, Wait: time.Second}
		check := func(step string, want Stats) {
			t.Helper()
			synctest.Wait()
			if got := m.Stats(); got != want {
				t.Errorf("%s: Stats = %+v, want %+v", step, got, want)
			}
		}
		check("empty", Stats{})
		claim := forward(t, m, nthID(0), o)
		outcome := beginLater(t, m, nthID(0), o, o)
		check("in flight", Stats{InFlight: 1, Waiters: 2})
		claim.Commit()
		<-outcome
		<-outcome
		check("committed", Stats{Entries: 1})
		time.Sleep(10 * time.Second)
		commitAll(t, m, 1, 3, o)
		check("full", Stats{Entries: 3, EffectiveWindow: 10 * time.Second})
		commitAll(t, m, 3, 5, o)
		check("overfull", Stats{Entries: 3, EvictedEarly: 2})
		forward(t, m, nthID(9), o).Abort()
		check("aborted", Stats{Entries: 3, EvictedEarly: 2})
		time.Sleep(o.Window + 2*sweepEvery)
		check("expired", Stats{EvictedEarly: 2})
	})
}

func TestEvictionIsCountedOnlyWithinTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pending := newStuck()
		for _, c := range []cache{mustRistretto(t, unlimited), pending} {
			m := startTestMemory(t, newMemory(2, c))
			commitAll(t, m, 0, 1, Options{Window: time.Hour}) // keeps the expired one from being swept
			commitAll(t, m, 1, 2, Options{Window: time.Second})
			time.Sleep(10 * time.Second)
			commitAll(t, m, 2, 4, Options{Window: time.Hour})
			synctest.Wait()
			if n := m.Stats().EvictedEarly; n != 1 {
				t.Errorf("%T: %d evicted before their window, want 1: that of an hour", c, n)
			}
		}
		close(pending.release)
	})
}

func TestWhatIsNotRememberedTakesNoCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, 2)
		commitAll(t, m, 0, 2, Options{Window: time.Hour})
		commitAll(t, m, 2, 100, Options{})
		for i := 100; i < 200; i++ {
			forward(t, m, nthID(i), Options{Window: time.Hour}).Abort()
		}
		for i := range 2 {
			wantKind(t, begin(t, m, nthID(i), Options{Window: time.Hour}), Duplicate)
		}
	})
}

// Two ids whose first halves agree: ristretto stores the first one only.
func TestIDsThatRistrettoCannotTellApartAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newTestMemory(t, 10)
		o := Options{Window: time.Minute}
		ids := []ID{{0: 1, 15: 1}, {0: 1, 15: 2}, {0: 1}}
		for _, id := range ids {
			forward(t, m, id, o).Commit()
			synctest.Wait()
		}
		time.Sleep(o.Window - time.Second)
		for _, id := range ids {
			wantKind(t, begin(t, m, id, o), Duplicate)
		}
		if n := m.pendingCommits(); n != 2 {
			t.Errorf("%d commits are pending, want the 2 that collide", n)
		}
		time.Sleep(3 * time.Second)
		for _, id := range ids {
			forward(t, m, id, o).Abort()
		}
		if n := m.pendingCommits(); n != 0 {
			t.Errorf("%d commits are pending after their window, want none", n)
		}
	})
}

// What leaves the ring is deleted from the cache even if it has expired: else
// a cache that misses an expiry would grow without bound.
func TestNothingOutlivesTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newNeverCleans()
		m := startTestMemory(t, newMemory(10, c))
		for i := range 20 {
			o := Options{Window: time.Second}
			if i%3 == 0 {
				o.Window = time.Minute // the short ones expire behind it
			}
			commitAll(t, m, 20*i, 20*i+20, o)
			time.Sleep(2 * time.Second)
			if n := c.len(); n > 10 {
				t.Fatalf("the cache holds %d entries with a capacity of 10", n)
			}
		}
		time.Sleep(2 * time.Minute)
		if n := c.len(); n != 0 {
			t.Errorf("the cache holds %d entries after every window, want none", n)
		}
	})
}

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
				go m.Begin(t.Context(), nthID(i), o)
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
