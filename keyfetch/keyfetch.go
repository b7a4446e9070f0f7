// Package keyfetch gets the public keys by which providers sign, from the URLs
// where they publish them, and keeps them: one [Cache] serves a whole process. It
// also visits the URLs by which some want a subscription confirmed.
//
// # What it promises
//
// Only https is spoken, certificates are verified, redirects are not followed,
// and what is read is bounded in size and time. A name that leads to an address
// inside, such as 127.0.0.1, 10.0.0.1 or 169.254.169.254, is not connected to. However many deliveries wait for
// a URL, one request is made. A key is renewed before it expires, and kept for a
// day if its source is down. What failed is not tried again at once, and nobody
// who names key ids or URLs that do not exist can make it ask without end.
//
// # What it leaves to the caller
//
// Which URLs may be asked is decided before they get here: the caller pins host
// and path. Where the environment names a proxy, that decides where a name leads.
// Credentials go to the URL that they stand beside, and into no error.
package keyfetch

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ErrUnavailable is returned when keys are not cached and cannot be had now.
// Asking again later may help.
var ErrUnavailable = errors.New("key unavailable")

const (
	// minAge is how long what was fetched counts as all that there is: a key id
	// that is not in it does not exist.
	minAge = time.Minute

	// maxStale is how long keys are used whose source is down. It bounds for how
	// long a withdrawn key can go unnoticed.
	maxStale = 24 * time.Hour

	// firstRetry and lastRetry bound the time between attempts at a source that
	// is down: it doubles from the one to the other.
	firstRetry = 10 * time.Second
	lastRetry  = 5 * time.Minute

	// maxEntries bounds the memory: at most 1,000 URLs, of a few kilobytes each.
	maxEntries = 1000
)

// Cache fetches keys and keeps them. It is safe for concurrent use.
type Cache struct {
	// What happened since the start.
	Counters Counters

	// Failed, if it is set before the first request, is told why a fetch brought no
	// keys. That is as rare as fetches are.
	Failed func(error)

	client  *http.Client
	now     func() time.Time
	budget  budget
	visits  budget
	mu      sync.Mutex
	entries map[Request]*entry
}

// Counters count since the start of the process.
type Counters struct {
	Fetches  atomic.Uint64 // requests made
	Failures atomic.Uint64 // of which no key came
	Stale    atomic.Uint64 // answers with keys past their expiry, as their source is down
	Limited  atomic.Uint64 // URLs not asked, as too many new ones of their host were
}

// New returns an empty cache. A nil transport means one that verifies against
// the system's roots, connects to public addresses alone, and takes proxies from
// the environment; a nil now is
// time.Now.
func New(transport http.RoundTripper, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	return &Cache{client: newClient(transport), now: now, entries: map[Request]*entry{}}
}

// entry is what is known of the answer to one request.
type entry struct {
	keys     []jose.JSONWebKey // none until they were had
	fetched  time.Time
	renew    time.Time     // from when on they are renewed in the background
	expires  time.Time     // from when on somebody waits for that
	tried    time.Time     // when the last attempt ended
	failures int           // attempts that failed since the last that did not
	used     time.Time     // when somebody last asked
	running  chan struct{} // closed when the attempt under way ends; nil if there is none
}

// Keys returns the keys that answer r: those of a JWKS, a JWK, or that of a public
// key or a certificate in PEM, or of a public key in base64. If id is not empty and
// no key has it, r is made again, unless that was done within the last minute; the
// keys that are returned may still lack it. The error wraps [ErrUnavailable].
func (c *Cache) Keys(r Request, id string) ([]jose.JSONWebKey, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	e, err := c.entry(r, now)
	if err != nil {
		return nil, err
	}
	e.used = now
	lacking := len(e.keys) == 0 || !has(e.keys, id)
	switch {
	case lacking || !now.Before(e.expires):
		if running := c.attempt(r, e, now); running != nil {
			c.mu.Unlock()
			<-running // bounded by the client's timeout
			c.mu.Lock()
		}
	case !now.Before(e.renew):
		c.attempt(r, e, now)
	}
	now = c.now()
	switch {
	case len(e.keys) == 0 || now.Sub(e.fetched) > maxStale || e.failures > 0 && !has(e.keys, id):
		return nil, fmt.Errorf("%w: %s did not give it", ErrUnavailable, r.URL)
	case !now.Before(e.expires):
		c.Counters.Stale.Add(1)
	}
	return e.keys, nil
}

func has(keys []jose.JSONWebKey, id string) bool {
	return id == "" || slices.ContainsFunc(keys, func(k jose.JSONWebKey) bool { return k.KeyID == id })
}

// attempt returns what is closed when the attempt to fetch ends, be it one that
// was under way, or nil if it is too early for another.
func (c *Cache) attempt(r Request, e *entry, now time.Time) <-chan struct{} {
	pause := time.Duration(0)
	switch {
	case e.running != nil:
		return e.running
	case e.failures > 0:
		pause = min(firstRetry<<min(e.failures-1, 10), lastRetry)
	case len(e.keys) > 0:
		pause = minAge
	}
	if pause > 0 && now.Before(e.tried.Add(pause)) {
		return nil
	}
	running := make(chan struct{})
	e.running = running
	// Not on behalf of one request: others wait for it, too, and the first may hang up.
	go c.fetch(r, e, running)
	return running
}

func (c *Cache) fetch(r Request, e *entry, running chan struct{}) {
	c.Counters.Fetches.Add(1)
	keys, lifetime, err := getKeys(c.client, r)
	if err != nil && c.Failed != nil {
		c.Failed(fmt.Errorf("%s: %w", r.URL, err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e.running = nil
	close(running)
	e.tried = c.now()
	if err != nil {
		c.Counters.Failures.Add(1)
		e.failures++
		if errors.Is(err, errWithdrawn) {
			e.keys = nil
		}
		return
	}
	e.failures = 0
	e.keys, e.fetched = keys, e.tried
	e.expires = e.tried.Add(lifetime)
	e.renew = e.tried.Add(lifetime * 4 / 5)
}

// entry returns what is known of an answer, and makes room for a new one: first by
// forgetting what failed, then what was not asked for longest.
func (c *Cache) entry(r Request, now time.Time) (*entry, error) {
	if e, known := c.entries[r]; known {
		return e, nil
	}
	if !c.budget.spend(host(r.URL), now) {
		c.Counters.Limited.Add(1)
		return nil, fmt.Errorf("%w: too many new URLs of its host were asked for", ErrUnavailable)
	}
	if len(c.entries) >= maxEntries {
		maps.DeleteFunc(c.entries, func(_ Request, e *entry) bool { return len(e.keys) == 0 && e.running == nil })
	}
	for len(c.entries) >= maxEntries {
		var oldest Request
		for asked, e := range c.entries {
			if oldest == (Request{}) || e.used.Before(c.entries[oldest].used) {
				oldest = asked
			}
		}
		delete(c.entries, oldest)
	}
	e := &entry{}
	c.entries[r] = e
	return e, nil
}
