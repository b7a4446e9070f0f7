package dedup

import (
	"context"
	"sync/atomic"
	"testing"
)

// benchReplicas returns stores that share a Redis on the loopback.
func benchReplicas(b *testing.B, n int) (replicas []*Redis) {
	b.Helper()
	redis := startRedis(b)
	for range n {
		m, err := NewMemory(DefaultCapacity)
		if err != nil {
			b.Fatal(err)
		}
		r, err := NewRedis(m, RedisOptions{URLs: []string{redis.url()}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			_ = r.Close(context.Background())
			_ = m.Close(context.Background())
		})
		replicas = append(replicas, r)
	}
	return replicas
}

// BenchmarkRedisClaimCommit is what a new delivery costs with one sender, or with
// as many as there are processors, beside the Memory alone.
func BenchmarkRedisClaimCommit(b *testing.B) {
	claimCommit := func(s Store, next *atomic.Uint64) bool {
		out, err := s.Begin(context.Background(), benchID(next.Add(1)), benchOptions)
		if err != nil || out.Kind != Forward {
			return false
		}
		out.Claim.Commit()
		return true
	}
	stores := map[string]Store{"redis": benchReplicas(b, 1)[0]}
	m, err := NewMemory(DefaultCapacity)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = m.Close(context.Background()) })
	stores["memory"] = m
	var next atomic.Uint64
	for _, name := range []string{"memory", "redis"} {
		s := stores[name]
		b.Run("one/store="+name, func(b *testing.B) {
			for b.Loop() {
				if !claimCommit(s, &next) {
					b.Fatal("not forwarded")
				}
			}
		})
		b.Run("parallel/store="+name, func(b *testing.B) {
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if !claimCommit(s, &next) {
						b.Error("not forwarded")
					}
				}
			})
		})
	}
}

// BenchmarkRedisDuplicate is what a repeated delivery costs: at the replica that
// has handled it, and at another one that hears of it for the first time.
func BenchmarkRedisDuplicate(b *testing.B) {
	replicas := benchReplicas(b, 2)
	var n uint64
	b.Run("here", func(b *testing.B) {
		forwardBench(b, replicas[0], 0)
		for b.Loop() {
			duplicateBench(b, replicas[0], 0)
		}
	})
	b.Run("elsewhere", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			n++
			forwardBench(b, replicas[0], n)
			b.StartTimer()
			duplicateBench(b, replicas[1], n)
		}
	})
	// From a commit to a copy's knowing of it that waits at another replica.
	b.Run("waiting elsewhere", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			n++
			out, err := replicas[0].Begin(context.Background(), benchID(n), benchOptions)
			if err != nil || out.Kind != Forward {
				b.Fatal(out.Kind, err)
			}
			known := make(chan struct{})
			go func() {
				defer close(known)
				duplicateBench(b, replicas[1], n)
			}()
			eventually(b, "a copy waits", func() bool { return replicas[1].local.Stats().Waiters == 1 })
			b.StartTimer()
			out.Claim.Commit()
			<-known
		}
	})
}

func forwardBench(b *testing.B, s Store, n uint64) {
	b.Helper()
	out, err := s.Begin(context.Background(), benchID(n), benchOptions)
	if err != nil || out.Kind != Forward {
		b.Fatal(out.Kind, err)
	}
	out.Claim.Commit()
}

func duplicateBench(b *testing.B, s Store, n uint64) {
	b.Helper()
	if out, err := s.Begin(context.Background(), benchID(n), benchOptions); err != nil || out.Kind != Duplicate {
		b.Error(out.Kind, err)
	}
}
