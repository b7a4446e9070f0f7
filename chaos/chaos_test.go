// Package chaos runs hookpass as it is deployed, breaks what can break, and
// then proves from the application's and the senders' own records that no
// delivery was lost and none handled twice.
//
//	go test ./chaos -deliveries 100000 -seed 7
//	go test ./chaos -run Soak -soak 1h -timeout 0
package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	deliveries = flag.Int("deliveries", 6000, "how many deliveries are sent in each scenario")
	seed       = flag.Uint64("seed", 1, "what the failures and their times are drawn from")
	soak       = flag.Duration("soak", 2*time.Second, "how long a soak goes on; under five minutes it does not judge what grows")
)

// scenario is one way to deploy hookpass, and what befalls it.
type scenario struct {
	name     string
	replicas int
	dedup    func(l *lab) string // the global option
	kills    bool                // hookpass is killed and started again
	redis    bool                // there is a Redis, which is stopped and killed as well
	log      func(l *lab) string // where the delivery log goes; nil: nowhere
	patient  bool                // forwards have time on a machine that stands still now and then
}

var (
	reloaded = scenario{
		name: "memory, reloaded every second", replicas: 1,
		dedup: func(*lab) string { return "dedup memory" },
	}
	shared = scenario{
		name: "three replicas and a Redis, all of them killed", replicas: 3, kills: true, redis: true,
		dedup: func(l *lab) string {
			return fmt.Sprintf("dedup redis unix://%s {\n\t\ton_error reject\n\t\tlease 3s\n\t\ttimeout 100ms\n\t}", l.cache.socket())
		},
	}
	killed = scenario{
		name: "journal, killed and started again", replicas: 1, kills: true,
		dedup: func(l *lab) string { return fmt.Sprintf("dedup memory {\n\t\tjournal %s\n\t}", l.dir) },
	}
)

func TestChaos(t *testing.T) {
	hookpass := build(t, nil)
	for _, s := range []scenario{reloaded, killed, shared} {
		t.Run(s.name, func(t *testing.T) {
			l := s.run(t, hookpass, *deliveries, time.Minute)
			for _, v := range l.violations() {
				t.Error(v)
			}
			t.Log(l.summary())
			l.provesSomething(t)
		})
	}
}

// lab is a scenario as it runs.
type lab struct {
	*testing.T
	scenario

	dir         string
	start       time.Time
	application *application
	cache       *redisServer
	replicas    []*replica
	first       int // number of histories[0]: a soak begins anew again and again
	histories   []history
}

// now is the time since the start, on one clock for everything that is recorded.
func (l *lab) now() time.Duration { return time.Since(l.start) }

// dice returns a generator of its own for a part of the run, so that what one
// part draws does not depend on how the others are scheduled.
func dice(part, n int) *rand.Rand {
	return rand.New(rand.NewPCG(*seed, uint64(part)<<40|uint64(n)))
}

const (
	ofDelivery = iota
	ofSender
	ofKills
	ofRedis
	ofApplication
	ofForgeries
)

// run opens a lab and works in it.
func (s scenario) run(t *testing.T, hookpass binary, n int, endurance time.Duration) *lab {
	l := s.open(t, hookpass)
	l.plan(0, n)
	trouble := newCrew(t)
	trouble.every(func() time.Duration { return time.Second }, l.reload)
	if l.kills {
		trouble.every(between(dice(ofKills, 0), time.Second, 2*time.Second), l.kill(dice(ofKills, 1)))
	}
	if l.redis {
		trouble.every(between(dice(ofRedis, 0), 2*time.Second, 4*time.Second), l.cache.fail(l, dice(ofRedis, 1)))
	}
	l.work(trouble, pace, endurance)
	return l
}

// open returns when everything runs.
func (s scenario) open(t *testing.T, hookpass binary) *lab {
	l := &lab{T: t, scenario: s, dir: t.TempDir(), start: time.Now()}
	l.application = l.newApplication()
	if s.redis {
		l.cache = startRedis(t, l.dir)
	}
	for range s.replicas {
		l.replicas = append(l.replicas, l.startReplica(hookpass))
	}

	return l
}

// plan draws what befalls the next n deliveries, of which first is the number of
// the first one.
func (l *lab) plan(first, n int) {
	histories := make([]history, n)
	for i := range histories {
		histories[i].plan(first + i)
	}
	l.application.mu.Lock()
	defer l.application.mu.Unlock()
	l.first, l.histories = first, histories
}

// work sends what is planned while the crew works and the application dies and
// returns, then lets everything live until every sender that has not given up got
// an answer, or has tried in vain for as long as its endurance.
func (l *lab) work(trouble *crew, pace, endurance time.Duration) {
	trouble.every(between(dice(ofApplication, l.first), time.Second, 2*time.Second), l.application.dieAndReturn)
	senders := l.startSenders(pace, senderPatience)
	senders.started()
	trouble.end()
	senders.end(endurance)
}
