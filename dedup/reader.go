package dedup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// upToDate waits for a journal that is being read, or reads what another process
// has written since. It reports false if ctx ends before that.
func (m *Memory) upToDate(ctx context.Context) bool {
	if reading := m.reading.Load(); reading != nil {
		select {
		case <-*reading:
		case <-m.closing:
		case <-ctx.Done():
			return false
		}
	}
	if j := m.journal.Load(); j != nil && j.follows.Load() {
		j.catchUp()
	}
	return true
}

func (j *journal) catchUp() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.follows.Load() && !j.closed {
		j.read(false)
	}
}

// open reads the journal for the first time. It needs j.mu held, as do all below.
func (j *journal) open() {
	c := j.readSegments(!j.follows.Load())
	j.offset = c.offset
	// It never changes: what is told to be forgotten is told by its time.
	j.base = max(j.drift()-c.offset, c.newest+1-int64(j.store.now()))

	commits := j.store.adopt(j.effective(c))
	if n, _ := j.store.ring.span(); n > 0 {
		j.since = all // the journal has none of it
	}
	untaken := j.store.ring.merge(commits)
	j.store.settler.settleLater(commits)
	j.store.settler.settleLater(untaken)
	j.store.trim()
}

// read reads what another process has written since, and, if that has ended,
// to the end.
func (j *journal) read(ended bool) {
	c := j.readSegments(ended)
	// They are as good as new, so that the order in the ring is right enough.
	for _, s := range j.store.adopt(j.effective(c)) {
		j.store.ring.push(s)
	}
	j.store.settler.signal()
	j.store.trim()
}

// readSegments reads what it has not read before. Unless whoever wrote has ended,
// the last segment may be about to grow, also by the rest of a record.
func (j *journal) readSegments(ended bool) *contents {
	c := newContents()
	numbers, err := segmentNumbers(j.dir)
	if err != nil {
		j.fault(err)
	}
	for i, number := range numbers {
		n, known := slices.BinarySearchFunc(j.segments, number, func(s *segment, number uint64) int {
			return cmp.Compare(s.number, number)
		})
		if !known {
			j.segments = slices.Insert(j.segments, n, newSegment(number))
		}
		if s := j.segments[n]; !s.complete {
			s.complete = ended || i < len(numbers)-1
			j.readSegment(s, c, ended)
		}
		j.next = max(j.next, number+1)
	}
	return c
}

func (j *journal) readSegment(s *segment, c *contents, ended bool) {
	data, err := readFrom(j.path(s), s.size)
	if errors.Is(err, fs.ErrNotExist) {
		return // its owner has deleted it
	}
	if err == nil && s.size == 0 && isForeign(data) {
		err = errors.New("another version has written it")
	}
	if err != nil {
		s.complete, s.opaque = true, true
		j.unreadable(1, fmt.Errorf("%s: %w", j.path(s), err))
		return
	}
	c.commits = slices.Grow(c.commits, len(data)/recordSize)
	skipped, end := scan(data, func(r record) {
		c.add(r)
		j.covers(s, r)
	})
	if s.complete {
		skipped += (len(data) - end) / recordSize
		end = len(data)
	}
	s.size += int64(end)
	if skipped > 0 {
		j.unreadable(skipped, fmt.Errorf("%s: %d of %d records are damaged", j.path(s), skipped, len(data)/recordSize))
	}
	if torn := s.size % recordSize; torn > 0 && ended {
		s.size -= torn
		if err := os.Truncate(j.path(s), s.size); err != nil {
			j.fault(err)
		}
		j.store.warn("an incomplete record at the end of "+j.path(s)+" was cut off", nil)
	}
}

// unreadable counts what could not be read, and tells of it.
func (j *journal) unreadable(n int, err error) {
	j.store.journalErrors.Add(uint64(n)) //nolint:gosec // not negative
	j.store.warn("a part of the journal cannot be read: copies of what it holds are forwarded", err)
}

// readFrom returns what is in a file behind an offset.
func readFrom(path string, offset int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, max(info.Size()-offset, 0))
	n, err := f.ReadAt(data, offset)
	if errors.Is(err, io.EOF) {
		err = nil // it was cut meanwhile
	}
	return data[:n], err
}

// effective returns the commits that count still, oldest first, and no more than
// there is capacity for. What is told to be forgotten it has forgotten, too.
func (j *journal) effective(c *contents) []slot {
	now := j.store.now()
	forgotten := make(map[ID]time.Duration, len(c.forgotten))
	for id, at := range c.forgotten {
		forgotten[id] = time.Duration(at - j.base)
		j.store.forgetUntil(id, forgotten[id])
	}
	for id, at := range c.endpoints {
		j.store.forgetEndpointUntil(id, time.Duration(at-j.base))
	}
	commits := c.commits[:0]
	for _, s := range c.commits {
		s.at -= time.Duration(j.base)
		if until, ok := forgotten[s.id]; s.left(now) > 0 && (!ok || s.at > until) {
			commits = append(commits, s)
		}
	}
	slices.SortFunc(commits, func(a, b slot) int { return cmp.Compare(a.at, b.at) })
	return commits[max(len(commits)-j.store.ring.limit(), 0):]
}

// adopt makes commits pending that come from a journal, and returns those that
// were not known. They have yet to be put into the ring.
func (m *Memory) adopt(commits []slot) []slot {
	var parts [shardCount][]int // one shard after the other takes half the time
	for i, s := range commits {
		n := s.id.shard()
		parts[n] = append(parts[n], i)
	}
	for n, part := range parts {
		sh := &m.table[n]
		sh.mu.Lock()
		sh.reserve(len(part))
		for _, i := range part {
			s := commits[i]
			c, known := sh.pending[s.id]
			if !known {
				c.at, known = m.cache.Get(s.id)
			}
			if known && c.at >= s.at {
				commits[i].window = 0
			} else {
				sh.put(s)
			}
		}
		sh.mu.Unlock()
	}
	return slices.DeleteFunc(commits, func(s slot) bool { return s.window == 0 })
}

// holds reports whether the commit is remembered.
func (m *Memory) holds(s slot) bool {
	sh := m.table.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	at, ok := m.last(sh, s.id)
	return ok && at == s.at
}
