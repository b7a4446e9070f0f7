package dedup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryWithJournal(t *testing.T) {
	for _, fsync := range []Fsync{FsyncInterval, FsyncAlways, FsyncNever} {
		t.Run(string(fsync), func(t *testing.T) {
			testStore(t, storeUnderTest{
				run: func(t *testing.T, f func(t *testing.T, s Store)) {
					synctest.Test(t, func(t *testing.T) {
						dir := t.TempDir()
						m := newTestMemory(t, DefaultCapacity)
						setJournal(t, m, JournalOptions{dir, fsync})
						f(t, m)
					})
				},
				idle:    func(*testing.T, Store, int) { synctest.Wait() },
				waiters: 16,
			})
		})
	}
}

// journalTest runs a test that starts processes on one directory, in a bubble of
// its own.
func journalTest(t *testing.T, f func(l *journalLab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f(&journalLab{T: t, dir: t.TempDir(), capacity: DefaultCapacity, host: realHost})
	})
}

type journalLab struct {
	*testing.T
	dir      string
	capacity int
	host     host

	mu       sync.Mutex
	warnings []string
}

// start starts a process.
func (l *journalLab) start() *Memory {
	l.Helper()
	m := newMemory(l.capacity, mustRistretto(l, unlimited))
	m.Warn = l.warn
	startTestMemory(l.T, m)
	if err := m.openJournal(JournalOptions{Dir: l.dir}, l.host); err != nil {
		l.Fatal(err)
	}
	return m
}

func (l *journalLab) warn(msg string, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warnings = append(l.warnings, fmt.Sprint(msg, ": ", cause))
}

// wantWarnings checks what the operator was told since it was last called.
func (l *journalLab) wantWarnings(want ...string) {
	l.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := slices.EqualFunc(l.warnings, want, strings.Contains)
	if !ok {
		l.Errorf("warnings\n\t%s\nwant\n\t%s", strings.Join(l.warnings, "\n\t"), strings.Join(want, "\n\t"))
	}
	l.warnings = nil
}

// stop ends a process as it should be.
func (l *journalLab) stop(m *Memory) {
	l.Helper()
	if err := m.Close(l.Context()); err != nil {
		l.Fatal(err)
	}
}

// kill ends a process at once: nothing is written from here on.
func kill(m *Memory) {
	j := m.journal.Load()
	j.mu.Lock()
	j.closed, j.active, j.retired = true, nil, nil
	j.mu.Unlock()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_ = m.Close(ended)
}

// newSegmentNext has the next commit begin a segment.
func newSegmentNext(m *Memory) {
	j := m.journal.Load()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.retire()
}

// segments returns the paths of the segments.
func (l *journalLab) segments() (paths []string) {
	l.Helper()
	numbers, err := segmentNumbers(l.dir)
	if err != nil {
		l.Fatal(err)
	}
	for _, n := range numbers {
		paths = append(paths, filepath.Join(l.dir, segmentName(n)))
	}
	return paths
}

func (l *journalLab) read(path string) []byte {
	l.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		l.Fatal(err)
	}
	return data
}

func (l *journalLab) write(path string, data []byte) {
	l.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		l.Fatal(err)
	}
}

func setJournal(t *testing.T, m *Memory, o JournalOptions) {
	t.Helper()
	if err := m.SetJournal(o); err != nil {
		t.Fatal(err)
	}
}

// wantRemembered checks of the first n deliveries which are remembered.
func wantRemembered(t *testing.T, m *Memory, n int, o Options, want func(i int) bool) {
	t.Helper()
	for i := range n {
		out := begin(t, m, nthID(i), o)
		if out.Claim != nil {
			out.Claim.Abort()
		}
		if got := out.Kind == Duplicate; got != want(i) {
			t.Fatalf("delivery %d of %d is remembered: %v", i, n, got)
		}
	}
}

func every(int) bool { return true }

var hour = Options{Endpoint: "shop", Window: time.Hour}

func TestARestartForgetsNothing(t *testing.T) {
	for name, end := range map[string]func(*journalLab, *Memory){
		"stopped": (*journalLab).stop,
		"killed":  func(_ *journalLab, m *Memory) { kill(m) },
	} {
		t.Run(name, func(t *testing.T) {
			journalTest(t, func(l *journalLab) {
				for n := range 10 {
					m := l.start()
					wantRemembered(l.T, m, 100*n, hour, every)
					if s := m.Stats(); s.Entries != 100*n {
						l.Errorf("%d entries, want %d", s.Entries, 100*n)
					}
					commitAll(l.T, m, 100*n, 100*n+100, hour)
					forward(l.T, m, nthID(5000+n), hour).Abort()
					forward(l.T, m, nthID(6000+n), Options{}).Commit()
					end(l, m)
					time.Sleep(time.Minute)
				}
				m := l.start()
				for n := range 10 {
					forward(l.T, m, nthID(5000+n), hour).Abort()
					forward(l.T, m, nthID(6000+n), hour).Abort()
				}
				l.wantWarnings()
			})
		})
	}
}

