package chaos

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"
)

// history is all that is known of one delivery: what shall become of it, and
// what its sender and the application saw.
type history struct {
	id         string
	provider   *provider
	givesUp    bool          // after the last attempt of the provider's schedule
	copies     int           // how many senders start at once
	again      time.Duration // after a success it is sent once more; zero: it is not
	behaviours []behaviour   // of the application, by the number of the request
	slow       bool          // every request takes longer than the sender waits

	mu       sync.Mutex
	visits   []visit
	attempts []attempt
}

// visit is a request at the application.
type visit struct {
	start, end  time.Duration
	status      int  // zero: none
	cancelled   bool // hookpass, or the connection, went away before
	incarnation string
}

func (v visit) String() string {
	return fmt.Sprintf("%v–%v by %s: %d", v.start.Round(time.Microsecond), v.end.Round(time.Microsecond), v.incarnation, v.status)
}

func (v visit) handled() bool { return v.status/100 == 2 }

// attempt is a request of the sender.
type attempt struct {
	start, end time.Duration
	status     int // zero: no answer
	duplicate  bool
	err        error // why there is no answer
}

func (a attempt) String() string {
	outcome := strconv.Itoa(a.status)
	if a.duplicate {
		outcome += " duplicate"
	}
	return fmt.Sprintf("%v–%v: %s", a.start.Round(time.Microsecond), a.end.Round(time.Microsecond), outcome)
}

func (a attempt) acknowledged() bool { return a.status/100 == 2 }

// plan draws what befalls delivery i.
func (h *history) plan(i int) {
	r := dice(ofDelivery, i)
	h.id, h.provider = uuid(r), &providers[i%len(providers)]
	h.givesUp = r.IntN(5) == 0
	h.copies = 1
	if r.IntN(10) == 0 {
		h.copies = 2 + r.IntN(3)
	}
	if r.IntN(4) == 0 {
		h.again = time.Duration(r.Int64N(int64(3 * time.Second)))
	}
	h.slow = r.IntN(50) == 0
	for r.IntN(5) == 0 {
		h.behaviours = append(h.behaviours, behaviour(r.IntN(int(cuts)+1)))
	}
}

func uuid(r *rand.Rand) string {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(r.UintN(256))
	}
	text := hex.EncodeToString(b)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// arrive notes that a request has come, and tells its number and what the
// application does with it.
func (h *history) arrive(at time.Duration, incarnation string) (n int, does behaviour) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n = len(h.visits)
	h.visits = append(h.visits, visit{start: at, incarnation: incarnation})
	switch {
	case n < len(h.behaviours):
		does = h.behaviours[n]
	case h.slow:
		does = isSlow
	}
	return n, does
}

// leave notes how the request ended.
func (h *history) leave(n int, v visit) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.start, v.incarnation = h.visits[n].start, h.visits[n].incarnation
	h.visits[n] = v
}

func (h *history) tried(a attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.attempts = append(h.attempts, a)
}

// acknowledgedBefore reports whether a sender had been told of success by then.
func (h *history) acknowledgedBefore(at time.Duration) bool {
	return slices.ContainsFunc(h.attempts, func(a attempt) bool { return a.acknowledged() && a.end <= at })
}
