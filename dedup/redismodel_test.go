package dedup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// redisSetUp is a circumstance under which replicas must keep the promises.
type redisSetUp struct {
	replicas int
	capacity int  // of each one's Memory
	reject   bool // what Redis does not decide
	margin   time.Duration
	latency  time.Duration
	faults   float64 // share of the commands that fail, half of them after they were carried out
	sharing
}

var oneWindow = []time.Duration{modelLongest}

const (
	polled = 2 * (pollMax*5/4 + time.Millisecond)
	heard  = upkeepEvery + time.Millisecond
)

var redisSetUps = map[string]redisSetUp{
	"replicas": {
		replicas: 3, capacity: DefaultCapacity,
		sharing: sharing{tick: time.Microsecond, slack: polled, lag: heard},
	},
	"replicas that remember but one delivery themselves": {
		replicas: 3, capacity: 1,
		sharing: sharing{tick: time.Microsecond, slack: polled, lag: heard},
	},
	"replicas that die": {
		replicas: 3, capacity: DefaultCapacity,
		sharing: sharing{tick: time.Microsecond, slack: polled, lag: heard, windows: oneWindow, lease: 2 * LeaseMargin, crash: die},
	},
	"a slow Redis, and a lease that ends forwards": {
		replicas: 3, capacity: DefaultCapacity, latency: 40 * time.Millisecond, margin: time.Nanosecond,
		sharing: sharing{tick: time.Microsecond, slack: 2 * polled, lag: 2 * heard, windows: oneWindow, lease: 5 * modelStep},
	},
	"an application that outlives the lease": {
		replicas: 3, capacity: 1, margin: time.Nanosecond,
		sharing: sharing{tick: time.Microsecond, slack: polled, lag: heard, windows: oneWindow, lease: 4 * modelStep, overrun: true},
	},
	"a Redis that fails now and then": {
		replicas: 3, capacity: DefaultCapacity, faults: 0.05, reject: true,
		sharing: sharing{tick: time.Microsecond, slack: 5 * heard, lag: 5 * heard, lease: 5 * time.Second, windows: oneWindow, keeps: true, refuses: true},
	},
	"one replica, and a Redis that fails every other time": {
		replicas: 1, capacity: DefaultCapacity, faults: 0.5,
		sharing: sharing{tick: time.Microsecond, slack: 4 * heard, lag: 4 * heard, refuses: true},
	},
}

// redisFault makes a mutant of a replica.
type redisFault struct {
	server func(s server) server
	store  func(r *Redis) Store
}

// play runs a history.
func (u *redisSetUp) play(t *testing.T, seed uint64, fault redisFault) *model {
	redis := newFakeServer()
	all := new(anyOf)
	for i := range u.replicas {
		var s server = &fallible{
			fakeServer: redis, latency: u.latency, faults: u.faults,
			rng: rand.New(rand.NewPCG(seed, uint64(i)<<32)),
		}
		if fault.server != nil {
			s = fault.server(s)
		}
		r := newRedis(newTestMemory(t, u.capacity), s, RedisOptions{Reject: u.reject, Prefix: "test:"})
		r.margin = cmp.Or(u.margin, LeaseMargin)
		startTestRedis(t, r)
		all.stores = append(all.stores, r)
		if fault.store != nil {
			all.stores[i] = fault.store(r)
		}
	}
	m := &model{store: all, ids: 16, sharing: u.sharing}
	m.run(t, seed)
	return m
}

