package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// What is as long as this at the most is written before the answer is read:
	// it fits into the buffers of the two ends, whatever the application does.
	// Longer requests are written beside, as the application may answer first
	// and read no further.
	maxWrittenFirst = 64 << 10

	// What an application may say before its answer's body.
	maxAnswerHeader = 1 << 20
	maxInterim      = 8
)

// errNothingSent is returned when the connection broke before it had taken a
// single byte.
var errNothingSent = errors.New("nothing was sent")

// connection is one to the application. It has at most one request at a time.
type connection struct {
	net.Conn
	transport *Transport
	to        endpoint
	reader    *bufio.Reader
	peek      func() bool
	reused    bool
	since     time.Time // unused

	written    chan error // how the writing of a request went; one for each
	sent       bool       // some byte of the request
	headerLeft int        // bytes that may come before the answer's body; less than zero: any number
}

func newConnection(t *Transport, to endpoint, conn net.Conn) *connection {
	c := &connection{Conn: conn, transport: t, to: to, peek: peeker(conn), written: make(chan error, 1)}
	c.reader = bufio.NewReader(readLimiter{c})
	return c
}

// alive reports whether the application, as far as is known here, has neither
// closed the connection nor said anything unasked.
func (c *connection) alive() bool { return c.reader.Buffered() == 0 && c.peek() }

func (c *connection) close() { _ = c.Close() }

// roundTrip sends the request and reads the head of the answer.
func (c *connection) roundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	c.sent = false
	unwatch := context.AfterFunc(ctx, c.close)
	c.write(r)
	answer, err := c.read(r)
	if err != nil {
		unwatch()
		c.close() // which ends the writing, too
		var writeErr error
		select {
		case writeErr = <-c.written:
		case <-ctx.Done(): // the body may come from a sender that does not go on
			return nil, err
		}
		switch {
		case errors.Is(writeErr, ErrRequest):
			return nil, writeErr
		case !c.sent && writeErr != nil:
			return nil, fmt.Errorf("%w: %w: %w", ErrNoAnswer, errNothingSent, writeErr)
		case writeErr != nil:
			return nil, errors.Join(err, writeErr)
		default:
			return nil, err
		}
	}
	answer.Body = &body{ReadCloser: answer.Body, connection: c, answer: answer, unwatch: unwatch}
	if answer.ContentLength == 0 || answer.StatusCode == http.StatusNoContent || answer.StatusCode == http.StatusNotModified || r.Method == http.MethodHead {
		_ = answer.Body.Close() // there is nothing to wait for
		answer.Body = http.NoBody
	}
	return answer, nil
}

// write sends the request; c.written tells how that went.
func (c *connection) write(r *http.Request) {
	none := r.Body == nil || r.Body == http.NoBody
	// As in net/http, no length and a body is a length that is not known.
	if none || r.ContentLength > 0 && r.ContentLength <= maxWrittenFirst {
		c.attempt(r)
	} else {
		go c.attempt(r)
	}
}

func (c *connection) attempt(r *http.Request) {
	err := c.send(r)
	if errors.Is(err, ErrRequest) {
		c.close() // there will be no answer to it
	}
	c.written <- err
}

// read returns the answer behind those that only announce it.
func (c *connection) read(r *http.Request) (*http.Response, error) {
	c.headerLeft = maxAnswerHeader
	defer func() { c.headerLeft = -1 }()
	for range maxInterim {
		answer, err := http.ReadResponse(c.reader, r)
		var broken net.Error
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &broken):
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
		case err != nil:
			return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
		case answer.StatusCode == http.StatusSwitchingProtocols:
			return nil, fmt.Errorf("%w: it switches to another protocol", ErrAnswer)
		case answer.StatusCode >= http.StatusOK:
			return answer, nil
		}
		if err := interim(r.Context(), answer); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: more than %d came before it", ErrAnswer, maxInterim)
}

var errHeaderTooLarge = fmt.Errorf("its header is larger than %d bytes", maxAnswerHeader)

// readLimiter bounds what is read before an answer's body.
type readLimiter struct{ *connection }

func (l readLimiter) Read(p []byte) (int, error) {
	if l.headerLeft == 0 {
		return 0, errHeaderTooLarge
	}
	if l.headerLeft > 0 && len(p) > l.headerLeft {
		p = p[:l.headerLeft]
	}
	n, err := l.Conn.Read(p)
	if l.headerLeft > 0 {
		l.headerLeft -= n
	}
	return n, err
}

// body is an answer's. With its end the connection is free.
type body struct {
	io.ReadCloser
	connection *connection
	answer     *http.Response
	unwatch    func() bool
	done       bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.end(errors.Is(err, io.EOF))
	}
	return n, err
}

// Close gives up what has not been read.
func (b *body) Close() error {
	b.end(b.answer.ContentLength == 0 || b.ReadCloser == http.NoBody)
	return nil
}

// end keeps the connection if all was said on it, and closes it otherwise.
func (b *body) end(whole bool) {
	if b.done {
		return
	}
	b.done = true
	c := b.connection
	// A context that ended meanwhile has closed it, or is about to.
	watched := b.unwatch()
	written := false
	select {
	case err := <-c.written:
		written = err == nil
	default: // still writing what nobody reads
	}
	if whole && watched && written && !b.answer.Close && c.reader.Buffered() == 0 {
		c.transport.keep(c)
		return
	}
	c.close()
}
