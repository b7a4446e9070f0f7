package dedup

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// ErrUnavailable is returned by Begin of a Redis with RedisOptions.Reject while
// Redis does not answer as it should. It comes with the cause.
var ErrUnavailable = errors.New("dedup: redis is unavailable")

const (
	// DefaultLease is the lease of a claim unless Options say otherwise.
	DefaultLease = 35 * time.Second

	// LeaseMargin is how much earlier than its lease a forward has to end: for
	// timers that fire late and clocks that run apart.
	LeaseMargin = time.Second

	// A copy of what another replica has at hand looks again after pollMin, then
	// at growing intervals up to pollMax, give or take a quarter.
	pollMin = 25 * time.Millisecond
	pollMax = 250 * time.Millisecond
)

// Redis is a Store that several processes share, the replicas. It needs Redis ≥
// 7.0 or Valkey, where one key holds all that is known of a delivery:
//
//	free ──SET NX, for the lease──▶ p:TOKEN ──SET, for the window──▶ d:TIME:WINDOW
//	                                    └──delete, if still p:TOKEN──▶ free
//
// A commit does not ask whether its claim still stands. A success is a fact, and
// to be remembered even if it comes after the lease, when another replica has
// claimed the delivery, too, and perhaps given it up again.
//
// Before Redis stands a Memory. What it knows takes no round trip, and of the
// copies at one replica only one asks Redis, while the others wait for it. In an
// outage it decides alone, if it is to.
type Redis struct {
	local   *Memory
	server  server
	reject  bool
	prefix  string
	timeout time.Duration
	margin  time.Duration
	warn    func(msg string, cause error)
	replica string // begins the tokens of this process

	gate   *gate
	outage outage
	debts  *debts

	hearing chan struct{}                     // holds one while what is to be forgotten is told or heard
	heard   atomic.Pointer[map[string]string] // that; nil: nothing yet

	stop, stopped chan struct{} // of the upkeep
	closeOnce     sync.Once
	closeErr      error

	claims                                                       atomic.Uint64
	claimErrors, commitErrors, abortErrors, unshared, leasesLost atomic.Uint64
}

// NewRedis returns a Redis behind local, which stays open when it is closed and
// may come to stand before another one. It does not wait until Redis answers: the
// error is about the options and wraps ErrRedisOptions.
func NewRedis(local *Memory, o RedisOptions) (*Redis, error) {
	server, err := openRedis(o)
	if err != nil {
		return nil, err
	}
	r := newRedis(local, server, o)
	go r.upkeep()
	return r, nil
}

// newRedis puts the parts together. The upkeep is not started.
func newRedis(local *Memory, server server, o RedisOptions) *Redis {
	if o.Warn == nil {
		o.Warn = func(string, error) {}
	}
	r := &Redis{
		local:   local,
		server:  server,
		reject:  o.Reject,
		prefix:  cmp.Or(o.Prefix, DefaultPrefix),
		timeout: cmp.Or(o.Timeout, DefaultTimeout),
		margin:  LeaseMargin,
		replica: crand.Text(),
		gate:    newGate(),
		warn:    o.Warn,
		debts:   newDebts(local.ring.limit()),
		hearing: make(chan struct{}, 1),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	r.outage.warn = o.Warn
	return r
}

func (r *Redis) key(id ID) string {
	return r.prefix + base64.RawURLEncoding.EncodeToString(id[:])
}

// Begin implements Store.
func (r *Redis) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	if !r.gate.enter() {
		return Outcome{}, ErrClosed
	}
	out, err := r.begin(ctx, id, o)
	if out.Kind != Forward { // else the claim leaves
		r.gate.leave()
	}
	if out.Kind == Busy && r.gate.isClosed() {
		return Outcome{}, ErrClosed
	}
	return out, err
}

