// Package transport carries requests to an application over HTTP/1.1, for a
// proxy in front of it whose requests are small and lie in memory whole.
//
// It knows less than net/http's transport and costs half: a request is written
// and its answer read by the goroutine that asks, on a connection that is kept.
// It never sends a request twice unless the first attempt is known not to have
// left this machine.
package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"time"
)

var (
	// ErrDial is returned when no connection could be opened. Nothing was sent.
	ErrDial = errors.New("the application cannot be reached")

	// ErrNoAnswer is returned when the connection failed, or ended, before there
	// was an answer. The application may have handled the request all the same.
	ErrNoAnswer = errors.New("the application did not answer")

	// ErrAnswer is returned when what came back is no answer to the request.
	ErrAnswer = errors.New("the application's answer is not usable")
)

const (
	// DefaultDialTimeout is how long a connection may take to open.
	DefaultDialTimeout = 3 * time.Second

	// DefaultIdleTimeout is how long a connection is kept unused. Applications
	// close theirs after 2 seconds at the least (gunicorn), and a request that
	// is under way at that moment is lost.
	DefaultIdleTimeout = time.Second

	// DefaultMaxIdle is how many unused connections are kept for an address.
	DefaultMaxIdle = 64
)

// Transport holds the connections. Its methods may be called concurrently; its
// fields are set before.
type Transport struct {
	// DialTimeout is how long a connection may take to open. Zero stands for
	// DefaultDialTimeout.
	DialTimeout time.Duration

	// IdleTimeout is how long a connection is kept unused. Zero stands for
	// DefaultIdleTimeout; less than zero keeps none.
	IdleTimeout time.Duration

	// MaxIdle is how many unused connections are kept for an address. Zero
	// stands for DefaultMaxIdle.
	MaxIdle int

	mu    sync.Mutex
	idle  map[endpoint][]*connection // the one used last at the end
	prune *time.Timer
}

// endpoint is where a connection leads to.
type endpoint struct{ network, address string }

// RoundTrip sends the request to an address and returns the answer, whose body
// is to be closed. What net/http's transport does beyond that this one does not:
// the request goes as it is, to where it is told, without TLS. Errors wrap ErrDial,
// ErrRequest, ErrNoAnswer or ErrAnswer, and that of r's context if it has ended.
func (t *Transport) RoundTrip(r *http.Request, network, address string) (*http.Response, error) {
	to := endpoint{network, address}
	for {
		c, err := t.connection(r.Context(), to)
		if err != nil {
			closeBody(r)
			return nil, fmt.Errorf("%w: %w", ErrDial, err)
		}
		answer, err := c.roundTrip(r)
		switch {
		case err == nil:
			return answer, nil
		case c.reused && errors.Is(err, errNothingSent) && r.Context().Err() == nil:
			continue // it was dead, and had looked alive
		case r.Context().Err() != nil:
			return nil, fmt.Errorf("%w: %w", err, context.Cause(r.Context()))
		default:
			return nil, err
		}
	}
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// connection returns one that is open as far as can be known: kept, or new.
func (t *Transport) connection(ctx context.Context, to endpoint) (*connection, error) {
	for c := t.take(to); c != nil; c = t.take(to) {
		if c.alive() {
			c.reused = true
			return c, nil
		}
		c.close()
	}
	dialer := net.Dialer{Timeout: orDefault(t.DialTimeout, DefaultDialTimeout)}
	conn, err := dialer.DialContext(ctx, to.network, to.address)
	if err != nil {
		return nil, err
	}
	return newConnection(t, to, conn), nil
}

// take returns the kept connection that was used last, or nil.
func (t *Transport) take(to endpoint) *connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.idle[to]
	if len(kept) == 0 {
		return nil
	}
	c := kept[len(kept)-1]
	kept[len(kept)-1] = nil
	t.idle[to] = kept[:len(kept)-1]
	return c
}

// keep takes back a connection on which all has been said.
func (t *Transport) keep(c *connection) {
	timeout, most := orDefault(t.IdleTimeout, DefaultIdleTimeout), orDefault(t.MaxIdle, DefaultMaxIdle)
	c.since = time.Now()
	t.mu.Lock()
	kept := t.idle[c.to]
	if len(kept) >= most || timeout < 0 {
		t.mu.Unlock()
		c.close()
		return
	}
	if t.idle == nil {
		t.idle = map[endpoint][]*connection{}
	}
	t.idle[c.to] = append(kept, c)
	if t.prune == nil {
		t.prune = time.AfterFunc(timeout, t.closeExpired)
	}
	t.mu.Unlock()
}

// closeExpired closes what has been kept for too long, and comes again while
// anything is kept.
func (t *Transport) closeExpired() {
	timeout := orDefault(t.IdleTimeout, DefaultIdleTimeout)
	expired := t.expire(time.Now().Add(-timeout))
	for _, c := range expired {
		c.close()
	}
}

func (t *Transport) expire(before time.Time) (expired []*connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for to, kept := range t.idle {
		n := 0
		for n < len(kept) && !kept[n].since.After(before) {
			n++
		}
		expired = append(expired, kept[:n]...)
		if kept = append([]*connection(nil), kept[n:]...); len(kept) > 0 {
			t.idle[to] = kept
		} else {
			delete(t.idle, to)
		}
	}
	t.prune = nil
	if len(t.idle) > 0 {
		t.prune = time.AfterFunc(orDefault(t.IdleTimeout, DefaultIdleTimeout), t.closeExpired)
	}
	return expired
}

// CloseIdle closes the connections that are not in use.
func (t *Transport) CloseIdle() {
	for _, c := range t.expire(time.Now()) {
		c.close()
	}
}

func orDefault[T int | time.Duration](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}

// interim tells the request's trace of an answer before the answer.
func interim(ctx context.Context, answer *http.Response) error {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil || trace.Got1xxResponse == nil || answer.StatusCode == http.StatusContinue {
		return nil
	}
	return trace.Got1xxResponse(answer.StatusCode, textproto.MIMEHeader(answer.Header))
}
