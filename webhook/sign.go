package webhook

import (
	"fmt"
	"net/url"
	"time"
)

// Signer makes the deliveries that a Verifier of the same scheme accepts. It
// serves tests and tools: what it makes is as genuine as its secret.
type Signer struct {
	scheme *scheme
	key    *hmacKey
}

// NewSigner compiles s for one secret; with is as for [NewVerifier]. The error
// wraps [ErrScheme], or [ErrSecretEmpty].
func NewSigner(s Scheme, secret Secret, with map[string]string) (*Signer, error) {
	v, err := NewVerifier(s, []Secret{secret}, 0, with)
	if err != nil {
		return nil, err
	}
	for word, p := range map[string]placeKind{"signature": v.scheme.signature.kind, "timestamp": v.scheme.timestamp.place.kind} {
		if p == inBody || p == inForm {
			return nil, fmt.Errorf("%w: cannot sign: the %s is inside the body", ErrScheme, word)
		}
	}
	k, ok := v.keys[0].key.(*hmacKey)
	if !ok {
		return nil, fmt.Errorf("%w: cannot sign: %s takes more than the secret that verifies", ErrScheme, s.Type)
	}
	return &Signer{scheme: v.scheme, key: k}, nil
}

// Sign writes the timestamp, the delivery id, the event type and the signature
// into the header fields and query parameters of r that the scheme names. An id
// or event type that travels in the body is taken as the body has it.
func (s *Signer) Sign(r *Request, id, event string, at time.Time) (err error) {
	if p := s.scheme.event; p != nil {
		p.set(r, event)
	}
	var fields signedFields
	if p := s.scheme.id; p != nil {
		p.set(r, id)
		if fields.id, err = p.Value(r); err != nil {
			return fmt.Errorf("delivery id: %w", err)
		}
	}
	if s.scheme.timestamp.exists() {
		fields.timestamp = s.scheme.timestamp.render(at)
		s.scheme.timestamp.place.set(r, fields.timestamp)
	}
	signature, err := s.key.sign(s.scheme.signed, r, fields)
	if err != nil {
		return err
	}
	s.scheme.signature.set(r, s.scheme.format.write(signature, fields.timestamp))
	return nil
}

// set writes a value that travels in the head of a request; an empty one is left out.
func (p Place) set(r *Request, value string) {
	if value == "" {
		return
	}
	switch p.kind {
	case inHeader:
		r.Header.Set(p.names[0], value)
	case inQuery:
		query := url.Values{p.names[0]: {value}}.Encode()
		if r.Query != "" {
			query = r.Query + "&" + query
		}
		r.Query = query
	}
}
