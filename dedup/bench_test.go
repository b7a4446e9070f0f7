package dedup

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// mutexMap is the baseline: all that has to be remembered, in a map behind a
// lock, without a window, a bound or a wait.
type mutexMap struct {
	mu       sync.Mutex
	inFlight map[ID]struct{}
	done     map[ID]time.Time
}

func newMutexMap() *mutexMap {
	return &mutexMap{inFlight: make(map[ID]struct{}), done: make(map[ID]time.Time)}
}

func (m *mutexMap) Begin(_ context.Context, id ID, o Options) (Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.done[id]; ok && time.Since(at) < o.Window {
		return Outcome{Kind: Duplicate, At: at}, nil
	}
	if _, ok := m.inFlight[id]; ok {
		return Outcome{Kind: Busy}, nil
	}
	m.inFlight[id] = struct{}{}
	return Outcome{Kind: Forward, Claim: &mutexMapClaim{m, id}}, nil
}

func (m *mutexMap) Forget(_ context.Context, id ID) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, known := m.done[id]
	delete(m.done, id)
	return known, nil
}

func (m *mutexMap) ForgetEndpoint(context.Context, string) error { return errors.ErrUnsupported }

func (m *mutexMap) Close(context.Context) error { return nil }

type mutexMapClaim struct {
	m  *mutexMap
	id ID
}

func (c *mutexMapClaim) Commit() { c.end(true) }
func (c *mutexMapClaim) Abort()  { c.end(false) }

func (c *mutexMapClaim) end(success bool) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	if _, ok := c.m.inFlight[c.id]; !ok {
		return
	}
	delete(c.m.inFlight, c.id)
	if success {
		c.m.done[c.id] = time.Now()
	}
}

// compare runs a benchmark on a Memory and on the baseline.
func compare(b *testing.B, f func(b *testing.B, s Store)) {
	b.Run("store=memory", func(b *testing.B) {
		m, err := NewMemory(DefaultCapacity)
		if err != nil {
			b.Fatal(err)
		}
		defer m.Close(context.Background())
		f(b, m)
	})
	b.Run("store=mutexmap", func(b *testing.B) { f(b, newMutexMap()) })
}

// benchID is a cheap stand-in for NewID, which has a benchmark of its own.
func benchID(n uint64) (id ID) {
	binary.LittleEndian.PutUint64(id[:], n*0x9e3779b97f4a7c15)
	binary.LittleEndian.PutUint64(id[8:], n)
	return id
}

var benchOptions = Options{Window: 24 * time.Hour, Wait: 2 * time.Second}

func BenchmarkNewID(b *testing.B) {
	id := "0190b5c4-7d6f-7c3e-9d55-6f1f0f6a4c11"
	b.ReportAllocs()
	for b.Loop() {
		NewID("saltare-prod", "id", id)
	}
}

// BenchmarkClaimCommit is what a new delivery costs: Begin and Commit.
func BenchmarkClaimCommit(b *testing.B) {
	compare(b, func(b *testing.B, s Store) {
		var next atomic.Uint64
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				out, err := s.Begin(context.Background(), benchID(next.Add(1)), benchOptions)
				if err != nil || out.Kind != Forward {
					b.Errorf("Begin = %v, %v", out.Kind, err)
					return
				}
				out.Claim.Commit()
			}
		})
	})
}

// BenchmarkDuplicate is what a repeated delivery costs, with 100,000 remembered.
func BenchmarkDuplicate(b *testing.B) {
	const remembered = 100_000
	compare(b, func(b *testing.B, s Store) {
		fill(b, s, remembered)
		var next atomic.Uint64
		b.ReportAllocs()
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				out, err := s.Begin(context.Background(), benchID(next.Add(1)%remembered), benchOptions)
				if err != nil || out.Kind != Duplicate {
					b.Errorf("Begin = %v, %v", out.Kind, err)
					return
				}
			}
		})
	})
}

// BenchmarkRemembered reports the memory that each remembered delivery takes.
func BenchmarkRemembered(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		b.Run("n="+strconv.Itoa(n), func(b *testing.B) {
			compare(b, func(b *testing.B, s Store) {
				before := heap()
				for b.Loop() { // filling again finds duplicates: the heap stays
					fill(b, s, n)
				}
				b.ReportMetric((heap()-before)/float64(n), "B/entry")
				runtime.KeepAlive(s)
			})
		})
	}
}

// fill commits n deliveries, no faster than they settle.
func fill(b *testing.B, s Store, n int) {
	m, settles := s.(*Memory)
	for i := range n {
		out, err := s.Begin(context.Background(), benchID(uint64(i)), benchOptions)
		if err != nil {
			b.Fatal(err)
		}
		if out.Kind == Forward {
			out.Claim.Commit()
		}
		for settles && (i%batchSize == 0 || i == n-1) && m.pendingCommits() > 0 {
			runtime.Gosched()
		}
	}
}

func heap() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}