func TestAWindowGoesOnThroughARestart(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := l.start()
		committed := time.Now()
		commitAll(l.T, m, 0, 1, hour)
		commitAll(l.T, m, 1, 2, Options{Window: 30 * time.Minute})
		for range 6 {
			l.stop(m)
			time.Sleep(10*time.Minute - time.Second)
			m = l.start()
			if out := begin(l.T, m, nthID(0), hour); !out.At.Equal(committed) {
				l.Errorf("committed at %v, want %v", out.At, committed)
			}
		}
		forward(l.T, m, nthID(1), hour).Abort() // as a longer window is for new commits
		time.Sleep(6*time.Second - time.Millisecond)
		wantKind(l.T, begin(l.T, m, nthID(0), hour), Duplicate)
		time.Sleep(time.Millisecond)
		forward(l.T, m, nthID(0), hour).Abort()
		l.stop(m)
		m = l.start()
		if s := m.Stats(); s.Entries != 0 {
			l.Errorf("%d entries after their windows, want none", s.Entries)
		}
	})
}

func TestARestartKeepsTheNewest(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		l.capacity = 50
		m := l.start()
		for i := range 500 {
			commitAll(l.T, m, i, i+1, hour)
			time.Sleep(time.Second)
		}
		l.stop(m)
		m = l.start()
		wantNewest(l.T, m, 50, 500)
		commitAll(l.T, m, 500, 510, hour)
		l.stop(m)
		l.capacity = 20
		m = l.start()
		wantNewest(l.T, m, 20, 510)
		if n := m.Stats().EvictedEarly; n != 0 {
			l.Errorf("%d are said to be evicted by a restart", n)
		}
	})
}

// Whatever is left of the last record, the others count, and so does what is
// written afterwards.
func TestEveryTruncationOfTheLastSegment(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		const commits = 5
		m := l.start()
		commitAll(l.T, m, 0, commits, hour)
		kill(m)
		segment := l.segments()[0]
		whole := l.read(segment)
		for size := len(whole); size >= 0; size-- {
			for _, path := range l.segments() {
				_ = os.Remove(path)
			}
			l.write(segment, whole[:size])
			m := l.start()
			wantRemembered(l.T, m, commits, hour, func(i int) bool { return i < size/recordSize-1 })
			commitAll(l.T, m, 100, 102, hour)
			kill(m)
			if size >= 2*recordSize { // else nothing is in it, and it may be gone
				if n := len(l.read(segment)); n != size-size%recordSize {
					l.Fatalf("of %d bytes %d are left", size, n)
				}
			}
			m = l.start()
			wantRemembered(l.T, m, commits, hour, func(i int) bool { return i < size/recordSize-1 })
			for i := range 2 {
				wantKind(l.T, begin(l.T, m, nthID(100+i), hour), Duplicate)
			}
			kill(m)
			if size%recordSize > 0 {
				l.wantWarnings("an incomplete record at the end of " + segment + " was cut off")
			} else {
				l.wantWarnings()
			}
		}
	})
}

func TestAFlippedBitCostsOneRecord(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		const commits = 5
		m := l.start()
		commitAll(l.T, m, 0, commits, hour)
		kill(m)
		segment := l.segments()[0]
		whole := l.read(segment)
		for i := range whole {
			damaged := slices.Clone(whole)
			damaged[i] ^= 1 << (i % 8)
			l.write(segment, damaged)
			m := l.start()
			wantRemembered(l.T, m, commits, hour, func(n int) bool { return n != i/recordSize-1 })
			if n := m.Stats().JournalErrors; n != 1 {
				l.Errorf("byte %d: %d errors, want 1", i, n)
			}
			kill(m)
			l.wantWarnings("1 of 6 records are damaged")
		}
	})
}

func TestAWholeSegmentIsDeletedWhenItsLastRecordHasExpired(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := l.start()
		window := Options{Window: 5 * time.Hour}
		var ends []time.Time
		for i := range 15 {
			commitAll(l.T, m, 10*i, 10*i+10, window)
			ends = append(ends, time.Now().Add(window.Window))
			if i == 2 {
				commitAll(l.T, m, 5000, 5001, Options{Window: 2 * window.Window})
				ends[i] = ends[i].Add(window.Window)
			}
			if i == 6 {
				l.stop(m)
				m = l.start()
			}
			time.Sleep(segmentAge + 2*keepEvery)
			synctest.Wait()
			want := 0
			for _, end := range ends {
				if time.Now().Before(end) {
					want++
				}
			}
			segments := l.segments()
			if n := len(segments); n != want {
				l.Fatalf("%d segments after %d hours, want %d", n, i+1, want)
			}
			var bytes int64
			for _, path := range segments {
				bytes += int64(len(l.read(path)))
			}
			if s := m.Stats(); s.Segments != len(segments) || s.JournalBytes != bytes {
				l.Errorf("Stats tell of %d segments with %d bytes, there are %d with %d", s.Segments, s.JournalBytes, len(segments), bytes)
			}
		}
		time.Sleep(2 * window.Window)
		synctest.Wait()
		if n := len(l.segments()); n != 1 {
			l.Errorf("%d segments after every window, want the last one", n)
		}
	})
}

