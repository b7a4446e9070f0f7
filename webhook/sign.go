package webhook

import (
	"fmt"
	"strings"
	"time"

	"github.com/tidwall/gjson"
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

// Signable returns nil if the secret that verifies deliveries also makes them,
// as a [Signer] does. The error wraps [ErrScheme] and says why not.
func (s Scheme) Signable() error {
	c, err := s.compile()
	switch {
	case err != nil:
		return err
	case s.Key == KeyPublic:
		return fmt.Errorf("%w: cannot sign: %s deliveries are signed with a private key, which the provider keeps; the public one only verifies", ErrScheme, s.Type)
	case c.inWholeBody():
		return nil
	case c.signature.kind == inMultipart:
		return fmt.Errorf("%w: cannot sign: the signature is inside of a multipart body", ErrScheme)
	case c.covers(c.signature):
		return fmt.Errorf("%w: cannot sign: the signature is inside of what it covers", ErrScheme)
	}
	return nil
}

// NewSigner compiles s for one secret; with is as for [NewVerifier]. The error
// wraps [ErrScheme], or [ErrSecretEmpty].
func NewSigner(s Scheme, secret Secret, with map[string]string) (*Signer, error) {
	if err := s.Signable(); err != nil {
		return nil, err
	}
	v, err := NewVerifier(s, []Secret{secret}, 0, with)
	if err != nil {
		return nil, err
	}
	switch m := v.scheme.method.(type) {
	case *messageMethod:
		shared := func(message []byte) ([]byte, error) { return sharedSum(secret, message), nil }
		return &Signer{v.scheme, messageSigner{v.scheme, shared}}, nil
	case *tokenMethod:
		algorithm := string(m.algorithms[0])
		return &Signer{v.scheme, tokenSigner{v.scheme, algorithm, sharedSeal(algorithm, secret)}}, nil
	}
	return &Signer{v.scheme, v.keys[0].key.(signingKey)}, nil
}

// inWholeBody reports whether the body is a token and nothing else.
func (c *scheme) inWholeBody() bool {
	return c.signature.kind == inBody && len(c.signature.names) == 0
}

// Sign writes the timestamp, the delivery id, the event type and the signature
// to the places that the scheme names. An id, event type or timestamp that
// travels in the body is taken as the body has it; a timestamp that is missing
// there, and a signature, are added to the body.
func (s *Signer) Sign(r *Request, id, event string, at time.Time) (err error) {
	fields := signedFields{event: event}
	setInHead(s.scheme.event, r, event)
	if p := s.scheme.id; p != nil {
		setInHead(p, r, id)
		if fields.id, err = p.Value(r); err != nil {
			return fmt.Errorf("delivery id: %w", err)
		}
		if p.kind == inClaim {
			fields.id = id
		}
	}
	if fields.timestamp, err = s.stamp(r, at); err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	if err := s.fulfil(r, id); err != nil {
		return fmt.Errorf("require: %w", err)
	}
	signature, err := s.key.sign(s.scheme.signed, r, fields)
	if err != nil {
		return err
	}
	if s.scheme.inWholeBody() {
		r.Body = []byte(signature)
		return nil
	}
	if err := s.scheme.signature.Set(r, s.scheme.format.write(signature, fields.timestamp)); err != nil {
		return fmt.Errorf("signature: %w", err)
	}
	return nil
}

// fulfil writes what the scheme requires besides, unless it is there already: a
// list of header fields, an object or amount to be signed, and what is to stand at a place. What the body repeats
// of the query is the id, if the query lacks it.
func (s *Signer) fulfil(r *Request, id string) (err error) {
	for _, segment := range s.scheme.signed {
		list, _, _ := strings.Cut(segment.text, ",")
		if segment.kind == segmentHeaderList && r.Header.Get(list) == "" {
			r.Header.Set(list, strings.ToLower(segment.text))
		}
		path, _, _ := strings.Cut(segment.text, ",")
		value, needed := map[segmentKind]string{segmentJSONPHP: "{}", segmentAmount: "1"}[segment.kind]
		if needed && !gjson.GetBytes(r.Body, path).Exists() {
			if r.Body, err = insert(r.Body, strings.Split(path, "."), value); err != nil {
				return err
			}
		}
	}
	c := s.scheme.require
	if c == nil {
		return nil
	}
	if there, err := c.holds(r); err != nil || there {
		return err
	}
	for _, segment := range c.want {
		if p := (Place{kind: inQuery, names: []string{segment.text}}); segment.kind == segmentQueryField && len(p.values(r)) == 0 {
			if err := p.Set(r, id); err != nil {
				return err
			}
		}
	}
	text, err := c.want.render(r)
	if err != nil {
		return err
	}
	return c.place.Set(r, text)
}

func (s *Signer) stamp(r *Request, at time.Time) (text string, err error) {
	t := s.scheme.timestamp
	if !t.exists() {
		return "", nil
	}
	text = t.render(at)
	if !t.place.inContent() {
		setInHead(&t.place, r, text)
		return text, nil
	}
	if has, err := t.place.Value(r); err != nil || has != "" {
		return has, err
	}
	if t.place.kind == inBody && t.unit == "milliseconds" {
		// A number, as JavaScript's Date.now is: applications may expect one.
		r.Body, err = insert(r.Body, strings.Split(t.place.names[0], "."), text)
		return text, err
	}
	return text, t.place.Set(r, text)
}

// setInHead leaves out what is empty or travels elsewhere.
func setInHead(p *Place, r *Request, value string) {
	if p != nil && p.inHead() && value != "" {
		_ = p.Set(r, value) // only a body can be in the way
	}
}
