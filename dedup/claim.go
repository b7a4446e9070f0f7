package dedup

import (
	"sync"
	"time"
)

// shardCount spreads the claims over this many locks.
const shardCount = 64

// table holds, exactly, what the cache cannot be trusted with yet: the claims
// and the commits that the cache does not show.
type table [shardCount]shard

// shard is the part of the table for some of the ids.
//
// Under its lock the cache may be read and the ring be used, but no other shard
// be locked and nothing be written to the cache, which may block.
type shard struct {
	mu sync.Mutex
	// claims in flight, and those that ended but have waiters yet to look.
	claims map[ID]*claim
	// pending holds the commits that the cache has not shown so far, and the
	// graves of those that it may show still.
	pending map[ID]commit
	// most is how many there were in pending at a time, since it was made.
	most int
}

func newTable() *table {
	t := new(table)
	for i := range t {
		t[i].claims = make(map[ID]*claim)
		t[i].pending = make(map[ID]commit)
	}
	return t
}

func (t *table) shard(id ID) *shard { return &t[id.shard()] }

func (id ID) shard() int { return int(id[0] % shardCount) }

// reserve makes room for so many commits, if there are none. It needs sh locked.
func (sh *shard) reserve(n int) {
	if len(sh.pending) == 0 {
		sh.pending = make(map[ID]commit, n)
	}
}

// has reports whether the commit is pending. It needs sh locked.
func (sh *shard) has(e slot) bool { return sh.pending[e.id] == e.commit }

// put makes a commit pending. It needs sh locked.
func (sh *shard) put(e slot) {
	sh.pending[e.id] = e.commit
	sh.most = max(sh.most, len(sh.pending))
}

// remove ends what is pending of id. It needs sh locked.
func (sh *shard) remove(id ID) {
	delete(sh.pending, id)
	// A map keeps its memory. After a flood, and the reading of a journal, that
	// would be as much as the cache takes.
	if len(sh.pending) == 0 && sh.most > batchSize {
		sh.pending, sh.most = make(map[ID]commit), 0
	}
}

// commit is a success: when it was, and how long it counts.
type commit struct{ at, window time.Duration }

// grave stands for a commit that was forgotten while the cache may still show
// it. Nothing is left of it at any time.
func grave(at time.Duration) commit { return commit{at: at} }

// left returns how much of the window remains: nothing, if zero or less. A commit
// may be stamped later than now, see Memory.stamp.
func (c commit) left(now time.Duration) time.Duration {
	return c.window - max(now-c.at, 0)
}

// claim is the Claim of a Memory. All but the first three fields are guarded by
// the lock of the id's shard.
type claim struct {
	store  *Memory
	id     ID
	window time.Duration

	open    bool          // in flight: neither committed nor aborted
	ending  bool          // committed or aborted, but not to the end yet
	waiters int           // copies waiting; one that takes over takes the count over
	ended   chan struct{} // closed when the claim ends; nil while nobody waits
}

func (c *claim) Commit() { c.store.end(c, commit{c.store.stamp(), c.window}) }

func (c *claim) Abort() { c.store.end(c, commit{}) }

// done returns the channel to wait on. It needs the shard's lock.
func (c *claim) done() <-chan struct{} {
	if c.ended == nil {
		c.ended = make(chan struct{})
	}
	return c.ended
}

var _ Claim = (*claim)(nil)