func TestWhatIsBeyondTheCapacityIsDeleted(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		l.capacity = 10 * segmentCommits
		m := l.start()
		for i := range 40 {
			commitAll(l.T, m, i*segmentCommits, (i+1)*segmentCommits, hour)
			time.Sleep(2 * keepEvery)
			synctest.Wait()
			if s := m.Stats(); s.JournalBytes > int64(l.capacity+3*segmentCommits)*recordSize {
				l.Fatalf("%d bytes for the newest %d", s.JournalBytes, l.capacity)
			}
		}
		l.stop(m)
		m = l.start()
		wantNewest(l.T, m, l.capacity, 40*segmentCommits)
	})
}

func TestForgottenStaysForgotten(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := l.start()
		bank := Options{Endpoint: "bank", Window: time.Hour}
		commitAll(l.T, m, 0, 4, hour)
		commitAll(l.T, m, 4, 6, bank)
		forget(l.T, m, nthID(4), true)
		forgetEndpoint(l.T, m, "shop")
		commitAll(l.T, m, 1, 2, hour)
		kill(m)
		for range 3 {
			m = l.start()
			forward(l.T, m, nthID(0), hour).Abort()
			wantKind(l.T, begin(l.T, m, nthID(1), hour), Duplicate)
			forward(l.T, m, nthID(4), bank).Abort()
			wantKind(l.T, begin(l.T, m, nthID(5), bank), Duplicate)
			l.stop(m)
		}
		m = l.start()
		commitAll(l.T, m, 4, 5, bank)
		commitAll(l.T, m, 0, 1, hour)
		kill(m)
		m = l.start()
		wantKind(l.T, begin(l.T, m, nthID(4), bank), Duplicate)
		wantKind(l.T, begin(l.T, m, nthID(0), hour), Duplicate)
	})
}

// What forgets a commit must not leave the journal before that commit does.
func TestWhatForgetsOutlivesWhatIsForgotten(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := l.start()
		day := Options{Endpoint: "shop", Window: 24 * time.Hour}
		commitAll(l.T, m, 0, 2, day)
		time.Sleep(segmentAge + keepEvery)
		commitAll(l.T, m, 10, 11, hour)
		forget(l.T, m, nthID(0), true)
		for i := range 7 {
			time.Sleep(segmentAge + keepEvery)
			commitAll(l.T, m, 20+i, 21+i, hour)
		}
		kill(m)
		m = l.start()
		forward(l.T, m, nthID(0), day).Abort()
		wantKind(l.T, begin(l.T, m, nthID(1), day), Duplicate)
		forgetEndpoint(l.T, m, "shop")
		for i := range 7 {
			time.Sleep(segmentAge + keepEvery)
			commitAll(l.T, m, 60+i, 61+i, hour)
		}
		kill(m)
		m = l.start()
		forward(l.T, m, nthID(1), day).Abort()
	})
}

// The wall clock is moved by a step, or stands wrong when a process starts.
func TestClockSteps(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name             string
		step             time.Duration
		asleep           bool // while no process runs
		atLeast, exactly time.Duration
	}{
		{name: "none", exactly: time.Hour},
		{name: "forward", step: 3 * day, exactly: time.Hour},
		{name: "back", step: -3 * day, exactly: time.Hour},
		{name: "back while stopped", step: -3 * day, asleep: true, atLeast: time.Hour},
		{name: "to 1970 while stopped", step: -time.Since(time.Unix(1000, 0)), asleep: true, atLeast: time.Hour},
		{name: "to 1970", step: -time.Since(time.Unix(1000, 0)), exactly: time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			journalTest(t, func(l *journalLab) {
				var offset atomic.Int64
				l.host.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
				m := l.start()
				committed := time.Now()
				commitAll(l.T, m, 0, 1, hour)
				if !tt.asleep {
					offset.Add(int64(tt.step))
					time.Sleep(keepEvery)
					synctest.Wait()
				}
				kill(m)
				if tt.asleep {
					offset.Add(int64(tt.step))
				}
				for range 3 {
					time.Sleep(15 * time.Minute)
					m = l.start()
					wantKind(l.T, begin(l.T, m, nthID(0), hour), Duplicate)
					commitAll(l.T, m, 0, 2, Options{Endpoint: "shop", Window: 0}) // nothing to write
					kill(m)
				}
				m = l.start()
				time.Sleep(time.Until(committed.Add(time.Hour - time.Millisecond)))
				wantKind(l.T, begin(l.T, m, nthID(0), hour), Duplicate)
				if tt.exactly > 0 {
					time.Sleep(time.Millisecond)
					forward(l.T, m, nthID(0), hour).Abort()
				}
				// From the last start on, it counts as the running time.
				time.Sleep(2 * time.Hour)
				forward(l.T, m, nthID(0), hour).Abort()
			})
		})
	}
}

