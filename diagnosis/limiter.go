package diagnosis

import (
	"sync"
	"time"
)

// Limiter says which refusals are looked into, so that a flood of forgeries costs
// next to nothing: so many a second for each endpoint, the first ones. The zero
// value allows none. It is safe for concurrent use.
type Limiter struct {
	PerSecond int

	mu      sync.Mutex
	seconds map[string]second
}

type second struct {
	begins time.Time
	used   int
}

// Allow reports whether a refusal of the endpoint may be looked into now. Endpoints
// are those of the configuration, so that there are few.
func (l *Limiter) Allow(endpoint string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.seconds[endpoint]
	if age := now.Sub(current.begins); age >= time.Second || age < 0 {
		current = second{begins: now}
	}
	if current.used >= l.PerSecond {
		return false
	}
	current.used++
	if l.seconds == nil {
		l.seconds = map[string]second{}
	}
	l.seconds[endpoint] = current
	return true
}
