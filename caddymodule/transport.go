package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/hookpass/hookpass/transport"
)

// Transport carries deliveries to the application over HTTP/1.1 at half the cost
// of Caddy's own transport, which remains the one for TLS, HTTP/2 and anything
// else that this one does not know. It never sends a delivery twice.
type Transport struct {
	// How long a connection to the application may take to open. Default: 3
	// seconds.
	DialTimeout caddy.Duration `json:"dial_timeout,omitempty"`

	// How long a connection is kept unused. It should be less than what the
	// application keeps it for. Default: 1 second.
	IdleTimeout caddy.Duration `json:"idle_timeout,omitempty"`

	// How many unused connections to an address are kept. Default: 64.
	MaxIdle int `json:"max_idle,omitempty"`

	connections *transport.Transport
	source      string // where it stands in the Caddyfile
}

// CaddyModule returns the Caddy module information.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.webhook",
		New: func() caddy.Module { return new(Transport) },
	}
}

// Provision prepares the transport.
func (t *Transport) Provision(caddy.Context) error {
	if t.DialTimeout < 0 || t.IdleTimeout < 0 || t.MaxIdle < 0 {
		return errors.New("transport webhook: dial_timeout, idle_timeout and max_idle must be positive")
	}
	t.connections = &transport.Transport{
		DialTimeout: time.Duration(t.DialTimeout),
		IdleTimeout: time.Duration(t.IdleTimeout),
		MaxIdle:     t.MaxIdle,
	}
	return nil
}

// Cleanup closes the connections that are not in use.
func (t *Transport) Cleanup() error {
	if t.connections != nil {
		t.connections.CloseIdle()
	}
	return nil
}

// RoundTrip sends a request to the upstream that reverse_proxy has chosen.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	upstream, ok := reverseproxy.GetDialInfo(r.Context())
	if !ok {
		upstream = reverseproxy.DialInfo{Network: "tcp", Address: r.URL.Host} // a health check's
	}
	answer, err := t.connections.RoundTrip(r, upstream.Network, upstream.Address)
	if errors.Is(err, transport.ErrDial) {
		return nil, reverseproxy.NewDialError(err)
	}
	return answer, err
}

// TLSEnabled reports that the transport speaks no TLS.
func (*Transport) TLSEnabled() bool { return false }

// EnableTLS refuses an upstream that is to be spoken to over TLS.
func (t *Transport) EnableTLS(*reverseproxy.TLSConfig) error { return t.plainOnly() }

// EnableH2C refuses an upstream that is to be spoken to over HTTP/2.
func (t *Transport) EnableH2C() error { return t.plainOnly() }

func (t *Transport) plainOnly() error {
	return fmt.Errorf("transport webhook speaks HTTP/1.1 without TLS: leave it out, or write transport http, at %s", t.source)
}

// UnmarshalCaddyfile reads
//
//	transport webhook {
//		dial_timeout <duration>
//		idle_timeout <duration>
//		max_idle     <number>
//	}
func (t *Transport) UnmarshalCaddyfile(tokens *caddyfile.Dispenser) error {
	d := newDirective(tokens)
	t.source = d.source()
	if d.NextArg() {
		return d.Err("transport webhook takes no argument: put its settings into a block")
	}
	for d.NextBlock(0) {
		word, err := d.enter("", []string{"dial_timeout", "idle_timeout", "max_idle"})
		if err != nil {
			return err
		}
		switch word {
		case "dial_timeout":
			err = d.duration(&t.DialTimeout, time.Millisecond, "dial_timeout 3s")
		case "idle_timeout":
			err = d.duration(&t.IdleTimeout, time.Millisecond, "idle_timeout 1s")
		case "max_idle":
			err = d.positive(&t.MaxIdle, "max_idle 64")
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ http.RoundTripper         = (*Transport)(nil)
	_ caddy.Provisioner         = (*Transport)(nil)
	_ caddy.CleanerUpper        = (*Transport)(nil)
	_ caddyfile.Unmarshaler     = (*Transport)(nil)
	_ reverseproxy.TLSTransport = (*Transport)(nil)
	_ reverseproxy.H2CTransport = (*Transport)(nil)
)
