package dedup

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// mutants are stores with one fault each, made from the parts of the real one.
// The model test is worth something if it finds every one of them.
var mutants = []struct {
	name     string
	capacity int // that the store claims to have
	store    func(t *testing.T, capacity int, rng *rand.Rand) Store
}{
	{"looks up, then sets, without a claim", DefaultCapacity, func(t *testing.T, _ int, _ *rand.Rand) Store {
		return newNaive(t)
	}},
	{"remembers before the outcome", DefaultCapacity, wrapped(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			out, err := b(ctx, id, o)
			if out.Kind == Forward {
				out.Claim.Commit()
			}
			return out, err
		}
	})},
	{"commits failures", DefaultCapacity, wrapped(withClaim(func(c Claim) Claim {
		return claimFuncs{c.Commit, c.Commit}
	}))},
	{"leaks the claim of a failure", DefaultCapacity, wrapped(withClaim(func(c Claim) Claim {
		return claimFuncs{c.Commit, func() {}}
	}))},
	{"aborts successes", DefaultCapacity, wrapped(withClaim(func(c Claim) Claim {
		return claimFuncs{c.Abort, c.Abort}
	}))},
	{"has a window 5 % short", DefaultCapacity, wrapped(withOptions(func(o Options) Options {
		o.Window -= o.Window / 20
		return o
	}))},
	{"has a window 5 % long", DefaultCapacity, wrapped(withOptions(func(o Options) Options {
		o.Window += o.Window / 20
		return o
	}))},
	{"ignores the window at look-up", DefaultCapacity, wrapped(withOptions(func(o Options) Options {
		o.Window = modelLongest
		return o
	}))},
	{"waits half as long as asked to", DefaultCapacity, wrapped(withOptions(func(o Options) Options {
		o.Wait /= 2
		return o
	}))},
	{"forwards when the wait is over", DefaultCapacity, wrapped(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			out, err := b(ctx, id, o)
			if out.Kind == Busy {
				out = Outcome{Kind: Forward, Claim: claimFuncs{func() {}, func() {}}}
			}
			return out, err
		}
	})},
	{"takes a copy in flight for a success", DefaultCapacity, wrapped(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			out, err := b(ctx, id, o)
			if out.Kind == Busy {
				out = Outcome{Kind: Duplicate, At: time.Now()}
			}
			return out, err
		}
	})},
	{"believes a cache that drops 5 %", DefaultCapacity, func(t *testing.T, capacity int, rng *rand.Rand) Store {
		m := newMemory(capacity, dropping{mustRistretto(t, unlimited), rng})
		m.settler.cache = &believing{cache: m.cache, told: make(map[ID]time.Duration)}
		return startTestMemory(t, m)
	}},
	{"forgets nothing it is told to forget", DefaultCapacity, func(t *testing.T, capacity int, _ *rand.Rand) Store {
		return deafToForget{newTestMemory(t, capacity)}
	}},
	{"forgets without a grave", DefaultCapacity, func(t *testing.T, capacity int, _ *rand.Rand) Store {
		return withoutGraves{newTestMemory(t, capacity)}
	}},
	{"ignores that the endpoint was forgotten", DefaultCapacity, wrapped(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			o.Endpoint = ""
			return b(ctx, id, o)
		}
	})},
	{"leaves the capacity to ristretto", 6, func(t *testing.T, capacity int, _ *rand.Rand) Store {
		return startTestMemory(t, newMemory(DefaultCapacity, mustRistretto(t, int64(capacity))))
	}},
	{"evicts by id, whichever commit it is", 6, func(t *testing.T, capacity int, rng *rand.Rand) Store {
		return newByID(startTestMemory(t, newMemory(DefaultCapacity, mustRistretto(t, unlimited))), capacity)
	}},
	{"remembers one delivery less than its capacity", 6, func(t *testing.T, capacity int, rng *rand.Rand) Store {
		return newTestMemory(t, capacity-1)
	}},
	{"evicts in the order of the cache", 6, func(t *testing.T, capacity int, rng *rand.Rand) Store {
		m := newMemory(DefaultCapacity, hostile{mustRistretto(t, unlimited), rng})
		m.settler.cache = &byAcceptance{cache: m.cache, store: m, capacity: capacity}
		return startTestMemory(t, m)
	}},
}

func TestModelFindsEveryMutant(t *testing.T) {
	for _, mutant := range mutants {
		t.Run(mutant.name, func(t *testing.T) {
			modelFinds(t, mutant.capacity, func(t *testing.T, rng *rand.Rand) Store {
				return mutant.store(t, mutant.capacity, rng)
			})
		})
	}
}

// modelFinds checks that one of the seeds finds a store out.
func modelFinds(t *testing.T, capacity int, open func(t *testing.T, rng *rand.Rand) Store) {
	for seed := range uint64(*seeds) {
		var broken []string
		synctest.Test(t, func(t *testing.T) {
			model := &model{store: open(t, rand.New(rand.NewPCG(seed, 1<<32))), ids: 16}
			model.mortal, _ = model.store.(*mortal)
			model.run(t, seed)
			broken = model.check(capacity)
		})
		if len(broken) > 0 {
			t.Logf("found by seed %d: %s", seed, broken[0])
			return
		}
	}
	t.Errorf("%d seeds do not notice", *seeds)
}

type beginFunc func(context.Context, ID, Options) (Outcome, error)

// deafToForget is a Memory that says that it has forgotten.
type deafToForget struct{ *Memory }

