package dedup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// ErrJournal is returned when a journal cannot be kept as it should.
var ErrJournal = errors.New("dedup: journal")

// Fsync is when the operating system has to bring a journal to the disk. The
// death of this process loses nothing in either case, as a commit is written
// before it returns; it is the failure of the machine that may.
type Fsync string

const (
	// FsyncInterval is once a second. It is the default.
	FsyncInterval Fsync = "interval"
	// FsyncAlways is before each commit returns. Commits at the same time share one.
	FsyncAlways Fsync = "always"
	// FsyncNever leaves it to the operating system.
	FsyncNever Fsync = "never"
)

// JournalOptions say where a Memory keeps its journal, and how. The zero
// JournalOptions say that it keeps none.
type JournalOptions struct {
	// Dir is the directory, which is made if need be. It is for the journal alone.
	Dir string
	// Fsync is FsyncInterval if empty.
	Fsync Fsync
}

const (
	// A segment gets no further record when it is that old, or holds that part of
	// the capacity: it is deleted as a whole.
	segmentAge     = time.Hour
	segmentPart    = 8
	segmentCommits = 1024 // at least

	// keepEvery is the interval of FsyncInterval and of all upkeep, followEvery
	// that while another process has the journal.
	keepEvery   = time.Second
	followEvery = 100 * time.Millisecond

	// maxStep is how far the wall clock may get from the journal's before the new
	// distance is written down.
	maxStep = time.Second

	lockName = "lock"

	// Bounds for the time of the oldest commit that is not in the journal.
	none = time.Duration(math.MaxInt64)
	all  = time.Duration(math.MinInt64)
)

// journal is what a Memory writes down, so that it survives the process: every
// commit, and what was told to be forgotten.
//
// Its clock is the wall clock as it was when the journal was first begun, and
// goes on like the Memory's, whatever steps the wall clock makes. How far the two
// are apart is in the header of each segment. That it was moved while no process
// kept the journal cannot be known, but where that makes the journal's clock go
// back, it goes on from its last record instead: to remember for longer is better
// than to forget.
//
// One process has the journal, by a lock on a file in its directory. Any other
// follows: it reads what the first one writes, on each Begin, so that it misses
// no commit, and writes nothing. When the first one has ended, the second takes
// over and writes what it has committed meanwhile.
//
// What fails with the disk is counted, and told once. The Memory goes on alone,
// and as soon as the disk does, what is missing is written from there.
type journal struct {
	store   *Memory
	dir     string
	host    host
	follows atomic.Bool // another process has the journal
	stop    chan struct{}
	done    chan struct{}
	lock    *os.File // the keeper's, while it runs

	// syncing is held while the disk works. It comes before mu.
	syncing sync.Mutex

	// mu guards what follows. It comes before a shard's lock.
	mu       sync.Mutex
	fsync    Fsync
	segments []*segment
	next     uint64        // the number of the next segment
	base     int64         // the journal's time when the Memory's was zero
	offset   int64         // what the last header says
	active   segmentFile   // the last segment, if this process writes to it
	begun    time.Duration // when active was
	full     int           // how many commits are enough for it
	retired  []segmentFile // written to before, and not closed yet
	created  bool          // the directory is to be synced, too
	written  int64         // bytes
	synced   int64         // of them
	unsynced time.Duration // the oldest commit in the others
	since    time.Duration // the oldest commit that is to be written from the ring
	broken   bool          // nothing can be written before repair
	pause    time.Duration // between attempts at repair
	retry    time.Duration // the time of the next one
	faulty   bool          // the operator knows
	closed   bool
	buffer   []byte
}

// host is what the machine does for a journal.
type host struct {
	create func(path string) (segmentFile, error)
	now    func() time.Time
}

var realHost = host{createSegment, time.Now}

// segmentFile is what a journal needs of the file that it writes to.
type segmentFile interface {
	io.WriteCloser
	Truncate(size int64) error
	Sync() error
}

