package dedup

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// cache holds what has settled: ids and when they were committed. It may lose
// a Set without a word and may show one late, as ristretto does: what Get shows
// after Wait is all that counts, and the settler asks. What it has shown it must
// keep until the ttl ends or Del.
//
// Set, Del and Wait may block and are the settler's alone. Get must not block:
// it is called with a shard locked.
type cache interface {
	Set(id ID, at, ttl time.Duration)
	Get(id ID) (at time.Duration, ok bool)
	Del(id ID)
	// Wait returns when Get shows what the Sets before it have stored.
	Wait()
	Close()
}

// unlimited is a cost that ristretto never reaches, at 1 per id. A full
// ristretto turns away new ids in favour of old ones, which is the wrong way
// round here: the ring keeps it from ever being full.
const unlimited = 1 << 40

// ristrettoCache is the cache of a running store.
//
// Windows are not left to it: it files what is to expire by the second, and keeps
// those files, as large as they have ever been, until then, whatever was deleted
// before. What leaves the ring is deleted anyway.
type ristrettoCache struct {
	ids   *ristretto.Cache[string, timed]
	epoch time.Time
}

// timed is when an id was committed, and when that is over, counted from the epoch.
type timed struct{ at, until time.Duration }

func newRistrettoCache(maxCost int64) (ristrettoCache, error) {
	ids, err := ristretto.NewCache(&ristretto.Config[string, timed]{
		// Counters weigh ids against each other when the cache is full. They
		// take their memory at once, so have as few as can be.
		NumCounters:        1024,
		MaxCost:            maxCost,
		BufferItems:        64,
		IgnoreInternalCost: true,
		KeyToHash:          keyToHash,
	})
	if err != nil {
		return ristrettoCache{}, fmt.Errorf("dedup: creating the cache: %w", err)
	}
	return ristrettoCache{ids, time.Now()}, nil
}

// keyToHash hands an id, which is a hash already, to ristretto as its two
// halves: the first one is the key, the second one tells apart ids that share
// it. Only the first of such ids is stored; the others never show and stay
// with the settler, which keeps them exactly.
func keyToHash(id string) (key, conflict uint64) {
	key = binary.LittleEndian.Uint64([]byte(id[:8]))
	conflict = binary.LittleEndian.Uint64([]byte(id[8:]))
	if conflict == 0 {
		conflict = 1 // to ristretto, 0 means "do not compare": a false duplicate
	}
	return key, conflict
}

func (c ristrettoCache) Set(id ID, at, ttl time.Duration) {
	c.ids.Set(string(id[:]), timed{at, time.Since(c.epoch) + ttl}, 1)
}

func (c ristrettoCache) Get(id ID) (time.Duration, bool) {
	s, ok := c.ids.Get(string(id[:]))
	return s.at, ok && time.Since(c.epoch) < s.until
}

func (c ristrettoCache) Del(id ID) { c.ids.Del(string(id[:])) }

func (c ristrettoCache) Wait() { c.ids.Wait() }

func (c ristrettoCache) Close() { c.ids.Close() }

var _ cache = ristrettoCache{}