// failing is a disk that fails as it is told to.
type failing struct {
	mu     sync.Mutex
	create error
	write  error // after half of what is written
	// headers says that write does not apply to them.
	headers bool
	sync    error
	synced  int // calls
}

func (d *failing) set(f func(d *failing)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

func (d *failing) host() host {
	return host{func(path string) (segmentFile, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.create != nil {
			return nil, d.create
		}
		f, err := createSegment(path)
		return failingFile{f, d}, err
	}, time.Now}
}

type failingFile struct {
	segmentFile
	disk *failing
}

func (f failingFile) Write(b []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if r, _ := parseRecord(b); f.disk.write != nil && (!f.disk.headers || r.kind != kindHeader) {
		n, _ := f.segmentFile.Write(b[:len(b)/2])
		return n, f.disk.write
	}
	return f.segmentFile.Write(b)
}

func (f failingFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.disk.synced++
	if f.disk.sync != nil {
		return f.disk.sync
	}
	return f.segmentFile.Sync()
}

// A disk that fails costs no delivery, is told of once, and when it works again
// the journal lacks nothing.
func TestDiskFailures(t *testing.T) {
	for name, fail := range map[string]func(*failing){
		"full":                   func(d *failing) { d.write = syscall.ENOSPC },
		"no room for a file":     func(d *failing) { d.write, d.create = syscall.ENOSPC, syscall.ENOSPC },
		"broken under the cache": func(d *failing) { d.sync = syscall.EIO },
	} {
		for _, fsync := range []Fsync{FsyncInterval, FsyncAlways, FsyncNever} {
			if name == "broken under the cache" && fsync == FsyncNever {
				continue // nobody asks
			}
			t.Run(name+", fsync "+string(fsync), func(t *testing.T) {
				journalTest(t, func(l *journalLab) {
					var disk failing
					l.host = disk.host()
					m := l.start()
					m.journal.Load().setFsync(fsync)
					commitAll(l.T, m, 0, 10, hour)
					time.Sleep(keepEvery)
					commitAll(l.T, m, 10, 20, hour)
					disk.set(fail)
					for i := 20; i < 40; i++ {
						commitAll(l.T, m, i, i+1, hour)
						time.Sleep(keepEvery)
					}
					l.wantWarnings("the journal cannot be kept for now: what it lacks is forgotten if this process ends: ")
					if n := m.Stats().JournalErrors; n == 0 {
						l.Error("no errors counted")
					}
					disk.set(func(d *failing) { d.create, d.write, d.sync = nil, nil, nil })
					time.Sleep(repairMax + keepEvery)
					l.wantWarnings("the journal is kept again, and complete")
					if n := len(l.segments()); n > 8 {
						l.Errorf("%d segments are left of the failure", n)
					}
					commitAll(l.T, m, 40, 50, hour)
					kill(m)
					m = l.start()
					wantRemembered(l.T, m, 50, hour, every)
					l.wantWarnings()
				})
			})
		}
	}
}

// After a failed fsync the kernel forgets what it could not write, and says that
// all is well. What was written since the last good one has to be written again.
func TestWhatAFailedFsyncLostIsWrittenAgain(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		var disk failing
		l.host = disk.host()
		m := l.start()
		commitAll(l.T, m, 0, 10, hour)
		time.Sleep(2 * keepEvery)
		synctest.Wait()
		safe := len(l.read(l.segments()[0]))
		commitAll(l.T, m, 10, 20, hour)
		disk.set(func(d *failing) { d.sync = syscall.EIO })
		time.Sleep(keepEvery)
		synctest.Wait()
		disk.set(func(d *failing) { d.sync = nil })
		first := l.segments()[0]
		l.write(first, l.read(first)[:safe])
		time.Sleep(2 * keepEvery)
		kill(m)
		m = l.start()
		wantRemembered(l.T, m, 20, hour, every)
	})
}

// The disk takes the new segment's header, and then nothing again.
func TestTheDiskFailsAgainBeforeAllIsWritten(t *testing.T) {
	for _, fsync := range []Fsync{FsyncInterval, FsyncNever} {
		journalTest(t, func(l *journalLab) {
			var disk failing
			l.host = disk.host()
			m := l.start()
			m.journal.Load().setFsync(fsync)
			commitAll(l.T, m, 0, 10, hour)
			time.Sleep(2 * keepEvery)
			disk.set(func(d *failing) { d.write = syscall.ENOSPC })
			commitAll(l.T, m, 10, 20, hour)
			disk.set(func(d *failing) { d.headers = true })
			time.Sleep(10 * keepEvery)
			disk.set(func(d *failing) { d.write = nil })
			time.Sleep(repairMax + keepEvery)
			kill(m)
			wantRemembered(l.T, l.start(), 20, hour, every)
		})
	}
}

