package webhook

import (
	"fmt"
	"time"
)

// Signer makes the deliveries that a Verifier of the same scheme accepts. It
// serves tests and tools: what it makes is as genuine as its secret.
type Signer struct {
	scheme *scheme
	key    signingKey
}

// signingKey is a key that can also make what it verifies.
type signingKey interface {
	sign(t template, r *Request, f signedFields) (string, error)
}

// NewSigner compiles s for one secret; with is as for [NewVerifier]. The error
// wraps [ErrScheme], or [ErrSecretEmpty].
func NewSigner(s Scheme, secret Secret, with map[string]string) (*Signer, error) {
	v, err := NewVerifier(s, []Secret{secret}, 0, with)
	if err != nil {
		return nil, err
	}
	if v.scheme.covers(v.scheme.signature) {
		return nil, fmt.Errorf("%w: cannot sign: the signature is inside of what it covers", ErrScheme)
	}
	k, ok := v.keys[0].key.(signingKey)
	if !ok {
		return nil, fmt.Errorf("%w: cannot sign: %s takes more than the secret that verifies", ErrScheme, s.Type)
	}
	return &Signer{scheme: v.scheme, key: k}, nil
}

// Sign writes the timestamp, the delivery id, the event type and the signature
// to the places that the scheme names. An id, event type or timestamp that
// travels in the body is taken as the body has it; a timestamp that is missing
// there, and a signature, are added to the body.
func (s *Signer) Sign(r *Request, id, event string, at time.Time) (err error) {
	var fields signedFields
	setInHead(s.scheme.event, r, event)
	if p := s.scheme.id; p != nil {
		setInHead(p, r, id)
		if fields.id, err = p.Value(r); err != nil {
			return fmt.Errorf("delivery id: %w", err)
		}
	}
	if fields.timestamp, err = s.stamp(r, at); err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	signature, err := s.key.sign(s.scheme.signed, r, fields)
	if err != nil {
		return err
	}
	if err := s.scheme.signature.Set(r, s.scheme.format.write(signature, fields.timestamp)); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	return nil
}

func (s *Signer) stamp(r *Request, at time.Time) (string, error) {
	t := s.scheme.timestamp
	if !t.exists() {
		return "", nil
	}
	text := t.render(at)
	switch has, err := t.place.Value(r); {
	case t.place.inContent() && has != "":
		return has, err
	case t.place.inContent():
		return text, t.place.Set(r, text)
	}
	setInHead(&t.place, r, text)
	return text, nil
}

// setInHead leaves out what is empty or travels elsewhere.
func setInHead(p *Place, r *Request, value string) {
	if p != nil && p.inHead() && value != "" {
		_ = p.Set(r, value) // only a body can be in the way
	}
}
