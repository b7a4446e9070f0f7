package dedup

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultCapacity is the number of deliveries that a Memory remembers unless
// told otherwise: about a quarter of a gigabyte when full.
const DefaultCapacity = 1_000_000

// A waiting copy holds its body in memory, so their number is limited. Beyond
// it, Begin answers Busy at once.
const (
	maxWaitersPerID = 16
	maxWaiters      = 1024
)

// Memory is a Store within one process.
//
// A ristretto cache holds what it remembers. That cache shows a new key late
// and may drop it without a word, which would let a copy through, so an exact
// table stands before it: a commit stays there until the cache shows it. In
// between works the settler, in the background: what is asked of a Memory never
// waits for the cache.
type Memory struct {
	// Warn is told what the operator should know, and why if there is a cause. It
	// is called in goroutines of the Memory's own, too. Set it before anything
	// else is done with the Memory. Nil: nobody is told.
	Warn func(msg string, cause error)

	epoch   time.Time // commits are dated by the time since then, which no clock change moves
	table   *table
	ring    *ring
	cache   cache
	settler *settler

	forgetting sync.Mutex
	forgotten  atomic.Int64                         // the time of the latest commit that Forget has met
	endpoints  atomic.Pointer[map[ID]time.Duration] // what was committed until then is forgotten; nil: none

	configuring sync.Mutex
	journal     atomic.Pointer[journal]
	reading     atomic.Pointer[chan struct{}] // closed when a journal has been read; nil: none is

	inFlight      atomic.Int64
	waiters       atomic.Int64
	evictedEarly  atomic.Uint64
	warnedEarly   atomic.Bool
	journalErrors atomic.Uint64

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
}

// NewMemory returns a Memory that remembers the newest capacity deliveries.
// Memory is used as they come, not in advance. The error wraps ErrCapacity if
// capacity is less than 1.
func NewMemory(capacity int) (*Memory, error) {
	if err := checkCapacity(capacity); err != nil {
		return nil, err
	}
	cache, err := newRistrettoCache(unlimited)
	if err != nil {
		return nil, err
	}
	m := newMemory(capacity, cache)
	m.settler.start()
	return m, nil
}

// newMemory puts the parts together. The settler is not started.
func newMemory(capacity int, cache cache) *Memory {
	m := &Memory{
		epoch:   time.Now(),
		table:   newTable(),
		ring:    &ring{capacity: capacity},
		cache:   cache,
		closing: make(chan struct{}),
	}
	m.forgotten.Store(math.MinInt64)
	m.settler = newSettler(m)
	return m
}

func checkCapacity(n int) error {
	if n < 1 {
		return fmt.Errorf("%w, got %d", ErrCapacity, n)
	}
	return nil
}

func (m *Memory) now() time.Duration { return time.Since(m.epoch) }

// wall tells a time of m.now by the clock on the wall, which other processes have,
// too, and monotonic the other way round.
func (m *Memory) wall(at time.Duration) time.Time { return time.Now().Add(at - m.now()) }

func (m *Memory) monotonic(wall time.Time) time.Duration { return m.now() - time.Since(wall) }

// Begin implements Store. At most 16 copies of a delivery wait, and 1024 copies
// altogether.
func (m *Memory) Begin(ctx context.Context, id ID, o Options) (Outcome, error) {
	return m.begin(ctx, id, o, nil)
}

// begin is Begin for a store with this one before it, whose closing ends the wait,
// too: the copy is then Busy.
func (m *Memory) begin(ctx context.Context, id ID, o Options, closing <-chan struct{}) (Outcome, error) {
	if !m.upToDate(ctx) {
		return Outcome{Kind: Busy}, nil
	}
	sh := m.table.shard(id)
	sh.mu.Lock()
	defer sh.mu.Unlock()

	out, err := m.try(sh, id, o)
	if err != nil || out.Kind != Busy || o.Wait <= 0 || !m.enter(sh, id) {
		return out, err
	}
	defer m.leave(sh, id)

	ctx, cancel := context.WithTimeout(ctx, o.Wait)
	defer cancel()
	for ctx.Err() == nil && err == nil && out.Kind == Busy {
		done := sh.claims[id].done()
		sh.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
		case <-m.closing:
		case <-closing:
			cancel()
		}
		sh.mu.Lock()
		out, err = m.try(sh, id, o)
	}
	return out, err
}