func createSegment(path string) (segmentFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// SetJournal has the Memory keep a journal, or another one, or none. It returns
// when what the journal holds is remembered; until then, Begin waits. What was
// remembered before stays so and is written into the new journal. If a disk fails
// later, deliveries are not affected.
//
// The error wraps ErrJournal if the directory cannot be used, or ErrClosed.
// Nothing has changed then.
func (m *Memory) SetJournal(o JournalOptions) error {
	m.configuring.Lock()
	defer m.configuring.Unlock()
	if m.closed() {
		return ErrClosed
	}
	old := m.journal.Load()
	if old != nil && old.dir == o.Dir {
		old.setFsync(o.Fsync)
		return nil
	}
	if o.Dir == "" {
		m.journal.Store(nil)
	} else if err := m.openJournal(o, realHost); err != nil {
		return err
	}
	if old != nil {
		old.close()
	}
	return nil
}

func (m *Memory) openJournal(o JournalOptions, h host) error {
	j := &journal{
		store: m, dir: o.Dir, host: h,
		stop: make(chan struct{}), done: make(chan struct{}),
		next: 1, unsynced: none, since: none, retry: all,
	}
	j.setFsync(o.Fsync)
	locked, err := j.tryLock()
	if err == nil {
		_, err = segmentNumbers(j.dir)
	}
	if err != nil {
		j.unlock()
		return fmt.Errorf("%w: %w", ErrJournal, err)
	}
	if !locked {
		j.follows.Store(true)
		m.warn("another process has the journal "+j.dir+": it is read, and written once that process has ended", nil)
	}

	reading := make(chan struct{})
	m.reading.Store(&reading)
	j.mu.Lock()
	m.journal.Store(j) // commits from now on wait for j.mu
	j.open()
	j.mu.Unlock()
	m.reading.Store(nil)
	close(reading)
	go j.keep()
	return nil
}

func (j *journal) setFsync(f Fsync) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.fsync = f
}

// append writes a commit down and reports whether that has succeeded.
func (j *journal) append(s slot) bool {
	j.mu.Lock()
	ok := j.write(record{kindCommit, s.id, j.base + int64(s.at), s.window})
	written, always := j.written, j.fsync == FsyncAlways
	j.mu.Unlock()
	return ok && (!always || j.flush(written))
}

// missed has a commit written later that was not. It is in the ring.
func (j *journal) missed(at time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.since = min(j.since, at)
}

// forget writes down that what was committed until then is forgotten.
func (j *journal) forget(k kind, id ID, until time.Duration) error {
	j.mu.Lock()
	ok := j.write(record{kind: k, id: id, at: j.base + int64(until)})
	written := j.written
	j.mu.Unlock()
	if ok && j.flush(written) { // it could not be written again from the ring
		return nil
	}
	why := "the disk fails"
	if j.follows.Load() {
		why = "another process has it"
	}
	return fmt.Errorf("%w: %s, so that this is forgotten only until a restart", ErrJournal, why)
}

// write needs j.mu held, as does what it calls.
func (j *journal) write(records ...record) bool {
	switch {
	case j.closed || j.broken || j.follows.Load():
		return false
	case j.active != nil && j.last().commits < j.full:
	case !j.begin():
		return false
	}
	j.buffer = j.buffer[:0]
	for _, r := range records {
		j.buffer = r.appendTo(j.buffer)
	}
	s := j.last()
	if _, err := j.active.Write(j.buffer); err != nil {
		_ = j.active.Truncate(s.size) // else a reader finds a part of a record
		j.fail(err)
		return false
	}
	s.size += int64(len(j.buffer))
	j.written += int64(len(j.buffer))
	for _, r := range records {
		j.covers(s, r)
		j.unsynced = min(j.unsynced, time.Duration(r.at-j.base))
	}
	return true
}

// covers notes what a segment holds. One with what forgets commits stays as long
// as any before it, which may have those commits.
func (j *journal) covers(s *segment, r record) {
	s.covers(r)
	if r.kind == kindForget || r.kind == kindForgetEndpoint {
		for _, older := range j.segments {
			s.expires = max(s.expires, older.expires)
		}
	}
}

func (j *journal) last() *segment { return j.segments[len(j.segments)-1] }

// now returns the journal's time.
func (j *journal) now() int64 { return j.base + int64(j.store.now()) }

