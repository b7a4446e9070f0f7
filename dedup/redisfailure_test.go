package dedup

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// impatient is for servers that do not answer.
const impatient = 50 * time.Millisecond

var minute = Options{Window: time.Minute, Lease: time.Minute}

// replica returns a store of its own on the server, for which no machine is too
// slow.
func (s *redisServer) replica(t *testing.T, o RedisOptions) *Redis {
	t.Helper()
	if o.URLs == nil {
		o.URLs = []string{s.url()}
	}
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	client, err := openRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	return newTestRedis(t, client, o)
}

// wantKey is what Redis holds of a delivery: a claim, a commit or nothing.
func (s *redisServer) wantKey(t *testing.T, r *Redis, id ID, mark string) {
	t.Helper()
	client := s.client(t)
	eventually(t, fmt.Sprintf("Redis holds %q", mark), func() bool {
		value, err := client.get(t.Context(), r.key(id))
		return err == nil && strings.HasPrefix(value, mark) && (value == "") == (mark == "")
	})
}

func wantOutage(t *testing.T, r *Redis, want bool) {
	t.Helper()
	eventually(t, fmt.Sprint("outage: ", want), func() bool { return r.Stats().Outage == want })
}

// awaitUpkeep returns when the upkeep has gone through its first round.
func awaitUpkeep(t *testing.T, r *Redis) {
	t.Helper()
	eventually(t, "the upkeep begins", func() bool { return r.heard.Load() != nil })
}

// stop freezes the server, as a machine that swaps or a network that swallows
// does: it accepts connections and answers nothing.
func (s *redisServer) stop() { s.signal(syscall.SIGSTOP) }
func (s *redisServer) cont() { s.signal(syscall.SIGCONT) }

func TestRedisThatHangsIsDoneWithout(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	a, b := redis.replica(t, RedisOptions{}), redis.replica(t, RedisOptions{})
	forward(t, a, nthID(0), minute).Commit()

	redis.stop()
	a.timeout = impatient
	const deliveries = 3 * outageAfter
	for i := 1; i <= deliveries; i++ {
		forward(t, a, nthID(i), minute).Commit()
		wantKind(t, begin(t, a, nthID(i), minute), Duplicate)
	}
	forward(t, a, nthID(100), minute).Abort()
	if s := a.Stats(); !s.Outage || s.Unshared != deliveries+1 || s.PendingCommits != deliveries ||
		s.ClaimErrors+s.CommitErrors < outageAfter || s.ClaimErrors+s.CommitErrors >= deliveries {
		t.Errorf("%+v", s)
	}
	wantKind(t, begin(t, a, nthID(0), minute), Duplicate)

	redis.cont()
	a.timeout = b.timeout
	wantOutage(t, a, false)
	eventually(t, "Redis has been told", func() bool { return a.Stats().PendingCommits == 0 })
	for i := range deliveries + 1 {
		wantKind(t, begin(t, b, nthID(i), minute), Duplicate)
	}
	forward(t, b, nthID(100), minute).Abort()
}

func TestRedisThatHangsMakesForRejection(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	a, b := redis.replica(t, RedisOptions{Reject: true}), redis.replica(t, RedisOptions{Reject: true})
	forward(t, a, nthID(0), minute).Commit()
	open := forward(t, a, nthID(1), minute)

	redis.stop()
	a.timeout = impatient
	for range 2 * outageAfter {
		out, err := a.Begin(t.Context(), nthID(2), minute)
		if !errors.Is(err, ErrUnavailable) || out.Kind != 0 {
			t.Fatalf("Begin = %v, %v, want ErrUnavailable", out.Kind, err)
		}
	}
	wantKind(t, begin(t, a, nthID(0), minute), Duplicate) // known here
	wantKind(t, begin(t, a, nthID(1), minute), Busy)
	open.Commit()
	wantKind(t, begin(t, a, nthID(1), minute), Duplicate)

	redis.cont()
	a.timeout = b.timeout
	wantOutage(t, a, false)
	wantOutage(t, b, false)
	redis.wantKey(t, a, nthID(1), doneMark)
	redis.wantKey(t, a, nthID(2), "") // the claims that were given up, and may have been carried out
	wantKind(t, begin(t, b, nthID(1), minute), Duplicate)
	forward(t, b, nthID(2), minute).Abort()
}