// try answers from the state of id as it is now. It needs sh locked.
func (m *Memory) try(sh *shard, id ID, o Options) (Outcome, error) {
	if m.closed() {
		return Outcome{}, ErrClosed
	}
	if at, ok := m.remembered(sh, id, o); ok {
		return Outcome{Kind: Duplicate, At: m.epoch.Add(at)}, nil
	}
	last, ok := sh.claims[id]
	if ok && last.open {
		return Outcome{Kind: Busy}, nil
	}
	c := &claim{store: m, id: id, window: o.Window, open: true}
	if ok {
		c.waiters = last.waiters
	}
	sh.claims[id] = c
	m.inFlight.Add(1)
	return Outcome{Kind: Forward, Claim: c}, nil
}

// closed reports whether the store refuses claims. With a shard locked, no
// means that the cache can be read until the lock is given up.
func (m *Memory) closed() bool {
	select {
	case <-m.closing:
		return true
	default:
		return false
	}
}

// remembered returns when id was committed, if that is within the window. It
// needs sh locked, also while it reads the cache: the settler removes a commit
// from the table, under that lock, when the cache shows it, so it is always in
// one of the two.
func (m *Memory) remembered(sh *shard, id ID, o Options) (time.Duration, bool) {
	at, ok := m.last(sh, id)
	return at, ok && m.now()-at < o.Window && at > m.forgottenUntil(o.Endpoint)
}

// last returns when id was last committed, if that commit's own window is not
// over. It needs sh locked.
func (m *Memory) last(sh *shard, id ID) (time.Duration, bool) {
	if c, ok := sh.pending[id]; ok {
		return c.at, c.left(m.now()) > 0
	}
	return m.cache.Get(id)
}

// enter counts a copy as waiting for the claim on id, unless there are too
// many. It needs sh locked.
func (m *Memory) enter(sh *shard, id ID) bool {
	c := sh.claims[id]
	if c.waiters == maxWaitersPerID {
		return false
	}
	if m.waiters.Add(1) > maxWaiters {
		m.waiters.Add(-1)
		return false
	}
	c.waiters++
	return true
}

// leave undoes enter, for the claim that is on id by now. It needs sh locked.
func (m *Memory) leave(sh *shard, id ID) {
	m.waiters.Add(-1)
	c := sh.claims[id]
	c.waiters--
	if !c.open && c.waiters == 0 {
		delete(sh.claims, id)
	}
}

