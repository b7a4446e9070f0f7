package dedup

import (
	"iter"
	"slices"
	"sync"
	"time"
)

// slot names one commit. The time tells it from an earlier commit of the same
// id whose window is over: that one's slot must not take the new commit along
// when it leaves the ring.
type slot struct {
	id ID
	commit
}

// chunkSlots is how many slots the ring grows by: 32 KiB at a time.
const chunkSlots = 1024

// ring holds every commit, oldest first, in the order in which they were made.
// That order decides what a full store forgets; the cache cannot decide it, as
// it neither knows the order nor prefers the new to the old. It is also the
// settler's queue: the slots from taken on have yet to reach the cache.
//
// It grows by chunks, so a large capacity costs nothing until it is used.
type ring struct {
	mu       sync.Mutex
	capacity int
	chunks   []*[chunkSlots]slot
	// Positions in chunks, counted from the start of the first one.
	head, taken, tail int
}

func (r *ring) slot(i int) *slot {
	return &r.chunks[i/chunkSlots][i%chunkSlots]
}

// push adds a commit and reports whether the ring now exceeds its capacity.
func (r *ring) push(s slot) (overfull bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add(s)
	return r.tail-r.head > r.capacity
}

// add needs r.mu held.
func (r *ring) add(s slot) {
	if r.tail == len(r.chunks)*chunkSlots {
		r.chunks = append(r.chunks, new([chunkSlots]slot))
	}
	*r.slot(r.tail) = s
	r.tail++
}

// merge adds commits from elsewhere, oldest first, where their time belongs, and
// returns those that were there but not taken. They, too, now count as taken.
func (r *ring) merge(more []slot) (untaken []slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var merged ring
	for i := r.head; i < r.tail; i++ {
		s := *r.slot(i)
		for len(more) > 0 && more[0].at <= s.at {
			merged.add(more[0])
			more = more[1:]
		}
		merged.add(s)
		if i >= r.taken {
			untaken = append(untaken, s)
		}
	}
	for _, s := range more {
		merged.add(s)
	}
	r.chunks, r.head, r.taken, r.tail = merged.chunks, 0, merged.tail, merged.tail
	return untaken
}

// all returns the commits that are there now, oldest first.
func (r *ring) all() iter.Seq[slot] {
	r.mu.Lock()
	defer r.mu.Unlock()
	// What a chunk holds never changes, so that the chunks need not be copied.
	then := ring{chunks: slices.Clone(r.chunks)}
	head, tail := r.head, r.tail
	return func(yield func(slot) bool) {
		for i := head; i < tail; i++ {
			if !yield(*then.slot(i)) {
				return
			}
		}
	}
}

// overflow removes and returns the oldest commit if the ring exceeds its
// capacity.
func (r *ring) overflow() (slot, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tail-r.head <= r.capacity {
		return slot{}, false
	}
	return r.pop(), true
}

// take gives the settler the next commits, at most limit, and whether there are
// more. They stay in the ring.
func (r *ring) take(limit int) (batch []slot, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := min(limit, r.tail-r.taken)
	batch = make([]slot, n)
	for i := range batch {
		batch[i] = *r.slot(r.taken + i)
	}
	r.taken += n
	return batch, r.taken < r.tail
}

// settled returns the oldest commit if the settler has had it.
func (r *ring) settled() (slot, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head == r.taken {
		return slot{}, false
	}
	return *r.slot(r.head), true
}

// drop removes s if it is still the oldest commit.
func (r *ring) drop(s slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head < r.tail && *r.slot(r.head) == s {
		r.pop()
	}
}

// limit returns the capacity.
func (r *ring) limit() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.capacity
}

// resize reports whether the capacity was another.
func (r *ring) resize(capacity int) (changed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	changed = r.capacity != capacity
	r.capacity = capacity
	return changed
}

// span returns the number of commits and, if there are any, the oldest one's
// time.
func (r *ring) span() (n int, oldest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.head < r.tail {
		oldest = r.slot(r.head).at
	}
	return r.tail - r.head, oldest
}

// pop needs r.mu held and the ring not empty.
func (r *ring) pop() slot {
	s := *r.slot(r.head)
	r.head++
	r.taken = max(r.taken, r.head)
	if r.head == chunkSlots {
		r.chunks[0] = nil
		r.chunks = r.chunks[1:]
		r.head -= chunkSlots
		r.taken -= chunkSlots
		r.tail -= chunkSlots
	}
	return s
}
