package dedup

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRedis(t *testing.T) {
	t.Run("fake", func(t *testing.T) {
		testStore(t, storeUnderTest{
			run: func(t *testing.T, f func(t *testing.T, s Store)) {
				synctest.Test(t, func(t *testing.T) { f(t, newTestRedis(t, newFakeServer(), RedisOptions{})) })
			},
			idle:    func(*testing.T, Store, int) { synctest.Wait() },
			waiters: maxWaitersPerID,
		})
	})
	t.Run("fake, any of three replicas", func(t *testing.T) {
		testStore(t, storeUnderTest{
			run: func(t *testing.T, f func(t *testing.T, s Store)) {
				synctest.Test(t, func(t *testing.T) { f(t, newReplicas(t, 3, newFakeServer().client, RedisOptions{})) })
			},
			idle:    func(*testing.T, Store, int) { synctest.Wait() },
			waiters: 3 * maxWaitersPerID,
		})
	})
	t.Run("real", func(t *testing.T) {
		redis := startRedis(t)
		t.Run("one replica", func(t *testing.T) { testRealStore(t, redis, 1) })
		t.Run("any of three replicas", func(t *testing.T) { testRealStore(t, redis, 3) })
	})
}

// testRealStore runs the contract with a Redis, on keys of each case's own.
func testRealStore(t *testing.T, redis *redisServer, n int) {
	testStore(t, storeUnderTest{
		run: func(t *testing.T, f func(t *testing.T, s Store)) {
			t.Parallel()
			f(t, newReplicas(t, n, func() server { return redis.client(t) }, RedisOptions{Prefix: t.Name()}))
		},
		idle: func(t *testing.T, s Store, waiting int) {
			eventually(t, fmt.Sprint(waiting, " copies wait"), func() bool {
				n := 0
				for _, r := range s.(*replicas).stores {
					n += r.local.Stats().Waiters
				}
				return n == waiting
			})
		},
		waiters: n * maxWaitersPerID,
	})
}

// newTestRedis returns a Redis with a Memory before it. Both are closed at the end
// of the test.
func newTestRedis(t *testing.T, s server, o RedisOptions) *Redis {
	t.Helper()
	return startTestRedis(t, newRedis(newTestMemory(t, DefaultCapacity), s, o))
}

func startTestRedis(t *testing.T, r *Redis) *Redis {
	t.Helper()
	go r.upkeep()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Close(ctx); errors.Is(err, context.DeadlineExceeded) && r.local.Stats().InFlight != 0 {
			t.Errorf("the test has left claims open: %v", err)
		}
	})
	return r
}

// replicas are stores that share a Redis, and take deliveries in turn.
type replicas struct {
	stores []*Redis
	next   atomic.Uint64
}

func newReplicas(t *testing.T, n int, open func() server, o RedisOptions) *replicas {
	t.Helper()
	r := new(replicas)
	for range n {
		r.stores = append(r.stores, newTestRedis(t, open(), o))
	}
	return r
}

func (r *replicas) one() *Redis { return r.stores[r.next.Add(1)%uint64(len(r.stores))] }

func (r *replicas) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	return r.one().Begin(ctx, id, o)
}

// Forget has all of them hear of it without delay.
func (r *replicas) Forget(ctx context.Context, id ID) (bool, error) {
	defer r.hear()
	return r.one().Forget(ctx, id)
}

func (r *replicas) ForgetEndpoint(ctx context.Context, endpoint string) error {
	defer r.hear()
	return r.one().ForgetEndpoint(ctx, endpoint)
}

func (r *replicas) hear() {
	for _, s := range r.stores {
		s.hearToForget()
	}
}

func (r *replicas) Close(ctx context.Context) error {
	errs := make([]error, len(r.stores))
	var wg sync.WaitGroup
	for i, s := range r.stores {
		wg.Go(func() { errs[i] = s.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// A replica that is told to forget cannot know what another one owes Redis yet.
func TestCommitThatRedisHearsOfLateStaysForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := newFakeServer()
		late := newRedis(newTestMemory(t, 1), serverFuncs{
			server: redis,
			onSet:  func(context.Context, pair) (string, error) { return "", errPlanted },
		}, RedisOptions{})
		other := newTestRedis(t, redis, RedisOptions{})
		forward(t, late, nthID(0), minute).Commit()
		forget(t, other, nthID(0), false)
		late.payDebts()
		forward(t, other, nthID(0), minute).Abort()
		third := newTestRedis(t, redis, RedisOptions{})
		synctest.Wait()
		forward(t, third, nthID(0), minute).Abort()
	})
}
