package chaos

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// crew is some goroutines that work until told to end.
type crew struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func newCrew(t *testing.T) *crew {
	c := new(crew)
	c.ctx, c.cancel = context.WithCancel(t.Context())
	t.Cleanup(c.end)
	return c
}

// every calls f again and again, with pauses.
func (c *crew) every(pause func() time.Duration, f func()) {
	c.group.Go(func() {
		for rest(c.ctx, pause()) {
			f()
		}
	})
}

// end returns when what is under way is over.
func (c *crew) end() {
	c.cancel()
	c.group.Wait()
}

// rest waits, and reports false if ctx ended before.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func between(r *rand.Rand, low, high time.Duration) func() time.Duration {
	return func() time.Duration { return low + time.Duration(r.Int64N(int64(high-low))) }
}
