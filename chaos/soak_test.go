package chaos

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const (
	soakPace = 5 * time.Millisecond

	// Full within the first minute, so that what grows later is no memory of deliveries;
	// and many times what comes until a sender is done.
	soakCapacity = 5000

	// Under so long a soak nothing is judged but what becomes of deliveries.
	longSoak = 5 * time.Minute
)

var soaks = []scenario{
	{
		name: "journal, on a disk that is full now and then", replicas: 1, patient: true,
		dedup: func(l *lab) string {
			return fmt.Sprintf("dedup memory {\n\t\tcapacity %d\n\t\tjournal %s\n\t}", soakCapacity, filepath.Join(l.dir, "journal"))
		},
		log: func(l *lab) string {
			return fmt.Sprintf("file %s {\n\t\t\t\troll_size 1MiB\n\t\t\t\troll_keep 1\n\t\t\t}", filepath.Join(l.dir, "deliveries.log"))
		},
	},
	{
		name: "a Redis that is stopped and killed", replicas: 1, patient: true, redis: true,
		dedup: func(l *lab) string {
			return fmt.Sprintf("dedup redis unix://%s {\n\t\ton_error reject\n\t\tcapacity %d\n\t}", l.cache.socket(), soakCapacity)
		},
	},
}

// Whatever fails, and however long: nothing is lost, handled twice or wrongly taken,
// and hookpass ends as slim as it was.
func TestSoak(t *testing.T) {
	if end, limited := t.Deadline(); limited && time.Until(end) < 2**soak {
		t.Fatal("go test ends before the soak does: add -timeout 0")
	}
	hookpass, of := build(t, nil), provenance(t)
	t.Run("reloaded every 100 ms", func(t *testing.T) { reloads(t, hookpass, of, min(*soak, time.Minute)) })
	for _, s := range soaks {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.soak(t, hookpass, of)
		})
	}
}

func (s scenario) soak(t *testing.T, hookpass binary, of string) {
	l := s.open(t, hookpass)
	r := l.replicas[0]
	var all table
	for length := min(max(*soak/10, 2*time.Second), time.Minute); l.now() < *soak && !t.Failed(); {
		l.plan(l.first+len(l.histories), int(length/soakPace))
		before := r.generation
		forgeries := l.soakOnce(len(all.rows)%2 == 1)
		for _, v := range l.violations() {
			t.Error(v)
		}
		l.application.dieAndReturn() // so that nobody keeps a connection to it
		v := r.atRest()
		if v.remembered > soakCapacity {
			t.Errorf("%.0f deliveries are remembered", v.remembered)
		}
		all.rows = append(all.rows, row{l.now(), l.count(), forgeries, r.generation - before, v})
		t.Log(strings.TrimSpace(all.rows[len(all.rows)-1].String()))
	}
	last := all.rows[len(all.rows)-1].vitals
	if l.redis && last.redisErrors == 0 || !l.redis && (last.journalErrors == 0 || last.logLinesLost == 0) {
		t.Errorf("too quiet to prove anything: %+v", last)
	}
	r.endsWell()
	verdict := "too short to tell what grows"
	if *soak >= longSoak {
		verdict = "flat"
		if found := all.growths(); found != nil {
			verdict = strings.Join(found, ", ")
			t.Error(verdict)
		}
	}
	t.Logf("%s, %s: %s\n\n%s", s.name, of, verdict, all)
}

// soakOnce sends what is planned while everything fails, and returns how many
// forgeries were sent meanwhile.
func (l *lab) soakOnce(hastily bool) (forgeries int) {
	trouble, forgers := newCrew(l.T), newCrew(l.T)
	pause := time.Second
	if hastily {
		pause = 100 * time.Millisecond
	}
	trouble.every(func() time.Duration { return pause }, l.reload)
	if l.redis {
		trouble.every(between(dice(ofRedis, 2*l.first), 500*time.Millisecond, 1500*time.Millisecond), l.cache.fail(l, dice(ofRedis, 2*l.first+1)))
	} else {
		trouble.every(between(dice(ofKills, l.first), 500*time.Millisecond, time.Second), l.replicas[0].fillDisk)
	}
	d := dice(ofForgeries, l.first)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: time.Minute}
	defer client.CloseIdleConnections()
	forgers.every(func() time.Duration { return 4 * soakPace }, func() { l.forge(client, d); forgeries++ })
	l.work(trouble, soakPace, 5*time.Minute)
	forgers.end()
	return forgeries
}