func TestRedisThatRestarts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		args  []string
		keeps bool
	}{
		{"with its data", []string{"--appendonly", "yes", "--appendfsync", "always"}, true},
		{"without", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			redis := startRedis(t, tt.args...)
			a, b := redis.replica(t, RedisOptions{}), redis.replica(t, RedisOptions{})
			forward(t, a, nthID(0), minute).Commit()
			open := forward(t, a, nthID(1), minute)
			redis.kill()
			for i := range 2 * outageAfter {
				forward(t, a, nthID(10+i), minute).Commit()
			}
			open.Commit()
			redis.start()
			wantOutage(t, a, false)
			wantOutage(t, b, false)
			redis.wantKey(t, a, nthID(1), doneMark) // the script of an abort is gone, and all else
			for i := range 2 * outageAfter {
				redis.wantKey(t, a, nthID(10+i), doneMark)
			}
			wantKind(t, begin(t, a, nthID(0), minute), Duplicate)
			if tt.keeps {
				wantKind(t, begin(t, b, nthID(0), minute), Duplicate)
			} else {
				forward(t, b, nthID(0), minute).Abort()
			}
		})
	}
}

func TestRedisThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	redis.kill()
	var told warnings
	r := redis.replica(t, RedisOptions{Warn: told.add})
	wantOutage(t, r, true)
	if err := r.Reach(t.Context()); !errors.Is(err, errOutage) {
		t.Errorf("Reach = %v in an outage", err)
	}
	forward(t, r, nthID(0), minute).Commit()
	redis.start()
	wantOutage(t, r, false)
	redis.wantKey(t, r, nthID(0), doneMark)
	told.want(t, outageBegins, outageEnds)
}

// A replica with nothing to do learns that Redis is gone, and makes it no outage.
func TestReachingRedis(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	r := redis.replica(t, RedisOptions{Timeout: time.Minute})
	awaitUpkeep(t, r)
	if err := r.Reach(t.Context()); err != nil {
		t.Errorf("Reach = %v", err)
	}
	redis.kill()
	if err := r.Reach(t.Context()); err == nil || r.Stats().Outage {
		t.Errorf("Reach = %v of a Redis that is gone; outage %v", err, r.Stats().Outage)
	}
}

func TestRedisThatIsFull(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	r := redis.replica(t, RedisOptions{})
	before := forward(t, r, nthID(0), minute)
	redis.do("CONFIG", "SET", "maxmemory", "1")
	for i := range outageAfter {
		forward(t, r, nthID(1+i), minute).Abort()
	}
	wantOutage(t, r, true)
	r.outage.end() // the abort is carried out nonetheless
	before.Abort()
	redis.wantKey(t, r, nthID(0), "")
	forward(t, r, nthID(0), minute).Commit()
	redis.do("CONFIG", "SET", "maxmemory", "0")
	wantOutage(t, r, false)
	redis.wantKey(t, r, nthID(0), doneMark)
}

func TestRedisThatForgetsScripts(t *testing.T) {
	redis := startRedis(t)
	r := redis.replica(t, RedisOptions{})
	for range 3 {
		redis.do("SCRIPT", "FLUSH")
		forward(t, r, nthID(0), minute).Abort()
	}
	if s := r.Stats(); s.AbortErrors != 0 || s.PendingCommits != 0 {
		t.Errorf("%+v", s)
	}
}

