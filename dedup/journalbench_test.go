package dedup

import (
	"context"
	"sync/atomic"
	"testing"
)

// BenchmarkJournal is what a new delivery costs, as BenchmarkClaimCommit, with a
// journal and without.
func BenchmarkJournal(b *testing.B) {
	for _, fsync := range []Fsync{"none", FsyncNever, FsyncInterval, FsyncAlways} {
		b.Run("fsync="+string(fsync), func(b *testing.B) {
			m := openForBench(b)
			if fsync != "none" {
				keepForBench(b, m, JournalOptions{b.TempDir(), fsync})
			}
			var next atomic.Uint64
			b.ReportAllocs()
			b.SetParallelism(32) // as deliveries come
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					out, err := m.Begin(context.Background(), benchID(next.Add(1)), benchOptions)
					if err != nil || out.Kind != Forward {
						b.Errorf("Begin = %v, %v", out.Kind, err)
						return
					}
					out.Claim.Commit()
				}
			})
			b.StopTimer()
			if n := m.Stats().JournalErrors; n != 0 {
				b.Errorf("%d errors", n)
			}
		})
	}
}

// BenchmarkRecovery is how long a start takes with a million deliveries in the
// journal, until the first one can be answered.
func BenchmarkRecovery(b *testing.B) {
	o := JournalOptions{Dir: b.TempDir()}
	m := openForBench(b)
	keepForBench(b, m, o)
	for i := range uint64(DefaultCapacity) {
		out, err := m.Begin(context.Background(), benchID(i), benchOptions)
		if err != nil || out.Kind != Forward {
			b.Fatalf("Begin = %v, %v", out.Kind, err)
		}
		out.Claim.Commit()
	}
	bytes := m.Stats().JournalBytes
	if err := m.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		m := openForBench(b)
		b.StartTimer()
		keepForBench(b, m, o)
		out, err := m.Begin(context.Background(), benchID(DefaultCapacity/2), benchOptions)
		b.StopTimer()
		if err != nil || out.Kind != Duplicate || m.Stats().Entries != DefaultCapacity {
			b.Fatalf("Begin = %v, %v with %d entries", out.Kind, err, m.Stats().Entries)
		}
		if err := m.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(bytes)/DefaultCapacity, "disk-B/entry")
}

func openForBench(b *testing.B) *Memory {
	b.Helper()
	m, err := NewMemory(DefaultCapacity)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close(context.Background()) })
	return m
}

func keepForBench(b *testing.B, m *Memory, o JournalOptions) {
	b.Helper()
	if err := m.SetJournal(o); err != nil {
		b.Fatal(err)
	}
}
