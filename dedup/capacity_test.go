package dedup

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

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

// What was pushed out has no hold on memory, however long its window goes on.
func TestWhatWasEvictedTakesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rounds, each = 300, 1000
		m := newTestMemory(t, each)
		inUse := func() uint64 {
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			return stats.HeapAlloc
		}
		var before uint64
		for i := range rounds {
			if i == rounds/3 {
				before = inUse()
			}
			commitAll(t, m, i*each, (i+1)*each, hour)
			synctest.Wait() // in the cache
			time.Sleep(5 * time.Second)
		}
		if after := inUse(); after > before+1<<20 {
			t.Errorf("%d deliveries are remembered in %d bytes, %d more than before", m.Stats().Entries, after, after-before)
		}
	})
}
