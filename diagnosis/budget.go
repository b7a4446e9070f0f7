package diagnosis

import (
	"sync"
	"time"
)

// lately is for how long an endpoint that was looked into leaves half of what is
// saved to the others.
const lately = 10 * time.Second

// Budget bounds the time that the diagnoses of a whole process take, however many
// endpoints a flood meets: so much of each second, of which some may be saved up. A
// flood of one endpoint leaves something for the others. The zero value allows none. It
// is safe for concurrent use.
type Budget struct {
	PerSecond time.Duration // earned in a second
	Most      time.Duration // saved up, and there at the beginning

	mu      sync.Mutex
	left    float64 // in seconds; below zero where the last diagnosis took longer than there was
	counted time.Time
	latest  map[string]time.Time // by endpoint: when it was looked into
}

// Allow reports whether a refusal of the endpoint may be looked into now. Endpoints
// are those of the configuration, so that there are few.
func (b *Budget) Allow(endpoint string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.earn(now)
	reserved := 0.
	if latest, known := b.latest[endpoint]; known && now.Sub(latest) < lately {
		reserved = b.Most.Seconds() / 2
	}
	return b.left > reserved
}

// Spend takes off what a diagnosis took that has just ended; at most what can be saved
// up, as one that had to wait for a key has waited and not worked.
func (b *Budget) Spend(endpoint string, took time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.earn(now)
	b.left -= min(took, b.Most).Seconds()
	if b.latest == nil {
		b.latest = map[string]time.Time{}
	}
	b.latest[endpoint] = now
}

func (b *Budget) earn(now time.Time) {
	switch {
	case b.counted.IsZero():
		b.left = b.Most.Seconds()
	case now.After(b.counted):
		b.left = min(b.left+now.Sub(b.counted).Seconds()*b.PerSecond.Seconds(), b.Most.Seconds())
	default: // a delivery that was long on its way earns nothing twice
		return
	}
	b.counted = now
}
