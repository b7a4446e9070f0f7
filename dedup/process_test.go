//go:build unix

package dedup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The tests below run the test binary once more, as a process that can be killed.
func TestMain(m *testing.M) {
	if name := os.Getenv("DEDUP_PROCESS"); name != "" {
		processes[name](os.Getenv("DEDUP_JOURNAL"))
		return
	}
	os.Exit(m.Run())
}

var processes = map[string]func(dir string){
	"delivers":                     func(dir string) { deliverForEver(dir, realHost) },
	"writes after it has answered": func(dir string) { deliverForEver(dir, host{createBuffered, time.Now}) },
	"waits":                        waitForTheEnd,
	"may write no large file":      mayWriteNoLargeFile,
}

// process is such a process, and the lines that it writes.
type process struct {
	*testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func startProcess(t *testing.T, name, dir string) *process {
	t.Helper()
	p := &process{T: t, cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), "DEDUP_PROCESS="+name, "DEDUP_JOURNAL="+dir)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		p.in, err = p.cmd.StdinPipe()
	}
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p.lines = bufio.NewScanner(out)
	t.Cleanup(p.kill)
	return p
}

func (p *process) line() string {
	p.Helper()
	if !p.lines.Scan() {
		p.Fatalf("the process has ended: %v", p.lines.Err())
	}
	return p.lines.Text()
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// stop asks the process to end.
func (p *process) stop() {
	p.Helper()
	if err := errors.Join(p.in.Close(), p.cmd.Wait()); err != nil {
		p.Fatal(err)
	}
}

func mustKeepJournal(dir string, h host) *Memory {
	m, err := NewMemory(DefaultCapacity)
	if err == nil {
		err = m.openJournal(JournalOptions{Dir: dir}, h)
	}
	if err != nil {
		panic(err)
	}
	return m
}

// deliverForEver is hookpass, its senders and the application. It writes
// "handled N" when the application has handled a delivery, then "answered N" when
// the sender is told so, and "duplicate N" when it is told that of a copy.
func deliverForEver(dir string, h host) {
	m := mustKeepJournal(dir, h)
	var mu sync.Mutex
	say := func(what string, n int) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(what, n)
	}
	first, _ := strconv.Atoi(os.Getenv("DEDUP_FIRST"))
	for range 8 {
		go func() {
			for {
				n := first + rand.IntN(300)
				out, err := m.Begin(context.Background(), nthID(n), Options{Window: time.Hour, Wait: time.Second})
				switch {
				case err != nil:
					panic(err)
				case out.Kind == Duplicate:
					say("duplicate", n)
				case out.Kind == Forward && rand.IntN(10) == 0:
					out.Claim.Abort()
				case out.Kind == Forward:
					say("handled", n)
					out.Claim.Commit()
					say("answered", n)
				}
			}
		}()
	}
	select {}
}

func createBuffered(path string) (segmentFile, error) {
	f, err := createSegment(path)
	return &bufferedFile{segmentFile: f}, err
}

// A delivery whose sender was told that it was handled is never handled again,
// wherever the process is killed.
func TestKilledWhileItDelivers(t *testing.T) {
	for name, wants := range map[string]bool{"delivers": false, "writes after it has answered": true} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			dir := t.TempDir()
			handled, answered := map[string]bool{}, map[string]bool{}
			again, duplicates := 0, 0
			for run := range 20 {
				t.Setenv("DEDUP_FIRST", fmt.Sprint(20*run))
				p := startProcess(t, name, dir)
				last := 50 + rng.IntN(1000)
				for line := 0; p.lines.Scan(); line++ {
					what, n, _ := strings.Cut(p.lines.Text(), " ")
					switch what {
					case "handled":
						if answered[n] {
							again++
						}
						handled[n] = true
					case "answered":
						answered[n] = true
					case "duplicate":
						duplicates++
						if !handled[n] {
							t.Fatalf("run %d: delivery %s is said to be handled, and is not", run, n)
						}
					}
					if line == last {
						_ = p.cmd.Process.Kill() // what it has written is read to the end
					}
				}
				p.kill()
			}
			if (again > 0) != wants {
				t.Errorf("%d deliveries were handled again after their senders had been answered", again)
			}
			if duplicates == 0 || len(answered) < 300 {
				t.Errorf("%d deliveries, %d duplicates: too few", len(answered), duplicates)
			}
		})
	}
}

// waitForTheEnd commits ten deliveries and waits.
func waitForTheEnd(dir string) {
	m := mustKeepJournal(dir, realHost)
	commitTo(m, 0, 10)
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	commitTo(m, 10, 20)
	if err := m.Close(context.Background()); err != nil {
		panic(err)
	}
}

func commitTo(m *Memory, from, to int) {
	for i := from; i < to; i++ {
		out, err := m.Begin(context.Background(), nthID(i), hour)
		if err != nil || out.Kind != Forward {
			panic(fmt.Sprint(i, out.Kind, err))
		}
		out.Claim.Commit()
	}
}

func TestAnotherProcessHasTheJournal(t *testing.T) {
	for name, end := range map[string]func(*process){"stopped": (*process).stop, "killed": (*process).kill} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			other := startProcess(t, "waits", dir)
			other.line()
			m, err := NewMemory(100)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close(t.Context())
			setJournal(t, m, JournalOptions{Dir: dir})
			j := m.journal.Load()
			if !j.follows.Load() {
				t.Fatal("two processes have one journal")
			}
			wantRemembered(t, m, 10, hour, every)
			commitTo(m, 20, 30)
			n := 10
			if end(other); name == "stopped" {
				n = 20
			}
			wantRemembered(t, m, n, hour, every)
			for j.follows.Load() {
				runtime.Gosched()
			}
			untilComplete(j)
			kill(m)
			again, err := NewMemory(100)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close(t.Context())
			setJournal(t, again, JournalOptions{Dir: dir})
			wantRemembered(t, again, 30, hour, func(i int) bool { return i < n || i >= 20 })
		})
	}
}

// untilComplete returns when the journal has what the memory has.
func untilComplete(j *journal) {
	for complete := false; !complete; runtime.Gosched() {
		j.mu.Lock()
		complete = !j.broken && j.since == none && j.pause == 0 // between attempts there is one
		j.mu.Unlock()
	}
}

// mayWriteNoLargeFile is at a disk that takes half of a record and then no more.
func mayWriteNoLargeFile(dir string) {
	m := mustKeepJournal(dir, realHost)
	j := m.journal.Load()
	signal.Ignore(syscall.SIGXFSZ)
	limit := &syscall.Rlimit{Cur: 50*recordSize + 17, Max: 50*recordSize + 17}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, limit); err != nil {
		panic(err)
	}
	commitTo(m, 0, 40)
	j.flush(41 * recordSize)
	commitTo(m, 40, 60)
	if m.Stats().JournalErrors == 0 {
		panic("the disk has not failed")
	}
	untilComplete(j)
	fmt.Println("complete")
	select {}
}

func TestADiskThatTakesHalfOfARecord(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, "may write no large file", dir)
	if line := p.line(); line != "complete" {
		t.Fatal(line)
	}
	p.kill()
	m, err := NewMemory(100)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close(t.Context())
	setJournal(t, m, JournalOptions{Dir: dir})
	wantRemembered(t, m, 60, hour, every)
	if n := m.Stats().JournalErrors; n != 0 {
		t.Errorf("%d errors in what is left", n)
	}
}