// A replica that was frozen, or an application that takes no notice of being cut
// off: the outcome comes when another replica has long had the delivery.
func TestOutcomeAfterTheLease(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	a, b, c := redis.replica(t, RedisOptions{}), redis.replica(t, RedisOptions{}), redis.replica(t, RedisOptions{})
	short := Options{Window: time.Minute, Lease: 50 * time.Millisecond}
	patient := Options{Window: time.Minute, Lease: time.Minute, Wait: time.Minute}

	t.Run("success, after another one's failure", func(t *testing.T) {
		late := forward(t, a, nthID(0), short)
		forward(t, b, nthID(0), patient).Abort()
		late.Commit()
		wantKind(t, begin(t, c, nthID(0), minute), Duplicate)
	})
	t.Run("success, before another one's failure", func(t *testing.T) {
		late := forward(t, a, nthID(1), short)
		other := forward(t, b, nthID(1), patient)
		late.Commit()
		other.Abort()
		wantKind(t, begin(t, c, nthID(1), minute), Duplicate)
	})
	t.Run("failure, while another one is at it", func(t *testing.T) {
		late := forward(t, a, nthID(2), short)
		other := forward(t, b, nthID(2), patient)
		late.Abort()
		wantKind(t, begin(t, c, nthID(2), minute), Busy)
		other.Commit()
		wantKind(t, begin(t, c, nthID(2), minute), Duplicate)
	})
	t.Run("failure, after another one's success", func(t *testing.T) {
		late := forward(t, a, nthID(3), short)
		forward(t, b, nthID(3), patient).Commit()
		late.Abort()
		wantKind(t, begin(t, c, nthID(3), minute), Duplicate)
	})
	if lost := a.Stats().LeasesLost; lost != 2 {
		t.Errorf("%d leases were lost, want the 2 successes that came late", lost)
	}
}

// A command whose reply is lost has been carried out.
func TestRepliesThatGetLost(t *testing.T) {
	t.Parallel()
	redis := startRedis(t)
	other := redis.replica(t, RedisOptions{})
	lossy := newLossy(t, redis.address())
	o := RedisOptions{URLs: []string{"redis://" + lossy.address}}
	local := redis.replica(t, o)
	o.Reject = true
	reject := redis.replica(t, o)
	awaitUpkeep(t, local)
	awaitUpkeep(t, reject)

	t.Run("of a claim, and the delivery succeeds", func(t *testing.T) {
		lossy.loses("SET")
		claim := forward(t, local, nthID(0), minute)
		wantKind(t, begin(t, other, nthID(0), minute), Busy)
		lossy.loses("")
		claim.Commit()
		wantKind(t, begin(t, other, nthID(0), minute), Duplicate)
	})
	t.Run("of a claim, and the delivery fails", func(t *testing.T) {
		lossy.loses("SET")
		claim := forward(t, local, nthID(1), minute)
		lossy.loses("")
		claim.Abort()
		forward(t, other, nthID(1), minute).Abort()
	})
	t.Run("of a claim, and the delivery is rejected", func(t *testing.T) {
		lossy.loses("SET")
		if _, err := reject.Begin(t.Context(), nthID(2), minute); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Begin: %v", err)
		}
		lossy.loses("")
		redis.wantKey(t, other, nthID(2), "")
	})
	t.Run("of a commit", func(t *testing.T) {
		claim := forward(t, local, nthID(3), minute)
		lossy.loses("SET")
		claim.Commit()
		lossy.loses("")
		wantKind(t, begin(t, other, nthID(3), minute), Duplicate)
		eventually(t, "Redis has been told once more", func() bool { return local.Stats().PendingCommits == 0 })
		wantKind(t, begin(t, local, nthID(3), minute), Duplicate)
	})
	t.Run("of an abort", func(t *testing.T) {
		claim := forward(t, local, nthID(4), minute)
		lossy.loses("EVALSHA")
		claim.Abort()
		lossy.loses("")
		next := forward(t, other, nthID(4), minute)
		eventually(t, "Redis has been told once more", func() bool { return local.Stats().PendingCommits == 0 })
		wantKind(t, begin(t, local, nthID(4), minute), Busy) // still the other's
		next.Commit()
	})
	t.Run("of a claim that is asked again", func(t *testing.T) {
		first := forward(t, other, nthID(5), minute)
		patient := minute
		patient.Wait = time.Minute
		outcome := beginLater(t, local, nthID(5), patient)
		eventually(t, "a copy waits", func() bool { return local.local.Stats().Waiters == 1 })
		lossy.loses("SET")
		first.Abort()
		redis.wantKey(t, other, nthID(5), claimMark+local.replica)
		claimed := time.Now()
		lossy.loses("")
		out := <-outcome
		wantKind(t, out, Forward)
		if latest := claimed.Add(minute.Lease - LeaseMargin); out.Deadline.After(latest) {
			t.Errorf("the forward may take until %v, after the lease, to %v", out.Deadline, latest)
		}
		out.Claim.Commit()
	})
}

