package transport

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// ErrRequest is returned for a request that cannot be written as it is. Nothing
// was sent, or less than a whole request.
var ErrRequest = errors.New("the request cannot be sent")

// sendBuffers hold a request, or a part of a longer one. With 64 KiB most leave in
// a single write.
var sendBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, 64<<10)
	return &b
}}

// send writes the request, and closes its body.
func (c *connection) send(r *http.Request) error {
	if unknown := r.Body != nil && r.Body != http.NoBody && r.ContentLength <= 0; unknown || len(r.Trailer) > 0 {
		return r.Write(writeWatcher{c}) // in chunks; that is rare, and net/http knows how
	}
	defer closeBody(r)
	pooled := sendBuffers.Get().(*[]byte)
	defer sendBuffers.Put(pooled)
	b, err := appendHead((*pooled)[:0], r)
	if err != nil {
		return err
	}
	for left := r.ContentLength; ; {
		for left > 0 && len(b) < cap(b) {
			n, err := r.Body.Read(b[len(b):min(int64(cap(b)), int64(len(b))+left)])
			b, left = b[:len(b)+n], left-int64(n)
			if err != nil && left > 0 {
				return fmt.Errorf("%w: its body ends %d bytes early: %w", ErrRequest, left, err)
			}
		}
		if left == 0 {
			if err := ended(r); err != nil {
				return err
			}
		}
		if _, err := (writeWatcher{c}).Write(b); err != nil || left == 0 {
			return err
		}
		b = b[:0]
	}
}

// ended makes sure, before the last of the body is sent, that it is the last: the
// application would take what is left over for another request, or never get it.
func ended(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	var more [1]byte
	if n, err := io.ReadFull(r.Body, more[:]); n > 0 {
		return fmt.Errorf("%w: its body is longer than the %d bytes announced", ErrRequest, r.ContentLength)
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// appendHead writes the request line and the header of a request whose length is
// known. What would end a line early, and so begin another request, is refused.
func appendHead(b []byte, r *http.Request) ([]byte, error) {
	host, target := cmp.Or(r.Host, r.URL.Host), r.URL.RequestURI()
	switch {
	case !httpguts.ValidHeaderFieldName(r.Method): // which is a token, too
		return nil, fmt.Errorf("%w: method %q", ErrRequest, r.Method)
	case host == "" || !httpguts.ValidHostHeader(host):
		return nil, fmt.Errorf("%w: host %q", ErrRequest, host)
	case strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c == 0x7f }):
		return nil, fmt.Errorf("%w: target %q", ErrRequest, target)
	}
	b = append(append(append(b, r.Method...), ' '), target...)
	b = appendField(append(b, " HTTP/1.1\r\n"...), "Host", host)
	for name, values := range r.Header {
		switch name {
		case "Host", "Content-Length", "Transfer-Encoding", "Trailer":
			continue // the request's own fields tell these
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return nil, fmt.Errorf("%w: header field %q", ErrRequest, name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return nil, fmt.Errorf("%w: the value of header field %s", ErrRequest, name)
			}
			if name == "User-Agent" && value == "" {
				continue // net/http's way to say that there is none
			}
			b = appendField(b, name, value)
		}
	}
	if r.Close && !httpguts.HeaderValuesContainsToken(r.Header["Connection"], "close") {
		b = appendField(b, "Connection", "close")
	}
	if r.ContentLength > 0 || r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, max(r.ContentLength, 0), 10), "\r\n"...)
	}
	return append(b, "\r\n"...), nil
}

func appendField(b []byte, name, value string) []byte {
	b = append(append(b, name...), ": "...)
	return append(append(b, value...), "\r\n"...)
}

// writeWatcher notes whether anything was sent.
type writeWatcher struct{ *connection }

func (w writeWatcher) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	w.sent = w.sent || n > 0
	return n, err
}
