// Package capture reads a request that somebody has kept: as raw HTTP, in an HTTP
// Archive (HAR), or as a curl command. It does no I/O of its own.
package capture

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hookpass/hookpass/webhook"
)

// ErrMalformed is returned for what is no captured request, or not all of one. The
// message says what is missing.
var ErrMalformed = errors.New("no captured request")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}

// Request is a request as its receiver would have seen it. Where the capture does
// not tell the scheme, its URL begins with https; where it tells no host, its URL
// is a path.
type Request struct {
	webhook.Request

	// When it was sent; zero if the capture does not tell.
	Time time.Time
}

// Files reads the file of a name that a curl command has for its body.
type Files func(name string) ([]byte, error)

// Parse reads all requests of a capture, in their order; there is at least one.
// Without files, a command that names one is an error. The error wraps
// [ErrMalformed], or is that of files.
func Parse(text []byte, files Files) ([]Request, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	start := bytes.TrimLeft(text, " \t\r\n")
	switch {
	case len(start) == 0:
		return nil, malformed("it is empty")
	case start[0] == '{':
		return parseHAR(start)
	case isCurl(start):
		r, err := parseCurl(string(start), files)
		return []Request{r}, err
	default:
		r, err := parseRaw(start)
		return []Request{r}, err
	}
}

// Address sets the address under which the sender knew the receiver, where a proxy
// or the capture has changed it: scheme and host, path and query.
func (r *Request) Address(address string) error {
	u, err := url.Parse(address)
	blank := strings.ContainsAny(address, " \t") // which ends the address on the wire
	if err != nil || blank || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return malformed("%q is no address: write scheme and host, such as https://hooks.example.com/in", address)
	}
	r.URL = u.Scheme + "://" + u.Host + u.RequestURI()
	r.Path, _, _ = strings.Cut(u.RequestURI(), "?")
	r.Query = u.RawQuery
	return nil
}

// add adds a header field, in the way of Go's server: Host is none.
func (r *Request) add(name, value string) (host string, err error) {
	value = strings.Trim(value, " \t")
	switch {
	case !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
		return "", malformed("%q is no header field", name)
	case strings.EqualFold(name, "Host"):
		return value, nil
	}
	r.Header.Add(name, value)
	return "", nil
}

// fit cuts what an editor has added behind the body, and refuses a body that was
// changed: its signature could only mismatch, and nobody would know why.
func (r *Request) fit() error {
	text := r.Header.Get("Content-Length")
	if text == "" {
		return nil
	}
	length, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return malformed("Content-Length is %q", text)
	}
	has := uint64(len(r.Body))
	if has > length && len(bytes.Trim(r.Body[length:], "\r\n")) == 0 {
		r.Body, has = r.Body[:length], length
	}
	if has != length {
		return malformed("the body has %d bytes and Content-Length says %d: it was changed when it was kept, by an editor or a line break, perhaps", has, length)
	}
	return nil
}

func newRequest(method string) (Request, error) {
	if !httpguts.ValidHeaderFieldName(method) { // both are tokens, RFC 9110 section 9.1
		return Request{}, malformed("%q is no method", method)
	}
	return Request{Request: webhook.Request{Method: method, Header: http.Header{}}}, nil
}
