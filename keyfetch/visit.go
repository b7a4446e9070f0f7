package keyfetch

import (
	"errors"
	"fmt"
)

// ErrVisit is returned when a URL could not be visited or did not answer 200.
// Trying again later may help.
var ErrVisit = errors.New("visit failed")

// Visit requests an https URL that does something on request, such as confirm a
// subscription, under the same rules as those of keys. It limits how many of one
// host are visited. The error wraps [ErrVisit] and never quotes the URL.
func (c *Cache) Visit(url string) error {
	c.mu.Lock()
	allowed := c.visits.spend(host(url), c.now())
	c.mu.Unlock()
	if !allowed {
		return fmt.Errorf("%w: too many of its host were visited", ErrVisit)
	}
	if _, _, err := get(c.client, Request{URL: url}); err != nil {
		return fmt.Errorf("%w: %w", ErrVisit, err)
	}
	return nil
}
