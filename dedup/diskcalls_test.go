package dedup

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// fickle is a disk of which some calls fail, counted from the first.
type fickle struct {
	mu          sync.Mutex
	calls       int
	ahead       time.Duration // the wall clock: a step has another segment begun
	from, until int           // the first call that fails, and the first that does not again
	err         error
}

func (d *fickle) call() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	if d.from <= d.calls && d.calls < d.until {
		return d.err
	}
	return nil
}

func (d *fickle) host() host {
	return host{func(path string) (segmentFile, error) {
		if err := d.call(); err != nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: err}
		}
		f, err := createSegment(path)
		return fickleFile{f, d}, err
	}, d.now}
}

func (d *fickle) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Now().Add(d.ahead)
}

func (d *fickle) setClock(ahead time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead = ahead
}

type fickleFile struct {
	segmentFile
	disk *fickle
}

func (f fickleFile) Write(b []byte) (int, error) {
	if err := f.disk.call(); err != nil {
		n, _ := f.segmentFile.Write(b[:len(b)/2])
		return n, err
	}
	return f.segmentFile.Write(b)
}

func (f fickleFile) Truncate(size int64) error {
	return errors.Join(f.disk.call(), f.segmentFile.Truncate(size))
}
func (f fickleFile) Sync() error  { return f.disk.call() } // the machine does not fail
func (f fickleFile) Close() error { return errors.Join(f.disk.call(), f.segmentFile.Close()) }

// Whichever call to the disk fails first, for once or for a while, and why: no
// delivery is affected, the operator learns the cause, and in the end the journal
// lacks nothing.
func TestEveryCallToTheDiskFails(t *testing.T) {
	causes := []error{syscall.ENOSPC, syscall.EROFS, syscall.EIO, syscall.EMFILE, fs.ErrClosed}
	for _, fsync := range []Fsync{FsyncInterval, FsyncAlways, FsyncNever} {
		for _, calls := range []int{1, 5} {
			for from, made := 1, 1; from <= made; from++ {
				err := causes[from%len(causes)]
				t.Run(fmt.Sprintf("fsync %s, %d calls from the %dth: %v", fsync, calls, from, err), func(t *testing.T) {
					journalTest(t, func(l *journalLab) {
						disk := &fickle{from: from, until: from + calls, err: err}
						l.host = disk.host()
						l.survive(disk, fsync)
						made = disk.calls
					})
				})
			}
		}
	}
}

func (l *journalLab) survive(disk *fickle, fsync Fsync) {
	l.Helper()
	m := l.start()
	m.journal.Load().setFsync(fsync)
	for i := range 6 {
		commitAll(l.T, m, i, i+1, hour)
		disk.setClock(time.Duration(i/2) * time.Minute)
		time.Sleep(keepEvery)
	}
	time.Sleep(4 * repairMax)
	commitAll(l.T, m, 6, 8, hour)
	time.Sleep(4 * repairMax)
	wantRemembered(l.T, m, 8, hour, every)
	kill(m)

	synctest.Wait()
	l.mu.Lock()
	told := l.warnings
	l.warnings = nil
	l.mu.Unlock()
	if n := len(told); n%2 != 0 || n > 0 && (!strings.Contains(told[0], disk.err.Error()) || !strings.HasPrefix(told[n-1], "the journal is kept again, and complete")) {
		l.Errorf("told %q of %v", told, disk.err)
	}
	l.host.create = createSegment
	wantRemembered(l.T, l.start(), 8, hour, every)
	l.wantWarnings()
}