func TestRedisModel(t *testing.T) {
	for name, setUp := range redisSetUps {
		t.Run(name, func(t *testing.T) {
			var counts [Busy + 1]int
			for seed := range uint64(*seeds) {
				synctest.Test(t, func(t *testing.T) {
					m := setUp.play(t, seed, redisFault{})
					for _, violation := range m.check(DefaultCapacity) {
						t.Errorf("seed %d: %s", seed, violation)
					}
					for _, d := range m.deliveries {
						counts[d.outcome.Kind]++
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

// A real Redis, and the time of a clock: I5, which is about waiting, is left to the
// others.
func TestRedisModelOnRedis(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	for seed := range uint64(3) {
		shared := new(anyOf)
		for range 3 {
			shared.stores = append(shared.stores, redis.replica(t, RedisOptions{Prefix: fmt.Sprint(seed, ":")}))
		}
		m := &model{store: shared, ids: 16, sharing: sharing{
			faster: 50, keeps: true, tick: 200 * time.Millisecond, slack: time.Minute,
		}}
		m.run(t, seed)
		for _, violation := range m.check(DefaultCapacity) {
			t.Errorf("seed %d: %s", seed, violation)
		}
	}
}

// redisMutants are replicas with one fault each.
var redisMutants = []struct {
	name  string
	setUp string
	fault redisFault
}{
	{"commits only while it has the lease", "an application that outlives the lease", redisFault{server: func(s server) server {
		return conditional{s, new(sync.Map)}
	}}},
	{"aborts without comparing", "an application that outlives the lease", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onSwap: func(ctx context.Context, from string, p pair) error {
			if p.value == "" {
				_, err := s.set(ctx, p)
				return err
			}
			return s.swap(ctx, from, p)
		}}
	}}},
	{"has a lease that is shorter than the forward", "replicas", redisFault{store: onBegin(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			o.Lease = 4 * modelStep
			out, err := b(ctx, id, o)
			out.Deadline = time.Time{}
			return out, err
		}
	})}},
	{"counts the lease from the reply", "a slow Redis, and a lease that ends forwards", redisFault{store: onBegin(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			out, err := b(ctx, id, o)
			out.Deadline = time.Now().Add(o.Lease)
			return out, err
		}
	})}},
	{"claims without a lease", "replicas that die", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onClaim: func(ctx context.Context, p pair) (string, error) {
			p.ttl = time.Hour
			return s.claim(ctx, p)
		}}
	}}},
	{"looks up, then claims", "a slow Redis, and a lease that ends forwards", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onClaim: func(ctx context.Context, p pair) (string, error) {
			if value, err := s.get(ctx, p.key); err != nil || value != "" {
				return value, err
			}
			_, err := s.set(ctx, p)
			return p.value, err
		}}
	}}},
	{"frees the key before it commits", "a slow Redis, and a lease that ends forwards", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onSet: func(ctx context.Context, p pair) (string, error) {
			before, err := s.set(ctx, pair{key: p.key})
			if err == nil {
				_, err = s.set(ctx, p)
			}
			return before, err
		}}
	}}},
	{"takes another replica's claim for a success", "replicas", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onClaim: func(ctx context.Context, p pair) (string, error) {
			value, err := s.claim(ctx, p)
			if value != p.value && strings.HasPrefix(value, claimMark) {
				value = done{time.Now(), time.Minute}.String()
			}
			return value, err
		}}
	}}},
	{"remembers 5 % too short in Redis", "replicas that remember but one delivery themselves", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onSet: func(ctx context.Context, p pair) (string, error) {
			p.ttl -= p.ttl / 20
			return s.set(ctx, p)
		}}
	}}},
	{"puts back nothing", "replicas", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onSwap: func(ctx context.Context, from string, p pair) error {
			if strings.HasPrefix(p.value, doneMark) {
				p.value = ""
			}
			return s.swap(ctx, from, p)
		}}
	}}},
	{"gives up a commit that failed", "a Redis that fails now and then", redisFault{store: func(r *Redis) Store {
		r.debts.limit = 0
		return r
	}}},
	{"forwards what it is told to reject", "a Redis that fails now and then", redisFault{store: func(r *Redis) Store {
		r.reject = false
		return r
	}}},
	{"does not hear what to forget", "replicas", redisFault{server: func(s server) server {
		return serverFuncs{server: s, onAllNotes: func(context.Context, string) (map[string]string, error) { return nil, nil }}
	}}},
	{"forgets only itself", "replicas that remember but one delivery themselves", redisFault{server: func(s server) server {
		return serverFuncs{
			server: s,
			onGet:  func(context.Context, string) (string, error) { return "", nil },
			onAllNotes: func(ctx context.Context, key string) (map[string]string, error) {
				notes, err := s.allNotes(ctx, key)
				maps.DeleteFunc(notes, func(field, _ string) bool { return strings.HasPrefix(field, forgottenID) })
				return notes, err
			},
		}
	}}},
	{"does not wait for other replicas", "replicas", redisFault{store: onBegin(func(b beginFunc) beginFunc {
		return func(ctx context.Context, id ID, o Options) (Outcome, error) {
			o.Wait = 0
			return b(ctx, id, o)
		}
	})}},
}

func TestRedisModelFindsEveryMutant(t *testing.T) {
	for _, mutant := range redisMutants {
		t.Run(mutant.name, func(t *testing.T) {
			setUp := redisSetUps[mutant.setUp]
			for seed := range uint64(*seeds) {
				var broken []string
				synctest.Test(t, func(t *testing.T) { broken = setUp.play(t, seed, mutant.fault).check(DefaultCapacity) })
				if len(broken) > 0 {
					t.Logf("found by seed %d: %s", seed, broken[0])
					return
				}
			}
			t.Errorf("%d seeds do not notice", *seeds)
		})
	}
}

// redisWrapper is a Redis with another Begin.
type redisWrapper struct {
	*Redis
	begin beginFunc
}

func (w redisWrapper) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	return w.begin(ctx, id, o)
}

func onBegin(fault func(beginFunc) beginFunc) func(*Redis) Store {
	return func(r *Redis) Store { return redisWrapper{r, fault(r.Begin)} }
}