func TestForgettingNeedsTheDisk(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		var disk failing
		l.host = disk.host()
		m := l.start()
		commitAll(l.T, m, 0, 2, hour)
		disk.set(func(d *failing) { d.sync = syscall.EIO })
		if known, err := m.Forget(l.Context(), nthID(0)); !known || !errors.Is(err, ErrJournal) {
			l.Errorf("Forget = %v, %v, want ErrJournal: after a restart it would be remembered", known, err)
		}
		if err := m.ForgetEndpoint(l.Context(), "shop"); !errors.Is(err, ErrJournal) {
			l.Errorf("ForgetEndpoint = %v, want ErrJournal", err)
		}
		for i := range 2 {
			forward(l.T, m, nthID(i), hour).Abort()
		}
	})
}

func TestACommitWaitsForTheDiskIfItIsToldTo(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		var disk failing
		l.host = disk.host()
		m := l.start()
		m.journal.Load().setFsync(FsyncAlways)
		j := m.journal.Load()
		onDisk := func() (bool, int) {
			j.mu.Lock()
			defer j.mu.Unlock()
			return j.synced == j.written, disk.synced
		}
		for i := range 10 {
			commitAll(l.T, m, i, i+1, hour)
			if ok, calls := onDisk(); !ok || calls != i+1 {
				l.Errorf("commit %d returned before the disk had it, after %d calls", i, calls)
			}
		}
		const writers, commits = 64, 20
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() { commitAll(l.T, m, 10+commits*w, 10+commits*(w+1), hour) })
		}
		wg.Wait()
		if ok, calls := onDisk(); !ok || calls > 10+writers*commits {
			l.Errorf("on the disk: %v, after %d calls", ok, calls)
		}
	})
}

func TestTheDirectoryIsRemoved(t *testing.T) {
	for name, remove := range map[string]func(l *journalLab) error{
		"whole":            func(l *journalLab) error { return os.RemoveAll(l.dir) },
		"segments only":    func(l *journalLab) error { return os.Remove(l.segments()[0]) },
		"lock file":        func(l *journalLab) error { return os.Remove(filepath.Join(l.dir, lockName)) },
		"moved and made a": func(l *journalLab) error { return errors.Join(os.Rename(l.dir, l.dir+"2"), os.Mkdir(l.dir, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			journalTest(t, func(l *journalLab) {
				l.dir = filepath.Join(l.dir, "journal")
				m := l.start()
				commitAll(l.T, m, 0, 10, hour)
				commitAll(l.T, m, 100, 101, Options{Endpoint: "bank", Window: time.Hour})
				forgetEndpoint(l.T, m, "bank")
				synctest.Wait()
				if err := remove(l); err != nil {
					l.Fatal(err)
				}
				commitAll(l.T, m, 10, 20, hour)
				time.Sleep(2 * keepEvery)
				l.wantWarnings("somebody has removed it", "the journal is kept again, and complete")
				commitAll(l.T, m, 20, 30, hour)
				kill(m)
				m = l.start()
				wantRemembered(l.T, m, 30, hour, every)
				forward(l.T, m, nthID(100), Options{Endpoint: "bank", Window: time.Hour}).Abort()
				l.wantWarnings()
			})
		})
	}
}

func TestOneOfTwoHasTheDirectoryThatIsMadeAgain(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		l.dir = filepath.Join(l.dir, "journal")
		first := l.start()
		commitAll(l.T, first, 0, 10, hour)
		second := l.start()
		commitAll(l.T, second, 10, 20, hour)
		if err := os.RemoveAll(l.dir); err != nil {
			l.Fatal(err)
		}
		time.Sleep(10 * keepEvery)
		if first.journal.Load().follows.Load() == second.journal.Load().follows.Load() {
			l.Error("both have the journal, or neither")
		}
		commitAll(l.T, first, 20, 30, hour)
		commitAll(l.T, second, 30, 40, hour)
		if first.journal.Load().follows.Load() {
			first, second = second, first
		}
		kill(first)
		time.Sleep(2 * keepEvery)
		kill(second)
		third := l.start()
		wantRemembered(l.T, third, 40, hour, every)
	})
}

