package webhook

import (
	"fmt"
	"strings"
	"time"
)

// Verifier checks the deliveries of one endpoint. It is safe for concurrent use.
type Verifier struct {
	scheme    *scheme
	keys      []*hmacKey
	tolerance time.Duration
}

// NewVerifier compiles s for the given secrets, any of which may match. A
// tolerance of zero accepts timestamps of any age. with holds the values of the
// scheme's {with:NAME}. The error wraps [ErrScheme], or [ErrSecretEmpty] if
// there is no secret at all.
func NewVerifier(s Scheme, secrets []Secret, tolerance time.Duration, with map[string]string) (*Verifier, error) {
	c, err := s.compile()
	if err != nil {
		return nil, err
	}
	if c.signed, err = c.signed.fill(with); err != nil {
		return nil, err
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("%w: at least one is needed", ErrSecretEmpty)
	}
	v := &Verifier{scheme: c, tolerance: tolerance}
	for _, secret := range secrets {
		if len(secret.bytes()) == 0 {
			return nil, ErrSecretEmpty
		}
		v.keys = append(v.keys, newHMACKey(c.digest, secret))
	}
	return v, nil
}

// evidence is what a request offers as proof.
type evidence struct {
	signatures [maxSignatures]signature
	count      int
	fields     signedFields
}

// VerifyHeader checks what can be told before the body is read: that a
// signature is there and well-formed, and that a timestamp outside the body is
// fresh. It lets the caller refuse without reading. The Delivery holds what the
// head of the request says, unproven.
func (v *Verifier) VerifyHeader(r *Request, now time.Time) (Delivery, error) {
	var e evidence
	return v.examine(r, now, &e, false)
}

// Verify checks a whole request that arrived at now. The Delivery is proven only
// if the error is nil, and then only as far as the scheme signs it.
func (v *Verifier) Verify(r *Request, now time.Time) (Delivery, error) {
	var e evidence
	d, err := v.examine(r, now, &e, true)
	if err != nil {
		return d, err
	}
	label, err := v.match(r, &e)
	if err != nil {
		return d, err
	}
	if v.scheme.strictBody {
		if err := unambiguous(r.Body); err != nil {
			return d, err
		}
	}
	d.Secret = label
	err = v.identify(r, &d, true)
	return d, err
}

// match tries every secret against every signature. All secrets are tried even
// after a match, so that the time taken does not tell which one it was.
func (v *Verifier) match(r *Request, e *evidence) (label string, err error) {
	err = ErrSignatureMismatch
	for _, key := range v.keys {
		m := key.get()
		if werr := v.scheme.signed.writeTo(m, r, e.fields); werr != nil {
			err = werr
		} else if m.matches(e.signatures[:e.count]) && err != nil {
			label, err = key.label, nil
		}
		key.pool.Put(m)
	}
	return label, err
}

// examine collects the evidence; with whole it looks into the body, too, as far
// as the proof needs it.
func (v *Verifier) examine(r *Request, now time.Time, e *evidence, whole bool) (d Delivery, err error) {
	if err := v.identify(r, &d, false); err != nil {
		return d, err
	}
	var f found
	signatureKnown := whole || v.scheme.signature.inHead()
	if signatureKnown {
		if err := v.collect(r, &f, e); err != nil {
			return d, err
		}
	}
	t := v.scheme.timestamp
	if t.exists() && (whole || t.place.inHead() || t.place.kind == inSignature && signatureKnown) {
		text := f.timestamp
		if t.place.kind != inSignature {
			if text, err = t.place.Value(r); err != nil {
				return d, fmt.Errorf("%w: %w", ErrTimestampMalformed, err)
			}
		}
		if d.Timestamp, err = t.parse(text); err != nil {
			return d, err
		}
		if err := fresh(d.Timestamp, now, v.tolerance); err != nil {
			return d, err
		}
		e.fields.timestamp = text
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

// collect decodes the signatures. One that cannot be decoded is skipped as long
// as another can: it may be of a version that is yet to come.
func (v *Verifier) collect(r *Request, c *found, e *evidence) error {
	present := false
	for _, value := range v.scheme.signature.values(r) {
		if strings.TrimSpace(value) != "" {
			present = true
			v.scheme.format.read(value, c)
		}
	}
	if !present {
		return ErrSignatureMissing
	}
	if c.conflict {
		return fmt.Errorf("%w: it holds conflicting values", ErrSignatureMalformed)
	}
	for _, text := range c.signatures[:c.count] {
		if v.scheme.encoding.decode(&e.signatures[e.count], text, v.scheme.digest.size) {
			e.count++
		}
	}
	if e.count == 0 {
		return fmt.Errorf("%w: it is not written as the scheme says", ErrSignatureMalformed)
	}
	return nil
}
