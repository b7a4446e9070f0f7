package dedup

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemory(t *testing.T) {
	testStore(t, storeUnderTest{
		run: func(t *testing.T, f func(t *testing.T, s Store)) {
			synctest.Test(t, func(t *testing.T) { f(t, newTestMemory(t, DefaultCapacity)) })
		},
		idle:    func(*testing.T, Store, int) { synctest.Wait() },
		waiters: 16,
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