// Two processes of a rolling deploy: the second follows the first, and takes over.
func TestHandingOver(t *testing.T) {
	for name, end := range map[string]func(*journalLab, *Memory){
		"stopped": (*journalLab).stop,
		"killed":  func(_ *journalLab, m *Memory) { kill(m) },
	} {
		t.Run(name, func(t *testing.T) {
			journalTest(t, func(l *journalLab) {
				first := l.start()
				commitAll(l.T, first, 0, 10, hour)
				draining := forward(l.T, first, nthID(30), hour)

				second := l.start()
				l.wantWarnings("another process has the journal " + l.dir)
				wantRemembered(l.T, second, 10, hour, every)
				commitAll(l.T, first, 10, 20, hour)
				wantRemembered(l.T, second, 20, hour, every)
				newSegmentNext(first)
				commitAll(l.T, second, 20, 30, hour)
				commitAll(l.T, first, 31, 40, hour)
				newSegmentNext(first)
				draining.Commit()
				wantRemembered(l.T, second, 40, hour, every)
				if n := second.Stats().Entries; n != 40 {
					l.Errorf("%d entries of 40", n)
				}
				if _, err := second.Forget(l.Context(), nthID(0)); !errors.Is(err, ErrJournal) {
					l.Errorf("Forget = %v, want ErrJournal: another process writes the journal", err)
				}
				forget(l.T, first, nthID(1), true)
				forgetEndpoint(l.T, first, "bank")
				forward(l.T, second, nthID(1), hour).Abort()

				end(l, first)
				time.Sleep(2 * followEvery)
				commitAll(l.T, second, 40, 50, hour)
				forget(l.T, second, nthID(2), true)
				kill(second)
				l.wantWarnings()
				third := l.start()
				wantRemembered(l.T, third, 50, hour, func(i int) bool { return i != 1 && i != 2 })
			})
		})
	}
}

// The one that has the journal is in the middle of a record when it is looked at.
func TestFollowingWaitsForTheRestOfARecord(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		first := l.start()
		commitAll(l.T, first, 0, 3, hour)
		segment := l.segments()[0]
		whole := l.read(segment)
		for part := range recordSize {
			l.write(segment, whole[:len(whole)-recordSize+part])
			second := l.start()
			wantRemembered(l.T, second, 3, hour, func(i int) bool { return i < 2 })
			l.write(segment, whole)
			wantRemembered(l.T, second, 3, hour, every)
			kill(second)
			if n := second.Stats().JournalErrors; n != 0 {
				l.Errorf("%d errors", n)
			}
		}
	})
}

func TestTheJournalIsTurnedOnAndOff(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		at := func(name string) JournalOptions { return JournalOptions{Dir: filepath.Join(l.dir, name)} }
		m := newTestMemory(l.T, l.capacity)
		commitAll(l.T, m, 0, 10, hour)
		synctest.Wait()
		setJournal(l.T, m, at("a"))
		commitAll(l.T, m, 10, 20, hour)
		setJournal(l.T, m, JournalOptions{at("a").Dir, FsyncAlways})
		commitAll(l.T, m, 20, 30, hour)
		setJournal(l.T, m, at("b"))
		commitAll(l.T, m, 30, 40, hour)
		synctest.Wait()
		setJournal(l.T, m, JournalOptions{})
		if s := m.Stats(); s.Segments != 0 || s.JournalBytes != 0 {
			l.Errorf("%+v without a journal", s)
		}
		commitAll(l.T, m, 40, 50, hour)
		wantRemembered(l.T, m, 50, hour, every)
		setJournal(l.T, m, at("a")) // holds what is known, and lacks more
		synctest.Wait()
		wantRemembered(l.T, m, 50, hour, every)
		if s := m.Stats(); s.Entries != 50 {
			l.Errorf("%d entries, want 50", s.Entries)
		}
		l.stop(m)
		for name, n := range map[string]int{"a": 50, "b": 40} {
			m := newTestMemory(l.T, l.capacity)
			setJournal(l.T, m, at(name))
			wantRemembered(l.T, m, 50, hour, func(i int) bool { return i < n })
		}
	})
}

// What comes from a journal takes its place by its age: a full memory still
// forgets the oldest.
func TestOlderCommitsFromAJournalGoFirst(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		l.capacity = 30
		old := l.start()
		commitAll(l.T, old, 0, 20, hour)
		l.stop(old)
		time.Sleep(time.Minute)
		m := newMemory(l.capacity, mustRistretto(l, unlimited))
		commitAll(l.T, m, 20, 42, hour)
		m.ring.take(20)
		setJournal(l.T, m, JournalOptions{Dir: l.dir})
		startTestMemory(l.T, m)
		for i := 20; i < 40; i++ { // as if taken before
			m.settler.settleLater([]slot{{nthID(i), commit{0, hour.Window}}})
		}
		synctest.Wait()
		wantNewest(l.T, m, 30, 42)
		time.Sleep(time.Second)
		wantNewest(l.T, m, 30, 42)
		if n := m.pendingCommits(); n != 0 {
			l.Errorf("%d commits never reached the cache", n)
		}
		commitAll(l.T, m, 42, 50, hour)
		synctest.Wait()
		wantNewest(l.T, m, 30, 50)
	})
}

