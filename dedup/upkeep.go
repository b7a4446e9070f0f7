package dedup

import (
	"context"
	"fmt"
	"strings"
	"time"
)

const (
	// upkeepEvery is how often Redis is asked whether it is back, and told again
	// what it could not be told before.
	upkeepEvery = time.Second

	// upkeepTimeout is for commands that no delivery waits for.
	upkeepTimeout = 2 * time.Second

	// upkeepBatch is how many debts are paid in one round trip.
	upkeepBatch = 256
)

// upkeep looks after Redis, in one goroutine: it finds out when an outage is
// over, and pays the debts.
func (r *Redis) upkeep() {
	defer close(r.stopped)
	r.probe()
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		if !r.outage.known() {
			r.hearToForget()
			r.payDebts()
		}
		select {
		case <-r.stop:
			r.payDebts()
			return
		case <-r.debts.wake:
		case <-tick.C:
			if r.outage.known() {
				r.probe()
			}
		}
	}
}

// probe begins or ends an outage. It claims a key that stands for no delivery, as
// Redis may answer and yet be read-only, full or too old. It warns if Redis may
// forget what it was told.
func (r *Redis) probe() {
	ctx, cancel := context.WithTimeout(context.Background(), upkeepTimeout)
	defer cancel()
	_, err := r.server.claim(ctx, pair{r.prefix + "probe", claimMark + r.replica, time.Second})
	version, policy, infoErr := r.server.info(ctx)
	if err != nil {
		if major, _, _ := strings.Cut(version, "."); infoErr == nil && len(major) == 1 && major < "7" {
			err = fmt.Errorf("it is version %s, and 7.0 is the least: %w", version, err)
		}
		r.outage.begin(err)
		return
	}
	r.outage.end()
	switch {
	case infoErr != nil:
		r.warn("cannot tell whether Redis keeps what it is told: allow INFO, or see to it that maxmemory-policy is noeviction", infoErr)
	case policy != "noeviction":
		r.warn("Redis forgets deliveries when its memory is full: set maxmemory-policy from "+policy+" to noeviction", nil)
	}
}

// payDebts goes through the debts once, or until Redis takes none of them.
func (r *Redis) payDebts() {
	left, _ := r.debts.count()
	for {
		batch := r.debts.take(min(left, upkeepBatch))
		if len(batch) == 0 {
			return
		}
		left -= len(batch)
		unpaid, err := r.pay(batch)
		r.debts.giveBack(unpaid)
		if len(unpaid) == len(batch) {
			r.outage.note(err)
			return
		}
	}
}

// pay returns the debts that Redis did not take, and why not.
func (r *Redis) pay(batch []debt) (unpaid []debt, last error) {
	ctx, cancel := context.WithTimeout(context.Background(), upkeepTimeout)
	defer cancel()
	var commits []debt
	var entries []pair
	for _, d := range batch {
		if d.token == "" {
			commits, entries = append(commits, d), append(entries, r.pair(d))
		} else if err := r.release(ctx, d); err != nil {
			r.abortErrors.Add(1)
			unpaid, last = append(unpaid, d), err
		}
	}
	for i, err := range r.server.setAll(ctx, entries) {
		if err != nil {
			r.commitErrors.Add(1)
			unpaid, last = append(unpaid, commits[i]), err
		}
	}
	return unpaid, last
}

// release frees the key of a claim, if it is still that claim's, or puts back what
// it replaced.
func (r *Redis) release(ctx context.Context, d debt) error {
	p := r.pair(d)
	if p.ttl <= 0 {
		p.value = ""
	}
	return r.server.swap(ctx, d.token, p)
}

func (r *Redis) pair(d debt) pair {
	return pair{r.key(d.id), d.done.String(), d.done.left()}
}
