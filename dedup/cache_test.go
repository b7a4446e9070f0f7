package dedup

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hostile is a cache that loses two Sets of five, as ristretto may, but often.
type hostile struct {
	cache
	rng *rand.Rand
}

func (h hostile) Set(id ID, at, ttl time.Duration) {
	if h.rng.IntN(5) >= 2 {
		h.cache.Set(id, at, ttl)
	}
}

// deaf is a cache that loses every Set for some time.
type deaf struct {
	cache
	until time.Time
}

func (d deaf) Set(id ID, at, ttl time.Duration) {
	if !time.Now().Before(d.until) {
		d.cache.Set(id, at, ttl)
	}
}

// keepsNothing is the worst cache there is.
type keepsNothing struct{}

func (keepsNothing) Set(ID, time.Duration, time.Duration) {}
func (keepsNothing) Get(ID) (time.Duration, bool)         { return 0, false }
func (keepsNothing) Del(ID)                               {}
func (keepsNothing) Wait()                                {}
func (keepsNothing) Close()                               {}

// neverCleans is a cache that keeps what has expired until it is deleted.
type neverCleans struct {
	mu      sync.Mutex
	entries map[ID]entry
}

type entry struct {
	at      time.Duration
	expires time.Time
}

func newNeverCleans() *neverCleans {
	return &neverCleans{entries: make(map[ID]entry)}
}

func (n *neverCleans) Set(id ID, at, ttl time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries[id] = entry{at, time.Now().Add(ttl)}
}

func (n *neverCleans) Get(id ID) (time.Duration, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e, ok := n.entries[id]
	return e.at, ok && time.Now().Before(e.expires)
}

func (n *neverCleans) Del(id ID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.entries, id)
}

func (n *neverCleans) Wait()  {}
func (n *neverCleans) Close() {}

func (n *neverCleans) len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.entries)
}

// stuck is a cache whose writer hangs until it is released.
type stuck struct {
	*neverCleans
	release chan struct{}
}

func newStuck() stuck {
	return stuck{newNeverCleans(), make(chan struct{})}
}

func (s stuck) Set(id ID, at, ttl time.Duration) { <-s.release; s.neverCleans.Set(id, at, ttl) }
func (s stuck) Del(id ID)                        { <-s.release; s.neverCleans.Del(id) }
func (s stuck) Wait()                            { <-s.release }

func mustRistretto(t testing.TB, maxCost int64) cache {
	t.Helper()
	c, err := newRistrettoCache(maxCost)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// To ristretto, a second half of zero matches every id with that first half: a
// genuine delivery would be taken for a duplicate.
func TestRistrettoTellsIDsWithTheSameFirstHalfApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := mustRistretto(t, unlimited)
		defer c.Close()
		stored, zero := ID{0: 7, 15: 9}, ID{0: 7}
		c.Set(stored, time.Second, time.Minute)
		c.Wait()
		if at, ok := c.Get(stored); !ok || at != time.Second {
			t.Errorf("Get = %v, %v, want what was set", at, ok)
		}
		if _, ok := c.Get(zero); ok {
			t.Error("an id whose second half is zero matches another one")
		}
	})
}

func TestKeyToHashUsesTheWholeID(t *testing.T) {
	hash := func(id ID) [2]uint64 {
		key, conflict := keyToHash(string(id[:]))
		return [2]uint64{key, conflict}
	}
	base := ID{0: 1, 8: 2}
	for i := range base {
		other := base
		other[i] ^= 0x80
		if hash(base) == hash(other) {
			t.Errorf("byte %d of the id makes no difference", i)
		}
	}
	if got := hash(ID{})[1]; got == 0 {
		t.Error("the second half is zero, which ristretto does not compare")
	}
}
