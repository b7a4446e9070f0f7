package delivery

import (
	"bytes"
	"net"
	"time"
)

const (
	// MaxWhole is how much of one delivery is kept whole, in bytes of its header
	// and body together. Larger ones are not.
	MaxWhole = 256 << 10

	// maxWhole bounds what each half keeps of them, in bytes.
	maxWhole = 16 << 20

	// fieldCost is what a header field takes beside its text.
	fieldCost = 64
)

// Whole is a delivery as it arrived: all that it takes to look into it, or to
// handle it again. It has signatures and personal data in it, and so stays in
// memory: nothing here writes it anywhere.
type Whole struct {
	Arrived  time.Time // of a replay: when the original did
	Endpoint string
	Server   string // name of the server that took it

	Method, URI, Proto, Host string

	Remote     string // address and port of the client
	Local      net.Addr
	Secure     bool   // over TLS
	ServerName string // that the client asked for over TLS

	Base   string // scheme and host, as far as the request tells those that the sender knows
	Header map[string][]string
	Body   []byte
	Hidden Hidden // what the scheme has in the body that must not be shown
}

// size is what it takes, in bytes.
func (w *Whole) size() int {
	if w == nil {
		return 0
	}
	size := len(w.Body) + len(w.URI) + len(w.Host)
	for name, values := range w.Header {
		for _, value := range values {
			size += len(name) + len(value) + fieldCost
		}
	}
	return size
}

// copied returns a copy to be kept, or nil if it is too large. The header is not
// written to any more.
func (w *Whole) copied() *Whole {
	if w == nil || w.size() > MaxWhole {
		return nil
	}
	c := *w
	c.Body = bytes.Clone(w.Body)
	return &c
}

// KeepWhole says whether deliveries are kept whole that are given so. Those that
// are kept are forgotten if not: what is left of them is the rest. At first they
// are not.
func (r *Recent) KeepWhole(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.halves {
		h := &r.halves[i]
		h.mostWhole = 0
		if on {
			h.mostWhole = maxWhole
		}
		h.shrink()
	}
}