// lossy is a way to Redis on which replies to some commands get lost.
type lossy struct {
	address string
	command atomic.Value // "" for none
}

func newLossy(t *testing.T, to string) *lossy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &lossy{address: listener.Addr().String()}
	l.loses("")
	var open sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		open.Wait()
	})
	open.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { l.carry(conn, to) })
		}
	})
	return l
}

func (l *lossy) loses(command string) { l.command.Store(command) }

// carry takes what is read at once for one command, and what comes back next for
// its reply. With a reply goes the connection.
func (l *lossy) carry(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		_, _ = server.Write(buf[:n])
		command := l.command.Load().(string)
		lost := command != "" && strings.Contains(strings.ToUpper(string(buf[:n])), "\r\n"+command+"\r\n")
		if n, err = server.Read(buf); err != nil || lost {
			return
		}
		_, _ = client.Write(buf[:n])
	}
}

const dyingReplica = "HOOKPASS_TEST_REPLICA"

// A replica that is killed while it has a delivery at hand keeps others from it
// until the lease is over, and no longer.
func TestReplicaThatIsKilled(t *testing.T) {
	if url := os.Getenv(dyingReplica); url != "" {
		beReplica(t, url)
		return
	}
	t.Parallel()
	redis := startRedis(t)
	cmd := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), dyingReplica+"="+redis.url())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	if _, err := io.ReadFull(out, make([]byte, len(ready))); err != nil {
		t.Fatal(err)
	}
	r := redis.replica(t, RedisOptions{})
	wantKind(t, begin(t, r, nthID(0), minute), Busy)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	killed := time.Now()
	patient := minute
	patient.Wait = time.Minute
	forward(t, r, nthID(0), patient).Commit()
	if took := time.Since(killed); took > dyingLease+10*pollMax {
		t.Errorf("took over after %v, of a lease of %v", took, dyingLease)
	}
	wantKind(t, begin(t, r, nthID(1), minute), Duplicate) // what it had committed
}

const (
	ready      = "ready\n"
	dyingLease = 2 * time.Second
)

func beReplica(t *testing.T, url string) {
	m, err := NewMemory(DefaultCapacity)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewRedis(m, RedisOptions{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Window: time.Minute, Lease: dyingLease}
	forward(t, r, nthID(1), o).Commit()
	forward(t, r, nthID(0), o)
	fmt.Print(ready)
	select {}
}

func TestKeyOfSomebodyElse(t *testing.T) {
	redis := startRedis(t)
	var told warnings
	r := redis.replica(t, RedisOptions{Warn: told.add})
	awaitUpkeep(t, r) // its probe, which succeeds, would begin the count anew
	for i := range outageAfter {
		redis.do("SET", r.key(nthID(i)), "something else")
		forward(t, r, nthID(i), minute).Abort()
		redis.do("DEL", r.key(nthID(i)))
	}
	told.want(t, outageBegins, errForeign.Error())
}

func TestRedisThatMayForgetIsWarnedOf(t *testing.T) {
	redis := startRedis(t, "--maxmemory-policy", "volatile-ttl")
	var told warnings
	r := redis.replica(t, RedisOptions{Warn: told.add})
	told.want(t, "volatile-ttl")
	forward(t, r, nthID(0), minute).Commit()
}

// warnings is what an operator would be told.
type warnings struct {
	mu   sync.Mutex
	text string
}

func (w *warnings) add(msg string, cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text += fmt.Sprintln(msg, cause)
}

// want waits for all the parts, in their order.
func (w *warnings) want(t *testing.T, parts ...string) {
	t.Helper()
	eventually(t, strings.Join(parts, " … "), func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		rest, found := w.text, true
		for _, part := range parts {
			var here bool
			_, rest, here = strings.Cut(rest, part)
			found = found && here
		}
		return found
	})
}