func TestANewJournalDoesNotGetWhatWasForgotten(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := newTestMemory(l.T, l.capacity)
		commitAll(l.T, m, 0, 5, hour)
		commitAll(l.T, m, 5, 6, Options{Endpoint: "bank", Window: time.Hour})
		forget(l.T, m, nthID(3), true)
		forgetEndpoint(l.T, m, "bank")
		setJournal(l.T, m, JournalOptions{Dir: l.dir})
		time.Sleep(keepEvery)
		kill(m)
		m = l.start()
		wantRemembered(l.T, m, 5, hour, func(i int) bool { return i != 3 })
		forward(l.T, m, nthID(5), Options{Endpoint: "bank", Window: time.Hour}).Abort()
	})
}

func TestAClaimInFlightIsJournalledWhereTheJournalIsThen(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := newTestMemory(l.T, l.capacity)
		claim := forward(l.T, m, nthID(0), hour)
		setJournal(l.T, m, JournalOptions{Dir: l.dir})
		claim.Commit()
		kill(m)
		wantKind(l.T, begin(l.T, l.start(), nthID(0), hour), Duplicate)
	})
}

func TestBeginWaitsForTheJournalToBeRead(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := l.start()
		reading := make(chan struct{})
		m.reading.Store(&reading)
		outcome := beginLater(l.T, m, nthID(0), hour)
		gone, cancel := context.WithTimeout(l.Context(), time.Second)
		defer cancel()
		out, err := m.Begin(gone, nthID(0), hour)
		if err != nil {
			l.Fatal(err)
		}
		wantKind(l.T, out, Busy)
		if len(outcome) != 0 {
			l.Error("Begin has answered before the journal was read")
		}
		m.reading.Store(nil)
		close(reading)
		out = <-outcome
		wantKind(l.T, out, Forward)
		out.Claim.Abort()
	})
}

func TestADirectoryThatCannotBeUsed(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := newTestMemory(l.T, l.capacity)
		file := filepath.Join(l.dir, "file")
		l.write(file, nil)
		for _, dir := range []string{file, filepath.Join(file, "below")} {
			if err := m.SetJournal(JournalOptions{Dir: dir}); !errors.Is(err, ErrJournal) {
				l.Errorf("SetJournal = %v, want ErrJournal", err)
			}
		}
		setJournal(l.T, m, JournalOptions{Dir: filepath.Join(l.dir, "good")})
		if err := m.SetJournal(JournalOptions{Dir: file}); !errors.Is(err, ErrJournal) {
			l.Errorf("SetJournal = %v, want ErrJournal", err)
		}
		commitAll(l.T, m, 0, 1, hour)
		l.stop(m)
		if err := m.SetJournal(JournalOptions{}); !errors.Is(err, ErrClosed) {
			l.Errorf("SetJournal of a closed Memory = %v, want ErrClosed", err)
		}
		l.dir = filepath.Join(l.dir, "good")
		wantKind(l.T, begin(l.T, l.start(), nthID(0), hour), Duplicate)
	})
}

// A later version's segments, and files that are none, are left alone.
func TestForeignFilesStay(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		later := magic
		later[len(later)-1] = '2'
		names := []string{segmentName(1), "README", "1.journal", "000000000000000g.journal"}
		for _, name := range names {
			l.write(filepath.Join(l.dir, name), append(record{kind: kindHeader, id: later}.appendTo(nil), 1, 2, 3))
		}
		m := l.start()
		l.wantWarnings("another version has written it")
		commitAll(l.T, m, 0, 1, hour)
		time.Sleep(3 * time.Hour)
		kill(m)
		for _, name := range names {
			if n := len(l.read(filepath.Join(l.dir, name))); n != recordSize+3 {
				l.Errorf("%s has %d bytes now", name, n)
			}
		}
	})
}

func TestAnUnreadableSegmentIsToldOf(t *testing.T) {
	journalTest(t, func(l *journalLab) {
		m := l.start()
		commitAll(l.T, m, 0, 10, hour)
		kill(m)
		segment := filepath.Join(l.dir, segmentName(2))
		if err := os.Mkdir(segment, 0o700); err != nil { // it opens, and cannot be read
			l.Fatal(err)
		}
		m = l.start()
		l.wantWarnings("is a directory")
		wantRemembered(l.T, m, 10, hour, every)
		commitAll(l.T, m, 10, 11, hour)
		kill(m)
		if _, err := os.Stat(segment); errors.Is(err, fs.ErrNotExist) {
			l.Error("it was deleted")
		}
		wantRemembered(l.T, l.start(), 11, hour, every)
	})
}