func (deafToForget) Forget(context.Context, ID) (bool, error)     { return true, nil }
func (deafToForget) ForgetEndpoint(context.Context, string) error { return nil }

// withoutGraves is a Memory that leaves forgetting to the settler.
type withoutGraves struct{ *Memory }

func (w withoutGraves) Forget(_ context.Context, id ID) (bool, error) {
	sh := w.table.shard(id)
	sh.mu.Lock()
	at, known := w.last(sh, id)
	delete(sh.pending, id)
	sh.mu.Unlock()
	w.settler.forget(slot{id, commit{at: at}})
	return known, nil
}

// wrapper is a Memory with another Begin.
type wrapper struct {
	*Memory
	begin beginFunc
}

func (w wrapper) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	return w.begin(ctx, id, o)
}

func wrapped(fault func(beginFunc) beginFunc) func(*testing.T, int, *rand.Rand) Store {
	return func(t *testing.T, capacity int, _ *rand.Rand) Store {
		m := newMemory(capacity, mustRistretto(t, unlimited))
		m.settler.start()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = m.Close(ctx) // a mutant may leave claims open
		})
		return wrapper{m, fault(m.Begin)}
	}
}

func withOptions(fault func(Options) Options) func(beginFunc) beginFunc {
	return func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			return b(ctx, id, fault(o))
		}
	}
}

func withClaim(fault func(Claim) Claim) func(beginFunc) beginFunc {
	return func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			out, err := b(ctx, id, o)
			if out.Claim != nil {
				out.Claim = fault(out.Claim)
			}
			return out, err
		}
	}
}

// claimFuncs is a claim made of functions.
type claimFuncs struct{ commit, abort func() }

func (c claimFuncs) Commit() { c.commit() }
func (c claimFuncs) Abort()  { c.abort() }

// naive is a cache and nothing else.
type naive struct {
	cache cache
	epoch time.Time
}

func newNaive(t *testing.T) naive {
	n := naive{mustRistretto(t, unlimited), time.Now()}
	t.Cleanup(n.cache.Close)
	return n
}

func (n naive) Begin(_ context.Context, id ID, o Options) (Outcome, error) {
	if at, ok := n.cache.Get(id); ok && time.Since(n.epoch)-at < o.Window {
		return Outcome{Kind: Duplicate, At: n.epoch.Add(at)}, nil
	}
	var ended sync.Once
	return Outcome{Kind: Forward, Claim: claimFuncs{
		commit: func() { ended.Do(func() { n.cache.Set(id, time.Since(n.epoch), o.Window) }) },
		abort:  func() { ended.Do(func() {}) },
	}}, nil
}

func (n naive) Forget(_ context.Context, id ID) (bool, error) {
	_, known := n.cache.Get(id)
	n.cache.Del(id)
	return known, nil
}

func (n naive) ForgetEndpoint(context.Context, string) error { return nil }

func (n naive) Close(context.Context) error { return nil }

// dropping loses one Set of twenty.
type dropping struct {
	cache
	rng *rand.Rand
}

func (d dropping) Set(id ID, at, ttl time.Duration) {
	if d.rng.IntN(20) > 0 {
		d.cache.Set(id, at, ttl)
	}
}

// believing shows the settler what it has set, not what the cache holds.
type believing struct {
	cache
	told map[ID]time.Duration
}

func (b *believing) Set(id ID, at, ttl time.Duration) {
	b.told[id] = at
	b.cache.Set(id, at, ttl)
}

func (b *believing) Get(id ID) (time.Duration, bool) {
	at, ok := b.told[id]
	return at, ok
}

// byID is a Memory whose ring knows ids but not commits.
type byID struct {
	*Memory
	capacity int
	mu       sync.Mutex
	ring     []ID
}

func newByID(m *Memory, capacity int) *byID { return &byID{Memory: m, capacity: capacity} }

func (b *byID) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	out, err := b.Memory.Begin(ctx, id, o)
	if claim := out.Claim; claim != nil {
		var ended sync.Once
		out.Claim = claimFuncs{
			commit: func() { ended.Do(func() { claim.Commit(); b.push(id) }) },
			abort:  func() { ended.Do(claim.Abort) },
		}
	}
	return out, err
}

func (b *byID) push(id ID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ring = append(b.ring, id)
	if len(b.ring) <= b.capacity {
		return
	}
	oldest := b.ring[0]
	b.ring = b.ring[1:]
	sh := b.table.shard(oldest)
	sh.mu.Lock()
	c, pending := sh.pending[oldest]
	at, ok := b.remembered(sh, oldest, Options{Window: modelLongest})
	sh.mu.Unlock()
	switch {
	case ok && pending:
		b.evict(slot{oldest, c})
	case ok:
		b.evict(slot{oldest, commit{at: at}})
	}
}

// byAcceptance fills the ring when the cache shows a commit.
type byAcceptance struct {
	cache
	store    *Memory
	capacity int
	ring     []slot
}

func (b *byAcceptance) Get(id ID) (time.Duration, bool) {
	at, ok := b.cache.Get(id)
	if s := (slot{id, commit{at: at}}); ok && !slices.Contains(b.ring, s) {
		b.ring = append(b.ring, s)
	}
	return at, ok
}

// Wait evicts, as Get is called with a shard locked.
func (b *byAcceptance) Wait() {
	for len(b.ring) > b.capacity {
		b.store.evict(b.ring[0])
		b.ring = b.ring[1:]
	}
	b.cache.Wait()
}
