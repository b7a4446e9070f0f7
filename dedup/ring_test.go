package dedup

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

func numbered(n int) slot {
	return slot{numberedID(n), commit{at: time.Duration(n)}}
}

func numberedID(n int) (id ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n))
	return id
}

func TestRingIsFirstInFirstOutAcrossChunks(t *testing.T) {
	const capacity, pushed = 2*chunkSlots + 5, 7*chunkSlots + 3
	r := ring{capacity: capacity}
	var out, taken int
	for i := range pushed {
		if overfull := r.push(numbered(i)); overfull != (i >= capacity) {
			t.Fatalf("push %d: overfull = %v", i, overfull)
		}
		if i%3 == 0 { // the settler lags behind, and skips what was pushed out
			batch, more := r.take(2)
			for _, s := range batch {
				if taken = max(taken, out); s != numbered(taken) {
					t.Fatalf("took %v, want %v", s, numbered(taken))
				}
				taken++
			}
			if more != (taken <= i) {
				t.Fatalf("push %d: more = %v with %d taken", i, more, taken)
			}
		}
		for s, ok := r.overflow(); ok; s, ok = r.overflow() {
			if s != numbered(out) {
				t.Fatalf("pushed out %v, want %v", s, numbered(out))
			}
			out++
		}
	}
	if n, oldest := r.span(); n != capacity || oldest != numbered(pushed-capacity).at {
		t.Errorf("%d slots from %d, want %d from %d", n, oldest, capacity, pushed-capacity)
	}
}

func TestRingGrowsAndShrinksWithUse(t *testing.T) {
	r := ring{capacity: 1 << 40}
	for i := range 3 * chunkSlots {
		r.push(numbered(i))
	}
	if len(r.chunks) != 3 {
		t.Errorf("%d chunks for three chunks of slots", len(r.chunks))
	}
	r.resize(1)
	for _, ok := r.overflow(); ok; _, ok = r.overflow() {
	}
	if len(r.chunks) != 1 {
		t.Errorf("%d chunks for one slot", len(r.chunks))
	}
}

func TestRingDropsOnlyTheOldest(t *testing.T) {
	r := ring{capacity: 10}
	r.push(numbered(1))
	r.push(numbered(2))
	if _, ok := r.settled(); ok {
		t.Error("a slot that was not taken counts as settled")
	}
	r.take(1)
	if s, ok := r.settled(); !ok || s != numbered(1) {
		t.Errorf("settled = %v, %v, want the oldest", s, ok)
	}
	r.drop(numbered(2))
	if n, _ := r.span(); n != 2 {
		t.Error("dropped a slot that is not the oldest")
	}
	r.drop(numbered(1))
	if n, oldest := r.span(); n != 1 || oldest != numbered(2).at {
		t.Errorf("%d slots from %d, want the second one", n, oldest)
	}
	if _, ok := r.settled(); ok {
		t.Error("the second slot was not taken, but counts as settled")
	}
}

func TestMergedCommitsStandWhereTheirTimeBelongs(t *testing.T) {
	other := func(at int) slot { return slot{numberedID(100 + at), commit{at: time.Duration(at)}} }
	r := ring{capacity: 10}
	for _, at := range []int{2, 4, 6} {
		r.push(numbered(at))
	}
	r.take(1)
	untaken := r.merge([]slot{other(1), other(2), other(4), other(7)})
	if want := []slot{numbered(4), numbered(6)}; !slices.Equal(untaken, want) {
		t.Errorf("left %v, want %v", untaken, want)
	}
	want := []slot{other(1), other(2), numbered(2), other(4), numbered(4), numbered(6), other(7)}
	if got := slices.Collect(r.all()); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for first := range r.all() {
		if first != want[0] {
			t.Errorf("began with %v", first)
		}
		break
	}
	if batch, more := r.take(10); len(batch) > 0 || more {
		t.Errorf("took %v again", batch)
	}
}

func TestRingIsOverfullByWhatIsInIt(t *testing.T) {
	r := ring{capacity: 1}
	r.push(numbered(1))
	r.overflow()
	if !r.push(numbered(2)) {
		t.Error("two of one are not too many")
	}
	if s, ok := r.overflow(); !ok || s != numbered(1) {
		t.Errorf("pushed out %v, %t", s, ok)
	}
	if !r.resize(2) || r.resize(2) {
		t.Error("resize does not tell what it changed")
	}
	if r.push(numbered(3)) {
		t.Error("two of two are too many")
	}
	r.drop(numbered(2))
	r.drop(numbered(3))
	r.drop(slot{}) // what an empty ring seems to have
	if n, _ := r.span(); n != 0 {
		t.Errorf("%d are left", n)
	}
}
