// Package diagnosis tells why a delivery was refused, by proof where there is
// something to prove: it undoes the mistakes that are made with webhooks, one
// after another, until the signature is right.
//
// What it finds is for the operator's eyes. It must never reach the sender, to
// whom it would tell which forgeries come close. It names no secret, no signature
// and nothing of the body. It is pure, and bounded by [Limits]; as it costs many
// times what a verification does, it belongs off the way of a request, and behind
// a [Limiter].
package diagnosis

import (
	"errors"
	"time"

	"github.com/hookpass/hookpass/webhook"
)

// Delivery is what arrived.
type Delivery struct {
	// As it was verified. The URL is the one that was taken for the sender's.
	Request webhook.Request

	// When it arrived.
	Received time.Time

	// Whether it was refused before its body was read. What the signature covers is
	// then unknown, so that nothing can be proven.
	HeadOnly bool
}

// Endpoint is what a delivery was verified against, or could have been.
type Endpoint struct {
	Name      string
	Provider  string // its id in the catalogue; empty: the scheme is the user's own
	Scheme    webhook.Scheme
	Secrets   []Secret
	Tolerance time.Duration     // zero: timestamps of any age pass
	With      map[string]string // values of the scheme's {with:NAME}
	PublicURL string            // as it is configured; empty: the URL is the request's
	Keys      webhook.KeySource // for schemes that fetch their keys; nil: they cannot be had
}

// Secret is a secret as it is configured. Its text is behind a function, as fmt
// prints none.
type Secret struct {
	Label string
	Text  func() string
}

// Process is what is known besides the endpoint.
type Process struct {
	// The other endpoints.
	Others []Endpoint

	// How long before it arrived the newest genuine delivery of an endpoint was
	// signed, by the endpoint's name; negative if its timestamp was in the future.
	// Deliveries that were refused for nothing but their age count, too.
	Ages map[string]time.Duration
}

// Finding is why a delivery was refused.
type Finding struct {
	Cause Cause `json:"cause"`

	// Whether the delivery is genuine beyond doubt: its signature is right once what
	// Sentence says is undone. Otherwise Sentence is what can be seen.
	Proven bool `json:"proven"`

	Sentence string `json:"sentence"` // what went wrong
	Remedy   string `json:"remedy"`   // what to do; empty if there is nothing to do
	Tried    int    `json:"tried"`    // how many variants were tried
}

// Diagnose tells why d was refused by e. It never fails: where it knows nothing,
// the cause is [Unknown].
func Diagnose(l Limits, d Delivery, e Endpoint, p Process) Finding {
	s := newSearch(l, d, e, p)
	f := s.find()
	f.Tried = s.tried
	return f
}

// find takes the simple explanations first: a delivery that several would explain
// has met the simplest.
func (s *search) find() Finding {
	err := s.check(s.own, &s.delivery.Request)
	if f, found := s.decided(err); found {
		return f
	}
	for _, look := range []struct {
		try   func(error) (Finding, bool)
		share float64 // of what is left of the limits: of a large body, few variants can be tried
	}{
		{s.unit, 1},
		{s.head, 1. / 4},
		{s.secrets, 1. / 6},
		{s.otherEndpoints, 1. / 4},
		{s.address, 1. / 2},
		{s.body, 5. / 6},
		{s.description, 1. / 2},
		{s.otherProviders, 1. / 2},
	} {
		kept := s.keep(1 - look.share)
		f, found := look.try(err)
		if found {
			return f
		}
		s.left.Variants += kept.Variants
		s.left.Bytes += kept.Bytes
	}
	if f, found := s.twoMistakes(); found {
		return f
	}
	if f, found := s.visible(err); found {
		return f
	}
	return s.unknown(err)
}

// decided explains what verifying has told, whatever the signature is.
func (s *search) decided(err error) (Finding, bool) {
	switch {
	case err == nil:
		return s.time()
	case errors.Is(err, webhook.ErrKeyUnavailable):
		return Finding{Cause: KeyUnavailable, Sentence: "The provider's public key could not be had, so that nothing was verified.", Remedy: "See that this host can reach the provider's address of the keys."}, true
	case errors.Is(err, webhook.ErrKeyUntrusted):
		return Finding{Cause: KeyUntrusted, Sentence: "The delivery names a key that is not the provider's.", Remedy: "If deliveries from the same provider pass otherwise, this one is forged."}, true
	case errors.Is(err, webhook.ErrClaimsInvalid):
		return Finding{Cause: Claims, Proven: true, Sentence: "The token is genuine, but not for here and now: " + err.Error() + ".", Remedy: "Compare the issuer, audience and other claims in the provider's settings with those in the configuration, and the clock here with the right time."}, true
	default:
		return Finding{}, false
	}
}
