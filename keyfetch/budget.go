package keyfetch

import "time"

const (
	// burst is how many new URLs of one host are asked for at once: tenants of a
	// provider have a URL each, and all deliver again after a restart.
	burst = 100

	// refill is how long it takes until another one may be.
	refill = 6 * time.Second

	// maxHosts bounds the memory. Those that are known are pinned in the
	// configuration, so that only a mistake gets there.
	maxHosts = 1000
)

// budget limits how many new URLs are asked for, or visited, by host: known ones
// of keys have their own limits. It holds, for each host, when its burst will be full again.
type budget map[string]time.Time

func (b *budget) spend(host string, now time.Time) bool {
	if *b == nil || len(*b) >= maxHosts {
		*b = budget{}
	}
	full := (*b)[host]
	if full.Before(now) {
		full = now
	}
	full = full.Add(refill)
	if full.Sub(now) > burst*refill {
		return false
	}
	(*b)[host] = full
	return true
}
