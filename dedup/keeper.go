package dedup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// rewriteBatch is how many records are written at a time, 36 KiB.
const rewriteBatch = 1024

// repairMax is the longest pause between two attempts to write again, which grow
// from keepEvery.
const repairMax = time.Minute

// keep looks after the journal until it is closed.
func (j *journal) keep() {
	defer close(j.done)
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-j.stop:
			return
		case <-next.C:
		}
		j.upkeep()
		if j.follows.Load() && j.lock != nil {
			next.Reset(followEvery)
		} else {
			next.Reset(keepEvery)
		}
	}
}

func (j *journal) upkeep() {
	errors := j.store.journalErrors.Load()
	if !j.follows.Load() {
		j.checkPresence()
	}
	if j.follows.Load() {
		if j.takeOver() {
			j.checkPresence() // the lock may be that of a directory that was removed
		}
		if j.follows.Load() {
			return
		}
	}
	j.repair()
	j.mu.Lock()
	j.rotate()
	j.deleteExpired()
	written := j.written
	j.mu.Unlock()
	j.flush(written)
	if j.store.journalErrors.Load() == errors {
		j.recovered()
	}
}

// checkPresence finds out whether somebody has removed the directory, or the
// files in it: writing to a file that has lost its name tells nothing.
func (j *journal) checkPresence() {
	j.mu.Lock()
	defer j.mu.Unlock()
	lockGone, err := j.lockIsGone()
	gone := lockGone
	if err == nil && !gone && j.active != nil {
		_, err = os.Stat(j.path(j.last()))
		gone = errors.Is(err, fs.ErrNotExist)
	}
	switch {
	case gone:
		j.fail(fmt.Errorf("%s: somebody has removed it, or what is in it", j.dir))
		j.since = all
	case err != nil:
		j.fault(err)
	}
	if lockGone {
		j.unlock()
		j.segments = nil
		j.follows.Store(true)
	}
}

// takeOver makes the journal this process's, if no other has it, and reports
// whether it did.
func (j *journal) takeOver() bool {
	locked, err := j.tryLock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil {
		j.fault(err)
		return false
	}
	j.read(locked)
	j.follows.Store(!locked)
	return locked
}

// repair writes what is missing, to a new segment: the last one may be what the
// disk fails at.
func (j *journal) repair() {
	j.mu.Lock()
	since, now := j.since, j.store.now()
	if since == none && !j.broken || now < j.retry {
		j.mu.Unlock()
		return
	}
	j.pause = min(max(2*j.pause, keepEvery), repairMax)
	j.retry = now + j.pause
	j.since, j.broken = none, false
	ok := j.begin() && j.writeEndpoints()
	if !ok {
		j.since = min(j.since, since)
	}
	j.mu.Unlock()
	if ok {
		j.rewrite(since)
	}
}

// rewrite writes from the ring what was committed since then. What is committed
// from now on needs no rewriting.
func (j *journal) rewrite(since time.Duration) {
	var missing []slot
	flush := func() bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		records := make([]record, len(missing))
		for i, s := range missing {
			records[i] = record{kindCommit, s.id, j.base + int64(s.at), s.window}
		}
		if !j.write(records...) {
			j.since = min(j.since, missing[0].at)
			return false
		}
		missing = missing[:0]
		return true
	}
	for s := range j.store.ring.all() {
		if s.at >= since && j.store.holds(s) {
			missing = append(missing, s)
		}
		if len(missing) == rewriteBatch && !flush() {
			return
		}
	}
	if len(missing) > 0 {
		flush()
	}
}

func (j *journal) writeEndpoints() bool {
	endpoints := j.store.endpoints.Load()
	if endpoints == nil {
		return true
	}
	for id, until := range *endpoints {
		if !j.write(record{kind: kindForgetEndpoint, id: id, at: j.base + int64(until)}) {
			return false
		}
	}
	return true
}

// rotate ends a segment that is old, and begins one if the wall clock was moved,
// as its header says how far. It needs j.mu held, as does deleteExpired.
func (j *journal) rotate() {
	if j.active != nil && j.last().commits > 0 && j.store.now()-j.begun >= segmentAge {
		j.retire()
	}
	if step := time.Duration(j.drift() - j.offset).Abs(); step > maxStep && len(j.segments) > 0 && !j.broken {
		j.begin()
	}
}

// deleteExpired deletes the segments whose last record has expired, or is beyond
// the capacity. The last segment stays, so that numbers are not used again.
func (j *journal) deleteExpired() {
	newer := 0
	for _, s := range j.segments {
		newer += s.commits
	}
	capacity, now := j.store.ring.limit(), j.now()
	kept := j.segments[:0]
	for i, s := range j.segments {
		newer -= s.commits
		if i < len(j.segments)-1 && !s.opaque && (s.expires <= now || newer >= capacity) {
			err := os.Remove(j.path(s))
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				continue
			}
			j.fault(err)
		}
		kept = append(kept, s)
	}
	clear(j.segments[len(kept):])
	j.segments = kept
}

// recovered tells that the journal is complete again.
func (j *journal) recovered() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken || j.since != none {
		return
	}
	j.pause, j.retry = 0, all
	if j.faulty {
		j.faulty = false
		j.store.warn("the journal is kept again, and complete", nil)
	}
}
