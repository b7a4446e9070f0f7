package main

import (
	"fmt"
	"time"
)

// pace waits until the next delivery is due, and tells about each second how it goes;
// sent is how many there were.
func (s *send) pace(sent, refused int) {
	if s.rate <= 0 {
		return
	}
	if sent == 0 {
		s.started, s.told = s.now(), s.now()
		return
	}
	due := s.started.Add(time.Duration(float64(sent) / s.rate * float64(time.Second)))
	if wait := due.Sub(s.now()); wait > 0 && sent < s.repeat {
		s.sleep(wait)
	}
	now := s.now()
	if sent < s.repeat && now.Sub(s.told) < time.Second {
		return
	}
	s.told = now
	_, _ = fmt.Fprintf(s.progress, "%d of %d sent, %d answered otherwise than 2xx, %.1f a second\n",
		sent, s.repeat, refused, float64(sent)/max(now.Sub(s.started).Seconds(), 1e-3)) // what matters is the exit code
}