// drift returns what the wall clock is ahead of the journal's.
func (j *journal) drift() int64 { return j.host.now().UnixNano() - j.now() }

// begin starts a new segment.
func (j *journal) begin() bool {
	j.retire()
	s := newSegment(j.next)
	header := record{kind: kindHeader, id: magic, at: j.drift()}
	f, err := j.host.create(j.path(s))
	if err != nil {
		j.fail(err)
		return false
	}
	if _, err := f.Write(header.appendTo(nil)); err != nil {
		_ = f.Close()
		_ = os.Remove(j.path(s))
		j.fail(err)
		return false
	}
	s.size = recordSize
	j.written += recordSize
	j.next++
	j.segments = append(j.segments, s)
	j.active, j.begun, j.offset, j.created = f, j.store.now(), header.at, true
	j.full = max(j.store.ring.limit()/segmentPart, segmentCommits)
	return true
}

// retire writes no more to the active segment.
func (j *journal) retire() {
	if j.active != nil {
		j.retired = append(j.retired, j.active)
		j.active = nil
	}
}

func (j *journal) path(s *segment) string { return filepath.Join(j.dir, segmentName(s.number)) }

// fail gives the active segment up: whatever of it is not on the disk is to be
// written again, to another one.
func (j *journal) fail(err error) {
	j.fault(err)
	j.broken = true
	if j.fsync != FsyncNever {
		j.since = min(j.since, j.unsynced)
	}
	if j.active != nil {
		_ = j.active.Close()
		j.active = nil
	}
}

// fault counts an error, and tells of the first.
func (j *journal) fault(err error) {
	j.store.journalErrors.Add(1)
	if !j.faulty {
		j.faulty = true
		j.store.warn("the journal cannot be kept for now: what it lacks is forgotten if this process ends", err)
	}
}

// flush brings to the disk what is written, at least the first upTo bytes.
func (j *journal) flush(upTo int64) bool {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	if j.synced >= upTo {
		j.mu.Unlock()
		return true
	}
	active, retired, created, written, oldest := j.active, j.retired, j.created, j.written, j.unsynced
	j.retired, j.created, j.unsynced = nil, false, none
	never, broken := j.fsync == FsyncNever, j.broken
	j.mu.Unlock()

	var errs []error
	for _, f := range retired {
		if !never {
			errs = append(errs, f.Sync())
		}
		errs = append(errs, f.Close())
	}
	if active != nil && !never {
		errs = append(errs, active.Sync())
	}
	if created && !never {
		errs = append(errs, syncDir(j.dir))
	}
	err := errors.Join(errs...)

	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil || broken {
		j.unsynced = min(j.unsynced, oldest)
	}
	if err != nil {
		j.fail(err)
		return false
	}
	if broken {
		return false
	}
	j.synced = written
	return true
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// size returns the number of segments, and of their bytes.
func (j *journal) size() (segments int, bytes int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segments {
		bytes += s.size
	}
	return len(j.segments), bytes
}

// tryLock opens the lock file and takes the lock, unless another process has it.
func (j *journal) tryLock() (bool, error) {
	if j.lock == nil {
		if err := os.MkdirAll(j.dir, 0o700); err != nil {
			return false, err
		}
		f, err := os.OpenFile(filepath.Join(j.dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return false, err
		}
		j.lock = f
	}
	locked, err := tryLock(j.lock)
	if err != nil {
		return false, &os.PathError{Op: "lock", Path: j.lock.Name(), Err: err}
	}
	return locked, nil
}

// lockIsGone reports whether another file has the name of the lock, or none: then
// it keeps nobody off.
func (j *journal) lockIsGone() (bool, error) {
	held, err := j.lock.Stat()
	if err != nil {
		return false, err
	}
	named, err := os.Stat(j.lock.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	return err == nil && !os.SameFile(named, held), err
}

func (j *journal) unlock() {
	if j.lock != nil {
		_ = j.lock.Close()
		j.lock = nil
	}
}

// close ends the journal. What it holds is on the disk then, if that works.
func (j *journal) close() {
	close(j.stop)
	<-j.done
	j.flush(math.MaxInt64)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	if j.active != nil {
		_ = j.active.Close()
	}
	j.unlock()
}
