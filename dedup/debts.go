package dedup

import (
	"slices"
	"sync"
	"time"
)

// debt is what Redis has yet to be told: a success, or, if there is a token, that
// this claim ended without one.
type debt struct {
	id    ID
	done  done // the success; of a claim, what it had replaced
	token string
	until time.Time // when the claim's lease is over
}

// settled reports whether time has paid the debt: Redis would not know any more.
func (d debt) settled() bool {
	if d.token == "" {
		return d.done.left() <= 0
	}
	return !time.Now().Before(d.until)
}

// debts are paid in turn. Those beyond the limit are forgotten, the oldest first.
type debts struct {
	limit int
	wake  chan struct{} // there are new ones

	mu     sync.Mutex
	queue  []debt
	paying int    // taken, and not yet back or paid
	lost   uint64 // successes that Redis was never told of
}

func newDebts(limit int) *debts {
	return &debts{limit: limit, wake: make(chan struct{}, 1)}
}

func (q *debts) add(d debt) {
	q.mu.Lock()
	q.append(d)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// append needs q.mu held.
func (q *debts) append(d ...debt) {
	q.queue = append(q.queue, d...)
	for len(q.queue) > q.limit {
		q.drop()
	}
}

// take gives out the next debts, at most n, until giveBack.
func (q *debts) take(n int) (batch []debt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.queue) > 0 && len(batch) < n {
		if next := q.queue[0]; next.settled() {
			q.drop()
		} else {
			batch = append(batch, next)
			q.queue = q.queue[1:]
		}
	}
	q.paying = len(batch)
	return batch
}

// giveBack ends take with those that could not be paid.
func (q *debts) giveBack(unpaid []debt) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.paying = 0
	q.append(unpaid...)
}

// drop needs q.mu held.
func (q *debts) drop() {
	if q.queue[0].token == "" {
		q.lost++
	}
	q.queue = q.queue[1:]
}

// forget drops the successes of a delivery up to then.
func (q *debts) forget(id ID, until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = slices.DeleteFunc(q.queue, func(d debt) bool {
		return d.id == id && d.token == "" && !d.done.at.After(until)
	})
}

func (q *debts) count() (pending int, lost uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.queue) + q.paying, q.lost
}
