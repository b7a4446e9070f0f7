package dedup

import (
	"context"
	"sync/atomic"
	"testing"
)

// BenchmarkRedis is what a new delivery costs, as BenchmarkClaimCommit, with a
// Redis on this machine, and what a copy costs that another replica has handled.
func BenchmarkRedis(b *testing.B) {
	server := startRedis(b)
	replica := func(b *testing.B) *Redis {
		r, err := NewRedis(openForBench(b), RedisOptions{URLs: []string{server.url()}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = r.Close(context.Background()) })
		return r
	}
	var next atomic.Uint64
	run := func(b *testing.B, first, second Store) {
		b.ReportAllocs()
		b.SetParallelism(32) // as deliveries come
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				id := benchID(next.Add(1))
				out, err := first.Begin(context.Background(), id, benchOptions)
				if err != nil || out.Kind != Forward {
					b.Errorf("Begin = %v, %v", out.Kind, err)
					return
				}
				out.Claim.Commit()
				if second == nil {
					continue
				}
				if out, err = second.Begin(context.Background(), id, benchOptions); err != nil || out.Kind != Duplicate {
					b.Errorf("Begin = %v, %v", out.Kind, err)
					return
				}
			}
		})
	}
	b.Run("new", func(b *testing.B) { run(b, replica(b), nil) })
	b.Run("new+copy", func(b *testing.B) { run(b, replica(b), replica(b)) })
}
