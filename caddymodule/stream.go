package caddymodule

import (
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// StreamPath is where the admin API tells of deliveries as they come, as
// server-sent events.
const StreamPath = "/webhooks/stream"

const (
	// mostStreams are served at once: each wakes up for every delivery.
	mostStreams = 16

	// quiet is how long a stream says nothing at most, lest a proxy takes it for dead.
	quiet = 15 * time.Second
)

var streams atomic.Int64

// streamDeliveries writes those that have what the query says: first, for a client
// that comes back, what it has missed and is kept, then each as it comes. A client
// slower than the deliveries misses some.
func streamDeliveries(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return apiError(http.StatusMethodNotAllowed, "use %s", http.MethodGet)
	}
	a := running()
	if a == nil {
		return errNotConfigured
	}
	if err := a.leave(); err != nil { // a stream holds no configuration
		return err
	}
	filters := r.URL.Query()
	if err := knownFilters(filters); err != nil {
		return err
	}
	last := recents.Last()
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		seen, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return apiError(http.StatusBadRequest, "Last-Event-ID %q is no number of a delivery", text)
		}
		if seen > last { // of the process before this one
			seen = 0
		}
		last = seen
	}
	defer streams.Add(-1)
	if streams.Add(1) > mostStreams {
		return apiError(http.StatusServiceUnavailable, "%d streams are served already: close one", mostStreams)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	text := []byte(":\n\n") // the header alone would wait for the first event
	said := time.Now()
	for {
		kept, more := recents.After(last)
		for _, k := range kept {
			last = k.Number
			if matches(k, filters) {
				text = fmt.Appendf(text, "event: delivery\nid: %d\ndata: %s\n\n", k.Number, k.Text)
			}
		}
		if time.Since(said) > quiet {
			text = append(text, ":\n\n"...)
		}
		if len(text) > 0 {
			_ = control.SetWriteDeadline(time.Now().Add(quiet)) // where there are deadlines
			if _, err := w.Write(text); err != nil {
				return nil // the client has gone, and there is nobody to tell
			}
			if err := control.Flush(); err != nil {
				return nil
			}
			text, said = text[:0], time.Now()
		}
		select {
		case <-more:
		case <-tick.C:
			if caddy.Exiting() { // servers wait for their requests
				return nil
			}
		case <-a.replaced:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}
