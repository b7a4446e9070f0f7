package dedup

import (
	"slices"
	"sync"
	"time"
)

const (
	// batchSize is well below the 32,768 writes that ristretto buffers before
	// it drops them, and large enough that the Wait for a batch costs nothing
	// per commit.
	batchSize = 4096

	// A commit that the cache did not show is offered again after retryMin,
	// then at growing intervals up to retryMax while no commit gets through.
	retryMin = time.Millisecond
	retryMax = time.Second

	// Slots whose window is over leave the ring every sweepEvery, in batches with
	// sweepPause between them for commits to settle.
	sweepEvery = time.Second
	sweepPause = 10 * time.Millisecond
)

// settler moves commits from the table into the cache, in one goroutine, which
// is the only one to write to the cache. A commit leaves the table when the
// cache shows it with the same time, or when its window is over, never before.
//
// Whatever leaves the ring is deleted from the cache, expired or not.
type settler struct {
	store *Memory
	cache cache

	wake chan struct{} // there is work: commits in the ring, or evicted
	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	evicted []slot // pushed out of the ring; the cache may still hold them
	buried  []slot // forgotten; a grave hides what the cache may still hold
	later   []slot // in the ring and in the table, but not to be taken from there

	unseen []slot // offered to the cache, which has not shown them
}

func newSettler(m *Memory) *settler {
	return &settler{
		store: m,
		cache: m.cache,
		wake:  make(chan struct{}, 1),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
}

func (s *settler) start() { go s.run() }

// close stops the settler and returns when it has stopped.
func (s *settler) close() {
	close(s.stop)
	<-s.done
}

// signal tells the settler that there is work. It never blocks.
func (s *settler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// forget has the settler delete a commit from the cache. It never blocks.
func (s *settler) forget(e slot) {
	s.mu.Lock()
	s.evicted = append(s.evicted, e)
	s.mu.Unlock()
	s.signal()
}

// bury has the settler delete a commit from the cache, and then its grave. It
// never blocks.
func (s *settler) bury(e slot) {
	s.mu.Lock()
	s.buried = append(s.buried, e)
	s.mu.Unlock()
	s.signal()
}

// settleLater hands over commits that do not come from the ring. It never blocks.
func (s *settler) settleLater(commits []slot) {
	s.mu.Lock()
	s.later = append(s.later, commits...)
	s.mu.Unlock()
	s.signal()
}

func (s *settler) run() {
	defer close(s.done)
	sweep := time.NewTimer(sweepEvery)
	defer sweep.Stop()

	pause := retryMin
	var retry <-chan time.Time
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
			s.deleteEvicted()
			s.deleteBuried()
			batch, more := s.store.ring.take(batchSize)
			s.unseen = append(s.unseen, s.settle(batch)...)
			s.takeLater()
			if more {
				s.signal()
			}
		case <-retry:
			retry = nil
			before := len(s.unseen)
			s.settleUnseen()
			pause = min(2*pause, retryMax)
			if len(s.unseen) < before {
				pause = retryMin
			}
		case <-sweep.C:
			if s.sweep() {
				sweep.Reset(sweepPause)
			} else {
				sweep.Reset(sweepEvery)
			}
		}
		if retry == nil && len(s.unseen) > 0 {
			retry = time.After(pause)
		}
	}
}

// settle offers commits to the cache and returns those that it does not show.
// The batch is overwritten.
func (s *settler) settle(batch []slot) (unseen []slot) {
	if len(batch) == 0 {
		return nil
	}
	for _, e := range batch {
		if left := e.left(s.store.now()); left > 0 && s.pending(e) {
			s.cache.Set(e.id, e.at, left)
		}
	}
	s.cache.Wait()
	unseen = batch[:0]
	for _, e := range batch {
		if !s.confirm(e) {
			unseen = append(unseen, e)
		}
	}
	return unseen
}

func (s *settler) settleUnseen() {
	var again []slot
	for batch := range slices.Chunk(s.unseen, batchSize) {
		select {
		case <-s.stop:
			return
		default:
			again = append(again, s.settle(batch)...)
		}
	}
	s.unseen = again
}

func (s *settler) takeLater() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unseen = append(s.unseen, s.later...)
	s.later = nil
}

// confirm reports whether a commit is done with: the cache shows it, its window
// is over, or it was evicted or forgotten on its way.
func (s *settler) confirm(e slot) bool {
	sh := s.store.table.shard(e.id)
	sh.mu.Lock()
	if !sh.has(e) {
		sh.mu.Unlock()
		s.discard(e)
		return true
	}
	defer sh.mu.Unlock()
	at, shown := s.cache.Get(e.id)
	if shown = shown && at == e.at; shown || e.left(s.store.now()) <= 0 {
		sh.remove(e.id)
		return true
	}
	return false
}

// deleteEvicted deletes from the cache what the capacity has pushed out.
func (s *settler) deleteEvicted() {
	s.mu.Lock()
	evicted := s.evicted
	s.evicted = nil
	s.mu.Unlock()
	for _, e := range evicted {
		if s.discard(e) {
			s.store.countEarly(e)
		}
	}
}

// deleteBuried deletes from the cache what was forgotten, and the graves.
func (s *settler) deleteBuried() {
	s.mu.Lock()
	buried := s.buried
	s.buried = nil
	s.mu.Unlock()
	for _, e := range buried {
		s.discard(e)
		s.store.exhume(e)
	}
}

// discard deletes a commit from the cache, unless a later one of the same id
// has taken its place, and reports whether the cache still showed it.
func (s *settler) discard(e slot) (shown bool) {
	at, ok := s.cache.Get(e.id)
	if ok && at > e.at {
		return false
	}
	s.cache.Del(e.id)
	return ok && at == e.at
}

// sweep removes a batch of the oldest slots from the ring, as long as their
// window is over: they are neither in the table nor in the cache. It reports
// whether there may be more.
func (s *settler) sweep() (more bool) {
	for range batchSize {
		e, ok := s.store.ring.settled()
		if !ok {
			return false
		}
		if s.pending(e) {
			return false
		}
		if at, ok := s.cache.Get(e.id); ok && at == e.at {
			return false
		}
		s.store.ring.drop(e)
		s.discard(e)
	}
	return true
}

// pending reports whether the commit is in the table.
func (s *settler) pending(e slot) bool {
	sh := s.store.table.shard(e.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.has(e)
}