// forge sends what was spoilt under the id of one of the deliveries that are under way.
func (l *lab) forge(client *http.Client, d *rand.Rand) {
	h := &l.histories[d.IntN(len(l.histories))]
	header := http.Header{}
	body := h.provider.sign(h, header)
	if d.IntN(2) == 0 {
		body += " "
	} else {
		header.Del("X-Saltare-Signature")
		header.Del("X-Sally-Signature")
	}
	s := &senders{lab: l, client: client, ctx: l.Context()}
	if status, _, err := s.post("http://"+l.replicas[0].address+"/"+h.provider.name, header, body); err == nil && status != http.StatusUnauthorized {
		l.Errorf("a forgery was answered %d", status)
	}
}

// fillDisk has every file be too large for another byte, for a while.
func (r *replica) fillDisk() {
	for _, limit := range []string{"1:", "unlimited:"} {
		command := exec.CommandContext(r.lab.Context(), "prlimit", "--pid", strconv.Itoa(r.command.Process.Pid), "--fsize="+limit)
		if output, err := command.CombinedOutput(); err != nil && r.lab.Context().Err() == nil {
			r.lab.Errorf("prlimit: %v\n%s", err, output)
		}
		rest(r.lab.Context(), 200*time.Millisecond)
	}
}

// endsWell fails the test unless hookpass ends as it is told, and has not panicked.
func (r *replica) endsWell() {
	r.lab.Helper()
	if err := r.command.Process.Signal(syscall.SIGTERM); err != nil {
		r.lab.Error(err)
	}
	if err := r.command.Wait(); err != nil || strings.Contains(r.output.String(), "panic") {
		r.lab.Errorf("hookpass ended with %v\n%s", err, &r.output)
	}
}

func median(rows []row, of func(r row) float64) float64 {
	values := make([]float64, len(rows))
	for i, r := range rows {
		values[i] = of(r)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// provenance is when and of what.
func provenance(t *testing.T) string {
	t.Helper()
	commit, err := exec.CommandContext(t.Context(), "git", "describe", "--always", "--dirty").Output()
	if err != nil {
		t.Error(err)
	}
	return fmt.Sprintf("%s, commit %s", time.Now().UTC().Format(time.DateOnly), strings.TrimSpace(string(commit)))
}

// reloads has hookpass reload while nothing else fails: each request is answered
// 200, except those on connections that were reset or closed before anything of
// them was read. Their senders try again.
func reloads(t *testing.T, hookpass binary, of string, length time.Duration) {
	l := scenario{replicas: 1, patient: true, dedup: func(*lab) string { return "dedup memory" }}.open(t, hookpass)
	l.plan(0, int(length/soakPace))
	for i := range l.histories {
		h := &l.histories[i]
		h.behaviours, h.slow, h.givesUp, h.copies = nil, false, false, 1
	}
	var reloads atomic.Int64
	trouble := newCrew(t)
	trouble.every(func() time.Duration { return 100 * time.Millisecond }, func() { l.reload(); reloads.Add(1) })
	senders := l.startSenders(soakPace, time.Minute)
	senders.started()
	trouble.end()
	senders.end(time.Minute)

	for _, v := range l.violations() {
		t.Error(v)
	}
	attempts, reset, closed := 0, 0, 0
	for i := range l.histories {
		h := &l.histories[i]
		attempts += len(h.attempts)
		for _, a := range h.attempts {
			var network *net.OpError
			switch {
			case a.status == http.StatusOK:
				continue
			case a.err == nil:
				t.Errorf("delivery %d: %v", i, a)
			case errors.Is(a.err, io.EOF) || errors.Is(a.err, syscall.EPIPE) || strings.HasSuffix(a.err.Error(), "server closed idle connection"):
				closed++
			case errors.As(a.err, &network):
				reset++
			default:
				t.Errorf("delivery %d: %v, %v", i, a, a.err)
			}
			if slices.ContainsFunc(h.visits, func(v visit) bool { return a.start <= v.start && v.start <= a.end }) {
				t.Errorf("delivery %d reached the application, and its sender was not told: %v, %v", i, a, h.visits)
			}
		}
	}
	t.Logf("%s: %d reloads, %d requests: %d on a connection that was reset, %d on one that was closed, all others answered 200",
		of, reloads.Load(), attempts, reset, closed)
	l.replicas[0].endsWell()
}
