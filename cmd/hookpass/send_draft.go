package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// draft is a delivery that is still to be signed.
type draft struct {
	signer    *webhook.Signer
	to        *url.URL
	id, event string
	age       time.Duration // how long before it is sent it claims to be signed
	header    http.Header
	body      []byte
}

// draft reads the flags and finds the mistakes in them, before anything is
// sent; args is what is no flag.
func (s *send) draft(args []string) (*draft, error) {
	if len(args) != 1 {
		return nil, errors.New("name one provider, such as hookpass send saltare")
	}
	provider, err := catalog.Lookup(args[0])
	if err != nil {
		return nil, err
	}
	if err := s.check(provider); err != nil {
		return nil, err
	}
	d := &draft{id: cmp.Or(s.id, newID()), event: cmp.Or(s.event, defaultEvent), header: s.header.Clone()}
	if d.signer, err = s.signer(provider); err != nil {
		return nil, fmt.Errorf("%s: %w", provider.ID, err)
	}
	if s.sample {
		if err := s.takeSample(provider, d); err != nil {
			return nil, fmt.Errorf("--sample: %w", err)
		}
	}
	if d.to, err = parseTarget(s.to); err != nil {
		return nil, err
	}
	if s.stale {
		d.age = provider.MaxAge() + time.Minute
	}
	if d.header.Get("Content-Type") == "" {
		d.header.Set("Content-Type", contentType(provider.Scheme))
	}
	d.body, err = s.body(provider.Scheme, d)
	return d, err
}

// newID returns a random UUID.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])  // never fails
	b[6] = b[6]&0x0f | 0x40 // version 4 and variant of RFC 9562
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// sign makes the request that is sent at now.
func (d *draft) sign(now time.Time) (*http.Request, error) {
	signed := webhook.Request{
		Method: http.MethodPost,
		URL:    d.to.Scheme + "://" + d.to.Host + d.to.RequestURI(),
		Path:   cmp.Or(d.to.EscapedPath(), "/"),
		Query:  d.to.RawQuery,
		Header: d.header.Clone(),
		Body:   d.body,
	}
	if err := d.signer.Sign(&signed, d.id, d.event, now.Add(-d.age)); err != nil {
		return nil, err
	}
	for name, value := range fields(signed.Header) {
		if !httpguts.ValidHeaderFieldValue(value) {
			return nil, fmt.Errorf("header field %s: %q holds a control character", name, value)
		}
	}
	to := *d.to
	to.RawQuery = signed.Query
	r, err := http.NewRequestWithContext(context.Background(), signed.Method, to.String(), bytes.NewReader(signed.Body))
	if err != nil {
		return nil, err
	}
	r.Header = signed.Header
	return r, nil
}

// fields yields each field of a header, in the order of their names.
func fields(header http.Header) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for _, name := range slices.Sorted(maps.Keys(header)) {
			for _, value := range header[name] {
				if !yield(name, value) {
					return
				}
			}
		}
	}
}