func (r *Redis) begin(ctx context.Context, id ID, o Options) (out Outcome, err error) {
	start := time.Now()
	out, err = r.local.begin(ctx, id, o, r.gate.closing)
	if out.Kind != Forward {
		return out, err
	}
	c := r.newClaim(out.Claim.(*claim), o)
	defer func() {
		if out.Kind != Forward {
			c.giveUp()
		}
	}()
	out, err = c.begin()
	if err != nil || out.Kind != Busy || o.Wait <= 0 || !r.local.enterHolding(c.local) {
		return out, err
	}
	defer r.local.leaveHolding(c.local)

	ctx, cancel := context.WithDeadline(ctx, start.Add(o.Wait))
	defer cancel()
	for pause := pollMin; ctx.Err() == nil && err == nil && out.Kind == Busy; pause = min(pause*3/2, pollMax) {
		select {
		case <-time.After(pause*3/4 + rand.N(pause/2)): //nolint:gosec // it keeps replicas apart, and nothing secret
		case <-ctx.Done():
		case <-r.gate.closing:
			return Outcome{}, ErrClosed
		}
		out, err = c.begin()
	}
	return out, err
}

// ask has Redis run one command, within the time that a delivery can wait for
// it, unless it is known to be out.
func (r *Redis) ask(errs *atomic.Uint64, command func(ctx context.Context) error) error {
	if r.outage.known() {
		return errOutage
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.timeout)
	defer cancel()
	err := command(ctx)
	if err != nil {
		errs.Add(1)
	}
	if errs != &r.abortErrors { // a Redis that is full takes those, and nothing else
		r.outage.note(err)
	}
	return err
}

// Reach asks Redis for a key that is of no delivery, and returns why that fails. An
// outage that is known is a reason. It is for replicas that have nothing to do:
// the others notice by their deliveries.
func (r *Redis) Reach(ctx context.Context) error {
	if r.outage.known() {
		return errOutage
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	_, err := r.server.get(ctx, r.prefix+"probe")
	return err
}

// RedisStats is what a Redis counts.
type RedisStats struct {
	// ClaimErrors, CommitErrors and AbortErrors count the commands that failed,
	// by what they were for. What is not asked in an outage is no error.
	ClaimErrors, CommitErrors, AbortErrors uint64
	// Outage tells that Redis did not answer lately and is not asked for a while.
	Outage bool
	// Unshared counts the deliveries that this replica decided alone, or
	// rejected, as Redis was out.
	Unshared uint64
	// LeasesLost counts the successes that came after their lease, so that another
	// replica may have forwarded the delivery, too.
	LeasesLost uint64
	// PendingCommits is how many successes Redis has yet to be told of, and
	// LostCommits how many it was not told of within their window, or as they
	// were too many.
	PendingCommits int
	LostCommits    uint64
}

// Stats returns the current numbers, read one after the other. Those of the
// Memory are apart.
func (r *Redis) Stats() RedisStats {
	s := RedisStats{
		ClaimErrors:  r.claimErrors.Load(),
		CommitErrors: r.commitErrors.Load(),
		AbortErrors:  r.abortErrors.Load(),
		Outage:       r.outage.known(),
		Unshared:     r.unshared.Load(),
		LeasesLost:   r.leasesLost.Load(),
	}
	s.PendingCommits, s.LostCommits = r.debts.count()
	return s
}

// Close implements Store. At the end it tries once more to tell Redis of the
// successes that it does not know of.
func (r *Redis) Close(ctx context.Context) error {
	r.closeOnce.Do(func() {
		r.gate.close()
		r.closeErr = r.drain(ctx)
		close(r.stop)
		<-r.stopped
		if err := r.server.Close(); r.closeErr == nil {
			r.closeErr = err
		}
	})
	return r.closeErr
}

// drain waits for those inside until ctx ends.
func (r *Redis) drain(ctx context.Context) error {
	select {
	case <-r.gate.idle:
		return nil
	default:
	}
	select {
	case <-r.gate.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("dedup: closed with claims in flight: %w", ctx.Err())
	}
}

var _ Store = (*Redis)(nil)
