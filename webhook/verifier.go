package webhook

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Verifier checks the deliveries of one endpoint. It is safe for concurrent use.
type Verifier struct {
	scheme    *scheme
	keys      []labelled
	tolerance time.Duration
}

// NewVerifier compiles s for the given secrets, any of which may match. A
// tolerance of zero accepts timestamps of any age. with holds the values of the
// scheme's {with:NAME}. The error wraps [ErrScheme], [ErrSecretEmpty] if
// there is no secret at all, or [ErrSecretEncoding] if one is a public key of
// another kind than the scheme needs.
func NewVerifier(s Scheme, secrets []Secret, tolerance time.Duration, with map[string]string) (*Verifier, error) {
	c, err := s.compile()
	if err != nil {
		return nil, err
	}
	if err := c.fill(with); err != nil {
		return nil, err
	}
	v := &Verifier{scheme: c, tolerance: tolerance}
	switch {
	case c.keys != nil && len(secrets) > 0:
		return nil, fmt.Errorf("%w: the keys are fetched: remove the secret", ErrScheme)
	case c.keys != nil:
		v.keys = []labelled{{fetchedKey{c.method.(published), c.keys}, ""}}
	case len(secrets) == 0:
		return nil, fmt.Errorf("%w: at least one is needed", ErrSecretEmpty)
	}
	for _, secret := range secrets {
		if len(secret.bytes()) == 0 {
			return nil, ErrSecretEmpty
		}
		k, err := c.method.newKey(secret)
		if err != nil {
			return nil, err
		}
		v.keys = append(v.keys, labelled{k, secret.label})
	}
	return v, nil
}

// FetchFrom sets where the keys come from of a scheme with keys. It must be
// called before the first delivery; without it, every delivery is refused with
// [ErrKeyUnavailable].
func (v *Verifier) FetchFrom(source KeySource) {
	if v.scheme.keys != nil {
		v.scheme.keys.source = source
	}
}

type labelled struct {
	key
	label string
}

// method is how a scheme's type proves a delivery.
type method interface {
	// wellFormed reports whether text can be a signature at all, under any key.
	wellFormed(text string) bool
	// newKey makes a secret ready for requests.
	newKey(s Secret) (key, error)
}

// key is one secret, ready for requests.
type key interface {
	// proves reports whether one of the signatures is right for what t says is
	// signed. An error means that the request has no such signed text.
	proves(t template, r *Request, e *evidence) (bool, error)
}

// evidence is what a request offers as proof.
type evidence struct {
	found      found
	signatures []string // those of found that are well-formed
	messages   []signedMessage
	fields     signedFields
	now        time.Time
}

// Evidence is pooled: behind the interface of a key it would be allocated anew
// for each delivery.
var evidences = sync.Pool{New: func() any { return new(evidence) }}

func newEvidence() *evidence { return evidences.Get().(*evidence) }

func (e *evidence) release() {
	*e = evidence{} // its strings would keep the request alive
	evidences.Put(e)
}

// VerifyHeader checks what can be told before the body is read: that a
// signature is there and well-formed, and that a timestamp outside the body is
// fresh. It lets the caller refuse without reading. The Delivery holds what the
// head of the request says, unproven.
func (v *Verifier) VerifyHeader(r *Request, now time.Time) (Delivery, error) {
	e := newEvidence()
	defer e.release()
	return v.examine(r, now, e, false)
}

// SignatureInBody reports whether VerifyHeader cannot tell that the signature is
// missing.
func (v *Verifier) SignatureInBody() bool { return !v.scheme.signature.inHead() }

// Verify checks a whole request that arrived at now. The Delivery is proven only
// if the error is nil, and then only as far as the scheme signs it.
func (v *Verifier) Verify(r *Request, now time.Time) (Delivery, error) {
	e := newEvidence()
	defer e.release()
	r.claims, e.now = nil, now
	d, err := v.examine(r, now, e, true)
	if err != nil {
		return d, err
	}
	label, err := v.match(r, e)
	if err != nil {
		return d, err
	}
	if c := v.scheme.require; c != nil {
		if holds, err := c.holds(r); err != nil || !holds {
			return d, fmt.Errorf("%w: %s lacks what the scheme requires there", ErrSignatureMismatch, strings.Join(c.place.names, "|"))
		}
	}
	if v.scheme.strictBody {
		if err := unambiguous(r.Body); err != nil {
			return d, err
		}
	}
	// A timestamp inside the body is judged once the body is proven: what an
	// altered body says is no reason to call it old.
	if t := v.scheme.timestamp.place; t.inContent() {
		if t.kind == inClaim {
			e.fields.timestamp = v.claimedTime(r)
		}
		if err := v.date(&d, e.fields.timestamp, now); err != nil {
			return d, err
		}
	}
	if r.claims != nil {
		if err := v.checkClaims(r, e, now); err != nil {
			return d, err
		}
	}
	d.Secret = label
	err = v.identify(r, &d, true)
	return d, err
}

