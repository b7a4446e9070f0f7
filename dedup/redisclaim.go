package dedup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// errForeign is a key that no Redis store wrote.
var errForeign = errors.New("a key holds what hookpass did not write: choose another prefix")

// A key holds "p:TOKEN" while a delivery is in flight, and "d:TIME:WINDOW" once
// it is done, both in nanoseconds.
const (
	claimMark = "p:"
	doneMark  = "d:"
)

// done is a commit as Redis holds it. Its age is told by the clocks of two
// machines, but how long it is there by that of Redis alone.
type done struct {
	at     time.Time
	window time.Duration
}

func (d done) String() string {
	return doneMark + strconv.FormatInt(d.at.UnixNano(), 10) + ":" + strconv.FormatInt(int64(d.window), 10)
}

func parseDone(value string) (d done, ok bool) {
	text, isDone := strings.CutPrefix(value, doneMark)
	at, window, _ := strings.Cut(text, ":")
	ns, err := strconv.ParseInt(at, 10, 64)
	length, err2 := strconv.ParseInt(window, 10, 64)
	return done{time.Unix(0, ns), time.Duration(length)}, isDone && err == nil && err2 == nil
}

func (d done) left() time.Duration { return d.window - time.Since(d.at) }

// redisClaim is the Claim of a Redis: a claim of the Memory before it, which
// keeps off the copies at this replica, and a key, which keeps off the others.
type redisClaim struct {
	store   *Redis
	local   *claim
	options Options
	token   string // the key's value

	// asked is when the first command was sent that may have set the key, and zero
	// while none may have. The lease ends no sooner than so much later.
	asked time.Time
	// shared tells that Redis has confirmed the claim.
	shared bool
	// held tells that the delivery was another replica's when Redis last answered.
	held bool
	// replaced is what the key held before, for an abort to put back.
	replaced done

	once sync.Once
}

func (r *Redis) newClaim(local *claim, o Options) *redisClaim {
	o.Lease = cmp.Or(max(o.Lease, 0), DefaultLease)
	return &redisClaim{
		store:   r,
		local:   local,
		options: o,
		token:   claimMark + r.replica + strconv.FormatUint(r.claims.Add(1), 36),
	}
}

// begin asks Redis for the delivery. It may be called again after Busy.
func (c *redisClaim) begin() (Outcome, error) {
	for range 3 { // each time but the last, another replica was faster
		value, err := c.set()
		if err != nil {
			return c.undecided(err)
		}
		if value == c.token { // also if it was sent twice, or the first reply got lost
			c.shared = true
			return c.forward(), nil
		}
		c.asked = time.Time{}
		if c.held = strings.HasPrefix(value, claimMark); c.held {
			return Outcome{Kind: Busy}, nil
		}
		d, _ := parseDone(value)
		if c.remembered(d) {
			return Outcome{Kind: Duplicate, At: d.at}, nil
		}
		// It is there for longer than this endpoint remembers, or forgotten. The
		// claim takes its place, unless somebody is faster: look again.
		c.replaced = d
		if err := c.replace(); err != nil {
			return c.undecided(err)
		}
	}
	return Outcome{Kind: Busy}, nil
}

// remembered reports whether a commit in Redis counts. If so the Memory learns of
// it, unless it may have been told to forget it.
func (c *redisClaim) remembered(d done) bool {
	memory, window := c.local.store, c.options.Window
	at := memory.monotonic(d.at)
	if window <= 0 || memory.now()-at >= window ||
		at <= memory.forgottenUntil(c.options.Endpoint) || c.store.forgotten(c.local.id, d) {
		return false
	}
	if memory.journal.Load() != nil {
		return true // it is to hold what this process has handled, and may wait for the lock
	}
	memory.forgetting.Lock()
	defer memory.forgetting.Unlock()
	if at > time.Duration(memory.forgotten.Load()) {
		memory.end(c.local, commit{at, d.window})
	}
	return true
}

// set puts the claim at the key, if that is free, and returns what is there.
func (c *redisClaim) set() (value string, err error) {
	err = c.store.ask(&c.store.claimErrors, func(ctx context.Context) error {
		c.mayHaveSet()
		if value, err = c.store.server.claim(ctx, c.pair()); err != nil || strings.HasPrefix(value, claimMark) {
			return err
		}
		if _, ok := parseDone(value); !ok {
			return errForeign
		}
		return nil
	})
	return value, err
}

// replace puts the claim at the key in place of an outdated commit.
func (c *redisClaim) replace() error {
	return c.store.ask(&c.store.claimErrors, func(ctx context.Context) error {
		c.mayHaveSet()
		return c.store.server.swap(ctx, c.replaced.String(), c.pair())
	})
}

func (c *redisClaim) pair() pair {
	return pair{c.store.key(c.local.id), c.token, c.options.Lease}
}

func (c *redisClaim) mayHaveSet() {
	if c.asked.IsZero() {
		c.asked = time.Now()
	}
}

func (c *redisClaim) forward() Outcome {
	from := c.asked
	if from.IsZero() {
		from = time.Now()
	}
	return Outcome{Kind: Forward, Claim: c, Deadline: from.Add(c.options.Lease - c.store.margin)}
}

// undecided is what becomes of a delivery that Redis does not decide.
func (c *redisClaim) undecided(cause error) (Outcome, error) {
	if c.held {
		return Outcome{Kind: Busy}, nil // it is likely to be still
	}
	c.store.unshared.Add(1)
	if !c.store.reject {
		return c.forward(), nil
	}
	return Outcome{}, fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// giveUp ends a claim that nobody has. Other copies here waited for it, and look
// again: after a duplicate they find the commit.
func (c *redisClaim) giveUp() {
	if !c.asked.IsZero() {
		c.store.debts.add(c.release())
	}
	c.local.Abort()
}

// Commit implements Claim. What Redis cannot be told is made up for later: from
// here on this replica knows, at any rate.
func (c *redisClaim) Commit() {
	c.once.Do(func() {
		defer c.store.gate.leave()
		if c.options.Window <= 0 {
			c.giveBack()
			return
		}
		memory := c.local.store
		local := commit{memory.stamp(), c.options.Window}
		defer memory.end(c.local, local)
		d := debt{id: c.local.id, done: done{memory.wall(local.at), c.options.Window}}
		var before string
		err := c.store.ask(&c.store.commitErrors, func(ctx context.Context) (err error) {
			before, err = c.store.server.set(ctx, c.store.pair(d))
			return err
		})
		switch {
		case err != nil:
			c.store.debts.add(d)
		case c.shared && before != c.token && before != d.done.String(): // the latter if it was sent twice
			c.store.leasesLost.Add(1)
		}
	})
}

// Abort implements Claim.
func (c *redisClaim) Abort() {
	c.once.Do(func() {
		defer c.store.gate.leave()
		c.giveBack()
	})
}

// giveBack ends the claim as if it had not been, at Redis first: a copy that
// waits here asks there next.
func (c *redisClaim) giveBack() {
	defer c.local.Abort()
	if c.asked.IsZero() {
		return
	}
	d := c.release()
	err := c.store.ask(&c.store.abortErrors, func(ctx context.Context) error { return c.store.release(ctx, d) })
	if err != nil {
		c.store.debts.add(d)
	}
}

// release is what the claim owes if it is to leave no trace.
func (c *redisClaim) release() debt {
	return debt{id: c.local.id, done: c.replaced, token: c.token, until: c.asked.Add(c.options.Lease)}
}

var _ Claim = (*redisClaim)(nil)