func TestACapacityThatIsTooSmallIsToldOfOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &journalLab{T: t}
		m := newMemory(100, mustRistretto(t, unlimited))
		m.Warn = l.warn
		startTestMemory(t, m)
		day := Options{Window: 24 * time.Hour}
		for i := range 300 { // 100 an hour, 2400 in a window
			commitAll(t, m, i, i+1, day)
			time.Sleep(36 * time.Second)
		}
		l.wantWarnings("deliveries are forgotten 1h0m0s after they were handled, as the capacity of 100 is used up: to remember them for 24h0m0s takes about 2400")
		if err := m.SetCapacity(100); err != nil {
			t.Fatal(err)
		}
		commitAll(t, m, 300, 301, day)
		l.wantWarnings()
		time.Sleep(36 * time.Second)
		if err := m.SetCapacity(200); err != nil {
			t.Fatal(err)
		}
		for i := 301; i < 600; i++ {
			commitAll(t, m, i, i+1, day)
			time.Sleep(36 * time.Second)
		}
		l.wantWarnings("the capacity of 200 is used up: to remember them for 24h0m0s takes about 2400")
	})
}

// Segments hold records of all times and ids, damaged in every way: nothing but
// what was written is remembered.
func FuzzJournal(f *testing.F) {
	good := record{kind: kindHeader, id: magic}.appendTo(nil)
	good = record{kindCommit, nthID(1), 1e18, time.Hour}.appendTo(good)
	good = record{kind: kindForget, id: nthID(1), at: 1e18}.appendTo(good)
	good = record{kind: kindForgetEndpoint, id: nthID(2), at: 1e18}.appendTo(good)
	f.Add(good, int64(1e18), int64(time.Hour), uint8(2))
	f.Add(good[:50], int64(latest), int64(1<<62), uint8(2))
	f.Add([]byte{}, int64(-latest), int64(-1), uint8(1))
	f.Add(make([]byte, 100), int64(-1), int64(0), uint8(9))
	f.Fuzz(func(t *testing.T, data []byte, at, window int64, k uint8) {
		var records int
		skipped, end := scan(data, func(r record) {
			records++
			again, ok := parseRecord(r.appendTo(nil))
			if !ok || again != r {
				t.Errorf("%+v becomes %+v", r, again)
			}
		})
		if end > len(data) || end%recordSize != 0 || records+skipped != end/recordSize {
			t.Errorf("%d bytes: %d records, %d skipped, end at %d", len(data), records, skipped, end)
		}
		dir := t.TempDir()
		data = append(data[:end:end], record{kind(k), nthID(3), at, time.Duration(window)}.appendTo(nil)...)
		if err := os.WriteFile(filepath.Join(dir, segmentName(7)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		m := startTestMemory(t, newMemory(10, keepsNothing{}))
		setJournal(t, m, JournalOptions{Dir: dir})
		if s := m.Stats(); s.Entries > records+1 || s.EffectiveWindow < 0 {
			t.Errorf("%+v of %d records", s, records+1)
		}
		commitAll(t, m, 0, 1, hour)
		if err := m.Close(t.Context()); err != nil || at > latest/2 {
			return // no clock goes on for ever
		}
		again := startTestMemory(t, newMemory(10, keepsNothing{}))
		setJournal(t, again, JournalOptions{Dir: dir})
		wantKind(t, begin(t, again, nthID(0), hour), Duplicate)
	})
}

func TestARecordHasNoWindowThatIsShorter(t *testing.T) {
	for _, window := range []time.Duration{1, time.Microsecond, time.Microsecond + 1, time.Hour, 1 << 62} {
		r, ok := parseRecord(record{kindCommit, nthID(0), 1, window}.appendTo(nil))
		if !ok || r.window < window || r.window > window+time.Microsecond {
			t.Errorf("%v is read as %v", window, r.window)
		}
	}
}

func TestATableGivesItsMemoryBack(t *testing.T) {
	sh := &newTable()[0]
	for i := range batchSize + 1 {
		sh.put(slot{numberedID(i), commit{0, time.Hour}})
	}
	for i := range batchSize + 1 {
		sh.remove(numberedID(i))
	}
	if sh.most != 0 || len(sh.pending) != 0 {
		t.Errorf("the map is the one that held %d", sh.most)
	}
}

func TestMergeSortsByTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		r := ring{capacity: 1 << 20}
		var more []slot
		n, taken := rng.IntN(3*chunkSlots), 0
		for i := range n {
			if rng.IntN(2) == 0 {
				more = append(more, numbered(i))
			} else {
				r.push(numbered(i))
			}
		}
		if n > 0 {
			batch, _ := r.take(rng.IntN(n))
			taken = len(batch)
		}
		had := r.tail
		untaken := r.merge(more)
		if len(untaken) != had-taken {
			t.Fatalf("%d commits were not taken, want %d", len(untaken), had-taken)
		}
		if batch, _ := r.take(1); len(batch) > 0 {
			t.Fatal("some are still to be taken")
		}
		i := 0
		for s := range r.all() {
			if s != numbered(i) {
				t.Fatalf("slot %d of %d is %v", i, n, s)
			}
			i++
		}
		if i != n {
			t.Fatalf("%d slots, want %d", i, n)
		}
	}
}