// date reads a timestamp and refuses one that is not fresh.
func (v *Verifier) date(d *Delivery, text string, now time.Time) (err error) {
	if d.Timestamp, err = v.scheme.timestamp.parse(text); err != nil {
		return err
	}
	return fresh(d.Timestamp, now, v.tolerance)
}

// match finds the secret that proves the request, or, of several deliveries in
// it, one for each.
func (v *Verifier) match(r *Request, e *evidence) (label string, err error) {
	if !v.scheme.everyElement {
		return v.matchAny(r, e)
	}
	all := e.signatures
	for i := range all {
		e.signatures = all[i : i+1]
		if label, err = v.matchAny(r, e); err != nil {
			break
		}
	}
	return label, err
}

// matchAny tries every secret. All are tried even after a match, so that the time
// taken does not tell which one it was.
func (v *Verifier) matchAny(r *Request, e *evidence) (label string, err error) {
	err = ErrSignatureMismatch
	for _, k := range v.keys {
		proven, failure := k.proves(v.scheme.signed, r, e)
		switch {
		case failure != nil:
			return "", failure
		case proven && err != nil:
			label, err = k.label, nil
		}
	}
	return label, err
}

// examine collects the evidence; with whole it looks into the body, too, as far
// as the proof needs it.
func (v *Verifier) examine(r *Request, now time.Time, e *evidence, whole bool) (d Delivery, err error) {
	if err := v.identify(r, &d, false); err != nil {
		return d, err
	}
	signatureKnown := whole || v.scheme.signature.inHead()
	if signatureKnown {
		if m, is := v.scheme.method.(*messageMethod); is {
			err = v.collectMessages(m, r, e, now, whole)
		} else {
			err = v.collect(r, e)
		}
		if err != nil {
			return d, err
		}
	}
	t := v.scheme.timestamp
	if t.exists() && (whole || t.place.inHead() || t.place.kind == inSignature && signatureKnown) {
		text := e.found.timestamp
		if t.place.kind != inSignature {
			if text, err = t.place.Value(r); err != nil {
				return d, fmt.Errorf("%w: %w", ErrTimestampMalformed, err)
			}
		}
		e.fields.timestamp = text
		if !t.place.inContent() {
			if err := v.date(&d, text, now); err != nil {
				return d, err
			}
		}
	}
	if whole && v.scheme.signed.uses(segmentID) {
		if e.fields.id, err = v.scheme.id.Value(r); err != nil {
			return d, fmt.Errorf("%w: delivery id: %w", ErrSignatureMalformed, err)
		}
	}
	return d, nil
}

// identify reads the id and the event type. Conflicting values are refused:
// which of them the application would use, we cannot know.
func (v *Verifier) identify(r *Request, d *Delivery, whole bool) (err error) {
	if p := v.scheme.id; p != nil && (whole || p.inHead()) {
		if d.ID, err = p.Value(r); err != nil {
			return fmt.Errorf("%w: delivery id: %w", ErrSignatureMalformed, err)
		}
	}
	if p := v.scheme.event; p != nil && (whole || p.inHead()) {
		if d.Event, err = p.Value(r); err != nil {
			return fmt.Errorf("%w: event type: %w", ErrSignatureMalformed, err)
		}
	}
	return nil
}

// collect picks the signatures out of the request. One that is not well-formed
// is skipped as long as another is: it may be of a version that is yet to come.
func (v *Verifier) collect(r *Request, e *evidence) error {
	f := &e.found
	present := false
	var values []string
	if v.scheme.everyElement {
		var every bool
		if values, every = v.scheme.signature.elementValues(r); !every {
			return fmt.Errorf("%w: not every element has one", ErrSignatureMissing)
		}
	} else {
		values = v.scheme.signature.values(r)
	}
	for _, value := range values {
		if strings.TrimSpace(value) != "" {
			present = true
			v.scheme.format.read(value, f)
		}
	}
	if !present {
		return ErrSignatureMissing
	}
	if f.conflict {
		return fmt.Errorf("%w: it holds conflicting values", ErrSignatureMalformed)
	}
	if end := v.scheme.signed.behindExtra(); end != "" {
		if f.extras {
			return fmt.Errorf("%w: it holds conflicting values", ErrSignatureMalformed)
		}
		if e.fields.extra = f.extra; strings.Contains(f.extra, end) {
			return fmt.Errorf("%w: its extra part holds %q, which ends it in what is signed", ErrSignatureMalformed, end)
		}
	}
	e.signatures = slices.DeleteFunc(f.signatures[:f.count], func(text string) bool {
		return !v.scheme.method.wellFormed(text)
	})
	if len(e.signatures) == 0 {
		return fmt.Errorf("%w: it is not written as the scheme says", ErrSignatureMalformed)
	}
	return nil
}