// enterHolding counts a copy as waiting that has the claim itself, but another
// process has the delivery.
func (m *Memory) enterHolding(c *claim) bool {
	sh := m.table.shard(c.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return m.enter(sh, c.id)
}

func (m *Memory) leaveHolding(c *claim) {
	sh := m.table.shard(c.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	m.leave(sh, c.id)
}

// end settles a claim, and remembers done, unless that has no window. The commit
// is in the journal, in the table and in the ring before any copy can look again:
// to tell a sender of a duplicate and then lose the commit would be wrong. The
// way into the cache is the settler's.
func (m *Memory) end(c *claim, done commit) {
	sh := m.table.shard(c.id)
	sh.mu.Lock()
	if c.ending {
		sh.mu.Unlock()
		return
	}
	c.ending = true
	journal, written := m.journal.Load(), false
	if journal != nil && done.window > 0 {
		sh.mu.Unlock() // a disk may be slow
		written = journal.append(slot{c.id, done})
		sh.mu.Lock()
	}
	c.open = false
	if c.waiters == 0 {
		delete(sh.claims, c.id)
	}
	overfull := false
	if done.window > 0 {
		s := slot{c.id, done}
		sh.put(s)
		overfull = m.ring.push(s)
		m.settler.signal()
	}
	if c.ended != nil {
		close(c.ended)
	}
	sh.mu.Unlock()

	m.inFlight.Add(-1)
	if done.window > 0 {
		// Now that it is in the ring, it can be written from there.
		if now := m.journal.Load(); now != nil && (now != journal || !written) {
			now.missed(done.at)
		}
	}
	if overfull {
		m.trim()
	}
}

// trim forgets the oldest commits beyond the capacity.
func (m *Memory) trim() {
	for s, ok := m.ring.overflow(); ok; s, ok = m.ring.overflow() {
		m.evict(s)
	}
}

func (m *Memory) evict(s slot) {
	sh := m.table.shard(s.id)
	sh.mu.Lock()
	pending := sh.has(s)
	if pending {
		sh.remove(s.id)
	}
	sh.mu.Unlock()

	switch {
	case !pending:
		m.settler.forget(s)
	case s.left(m.now()) > 0:
		m.countEarly(s)
	}
}

// countEarly counts a commit that was forgotten before its window ended. The
// first one is told of, with the capacity that would do if deliveries keep coming
// as they did since.
func (m *Memory) countEarly(s slot) {
	m.evictedEarly.Add(1)
	if m.warnedEarly.Swap(true) {
		return
	}
	capacity, age := m.ring.limit(), max(m.now()-s.at, 1)
	need := math.Ceil(float64(capacity) * float64(s.window) / float64(age))
	m.warn(fmt.Sprintf("deliveries are forgotten %v after they were handled, as the capacity of %d is used up: "+
		"to remember them for %v takes about %.0f", age.Round(time.Second), capacity, s.window, need), nil)
}

func (m *Memory) warn(msg string, cause error) {
	if m.Warn != nil {
		m.Warn(msg, cause)
	}
}

// SetCapacity changes how many deliveries are remembered. If they are fewer
// than before, the oldest are forgotten now. The error wraps ErrCapacity if n
// is less than 1; nothing has changed then.
func (m *Memory) SetCapacity(n int) error {
	if err := checkCapacity(n); err != nil {
		return err
	}
	if m.ring.resize(n) {
		m.warnedEarly.Store(false)
	}
	m.trim()
	return nil
}

// Stats is what a Memory counts.
type Stats struct {
	// Entries is the number of deliveries remembered. One whose window is over
	// counts until it is swept, seconds after the last one that is older.
	Entries int
	// InFlight is the number of open claims, and Waiters that of copies waiting
	// for one to end.
	InFlight, Waiters int
	// EvictedEarly counts the deliveries that were forgotten before their
	// window ended, as the capacity was used up. Zero is what one wants.
	EvictedEarly uint64
	// EffectiveWindow is how far back the memory reaches: the age of the oldest
	// delivery. Where EvictedEarly grows, it is the window that the capacity
	// allows.
	EffectiveWindow time.Duration
	// Segments is the number of files of the journal, and JournalBytes their size.
	Segments     int
	JournalBytes int64
	// JournalErrors counts what could not be read from a journal or written to it.
	JournalErrors uint64
}

// Stats returns the current numbers. They are read one after the other, while
// the store works on.
func (m *Memory) Stats() Stats {
	s := Stats{
		InFlight:     int(m.inFlight.Load()),
		Waiters:      int(m.waiters.Load()),
		EvictedEarly: m.evictedEarly.Load(),

		JournalErrors: m.journalErrors.Load(),
	}
	var oldest time.Duration
	if s.Entries, oldest = m.ring.span(); s.Entries > 0 {
		s.EffectiveWindow = max(m.now()-oldest, 0)
	}
	if j := m.journal.Load(); j != nil {
		s.Segments, s.JournalBytes = j.size()
	}
	return s
}

// Close implements Store.
func (m *Memory) Close(ctx context.Context) error {
	m.closeOnce.Do(func() {
		close(m.closing)
		m.closeErr = m.drain(ctx)
		m.configuring.Lock()
		defer m.configuring.Unlock()
		if j := m.journal.Load(); j != nil {
			j.close()
		}
		// From here on nobody reads the cache: a Begin that came before closing
		// held its shard's lock, which drain has waited for.
		m.settler.close()
		m.cache.Close()
	})
	return m.closeErr
}

// drain waits for the claims in flight until ctx ends.
func (m *Memory) drain(ctx context.Context) error {
	var open []<-chan struct{}
	for i := range m.table {
		sh := &m.table[i]
		sh.mu.Lock()
		for _, c := range sh.claims {
			if c.open {
				open = append(open, c.done())
			}
		}
		sh.mu.Unlock()
	}
	for i, done := range open {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("dedup: closed with up to %d claims in flight: %w", len(open)-i, ctx.Err())
		}
	}
	return nil
}

var _ Store = (*Memory)(nil)