// serverFuncs is a server some of whose commands are replaced.
type serverFuncs struct {
	server
	onClaim    func(ctx context.Context, p pair) (string, error)
	onSet      func(ctx context.Context, p pair) (string, error)
	onGet      func(ctx context.Context, key string) (string, error)
	onSwap     func(ctx context.Context, from string, p pair) error
	onAllNotes func(ctx context.Context, key string) (map[string]string, error)
}

func (s serverFuncs) claim(ctx context.Context, p pair) (string, error) {
	if s.onClaim == nil {
		return s.server.claim(ctx, p)
	}
	return s.onClaim(ctx, p)
}

func (s serverFuncs) set(ctx context.Context, p pair) (string, error) {
	if s.onSet == nil {
		return s.server.set(ctx, p)
	}
	return s.onSet(ctx, p)
}

func (s serverFuncs) get(ctx context.Context, key string) (string, error) {
	if s.onGet == nil {
		return s.server.get(ctx, key)
	}
	return s.onGet(ctx, key)
}

func (s serverFuncs) swap(ctx context.Context, from string, p pair) error {
	if s.onSwap == nil {
		return s.server.swap(ctx, from, p)
	}
	return s.onSwap(ctx, from, p)
}

func (s serverFuncs) allNotes(ctx context.Context, key string) (map[string]string, error) {
	if s.onAllNotes == nil {
		return s.server.allNotes(ctx, key)
	}
	return s.onAllNotes(ctx, key)
}

// conditional is a server that commits only where it holds the claim still.
type conditional struct {
	server
	tokens *sync.Map // by key
}

func (c conditional) claim(ctx context.Context, p pair) (string, error) {
	value, err := c.server.claim(ctx, p)
	if value == p.value {
		c.tokens.Store(p.key, value)
	}
	return value, err
}

func (c conditional) set(ctx context.Context, p pair) (string, error) {
	token, _ := c.tokens.Load(p.key)
	return token.(string), c.swap(ctx, token.(string), p)
}

// anyOf has its stores take deliveries in turn.
type anyOf struct {
	stores []Store
	next   atomic.Uint64
}

func (a *anyOf) one() Store { return a.stores[a.next.Add(1)%uint64(len(a.stores))] }

func (a *anyOf) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	return a.one().Begin(ctx, id, o)
}

func (a *anyOf) Forget(ctx context.Context, id ID) (bool, error) { return a.one().Forget(ctx, id) }

func (a *anyOf) ForgetEndpoint(ctx context.Context, endpoint string) error {
	return a.one().ForgetEndpoint(ctx, endpoint)
}

func (a *anyOf) Close(context.Context) error { return nil }

// die ends a claim as far as this process is concerned, and tells nobody else.
func die(c Claim) {
	claim := c.(*redisClaim)
	claim.once.Do(func() {
		claim.local.Abort()
		claim.store.gate.leave()
	})
}

// fallible is a server that takes its time and fails now and then.
type fallible struct {
	*fakeServer
	latency time.Duration
	faults  float64

	mu  sync.Mutex
	rng *rand.Rand
}

var errPlanted = errors.New("planted")

func (f *fallible) do(command func()) error {
	f.mu.Lock()
	there, back, fate := f.rng.Float64(), f.rng.Float64(), f.rng.Float64()
	f.mu.Unlock()
	time.Sleep(time.Duration(there * float64(f.latency) / 2))
	if fate < f.faults/2 {
		return errPlanted
	}
	command()
	time.Sleep(time.Duration(back * float64(f.latency) / 2))
	if fate < f.faults {
		return errPlanted
	}
	return nil
}

func (f *fallible) claim(ctx context.Context, p pair) (value string, err error) {
	err = f.do(func() { value, _ = f.fakeServer.claim(ctx, p) })
	return value, err
}

func (f *fallible) set(ctx context.Context, p pair) (before string, err error) {
	err = f.do(func() { before, _ = f.fakeServer.set(ctx, p) })
	return before, err
}

func (f *fallible) get(ctx context.Context, key string) (value string, err error) {
	err = f.do(func() { value, _ = f.fakeServer.get(ctx, key) })
	return value, err
}

func (f *fallible) swap(ctx context.Context, from string, p pair) error {
	return f.do(func() { _ = f.fakeServer.swap(ctx, from, p) })
}

func (f *fallible) setAll(ctx context.Context, pairs []pair) []error {
	errs := make([]error, len(pairs))
	for i, p := range pairs {
		_, errs[i] = f.set(ctx, p)
	}
	return errs
}

func (f *fallible) note(ctx context.Context, key, field, value string) error {
	return f.do(func() { _ = f.fakeServer.note(ctx, key, field, value) })
}

func (f *fallible) allNotes(ctx context.Context, key string) (notes map[string]string, err error) {
	err = f.do(func() { notes, _ = f.fakeServer.allNotes(ctx, key) })
	return notes, err
}
