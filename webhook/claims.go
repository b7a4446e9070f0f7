package webhook

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// claim is what a token must say besides its signature.
type claim struct {
	name string
	path string
	any  []template // one of them must be what it says

	// binds: it is about the request and not about the token, so that another
	// value means that the signature is not this request's.
	binds bool
}

// parseClaims reads "iss=acme|https://acme.example hash={sha256:body}".
func parseClaims(text string) ([]claim, error) {
	var claims []claim
	for word := range strings.FieldsSeq(text) {
		name, values, _ := strings.Cut(word, "=")
		if name == "" || values == "" {
			return nil, fmt.Errorf("%w: claims has %q: write NAME=VALUE, such as iss=https://example.com or payload_hash={sha256:body}", ErrScheme, word)
		}
		place, err := ParsePlace("claim " + name)
		if err != nil {
			return nil, err
		}
		c := claim{name: name, path: place.names[0]}
		for value := range strings.SplitSeq(values, "|") {
			t, err := parseTemplate(value)
			if err != nil {
				return nil, err
			}
			c.binds = c.binds || slices.ContainsFunc(t, func(s segment) bool { return s.kind != segmentLiteral && s.kind != segmentWith })
			c.any = append(c.any, t)
		}
		claims = append(claims, c)
	}
	return claims, nil
}

func (c claim) fill(with map[string]string) (_ claim, err error) {
	c.any = slices.Clone(c.any)
	for i, t := range c.any {
		if c.any[i], err = t.fill(with); err != nil {
			return claim{}, err
		}
	}
	return c, nil
}

// holds reports whether the token says what it must: as a text, as a number or
// boolean, or as one element of a list, as "aud" may be (RFC 7519 section 4.1.3).
func (c claim) holds(r *Request, f signedFields) (bool, error) {
	said := gjson.GetBytes(r.claims, c.path)
	elements := []gjson.Result{said}
	if said.IsArray() {
		elements = said.Array()
	}
	for _, t := range c.any {
		var want bytes.Buffer
		if err := t.writeTo(textSink{&want}, r, f); err != nil {
			return false, err
		}
		if slices.ContainsFunc(elements, func(e gjson.Result) bool { return e.Exists() && e.String() == want.String() && want.Len() > 0 }) {
			return true, nil
		}
	}
	return false, nil
}

type textSink struct{ *bytes.Buffer }

func (s textSink) write(b []byte)          { s.Write(b) }
func (s textSink) writeString(text string) { s.WriteString(text) }

// checkClaims judges what a proven token says of itself and of the request.
func (v *Verifier) checkClaims(r *Request, e *evidence, now time.Time) error {
	if !gjson.ValidBytes(r.claims) || !gjson.ParseBytes(r.claims).IsObject() {
		return fmt.Errorf("%w: they are not a JSON object", ErrClaimsInvalid)
	}
	for _, c := range v.scheme.claims {
		held, err := c.holds(r, e.fields)
		switch {
		case err != nil:
			return err
		case !held && c.binds:
			return fmt.Errorf("%w: the token's claim %s is of another request", ErrSignatureMismatch, c.name)
		case !held:
			return fmt.Errorf("%w: %s is not what the scheme says", ErrClaimsInvalid, c.name)
		}
	}
	leeway := v.leeway()
	for name, wrong := range map[string]func(time.Time) bool{
		"exp": func(at time.Time) bool { return now.Sub(at) > leeway },
		"nbf": func(at time.Time) bool { return at.Sub(now) > leeway },
	} {
		said := gjson.GetBytes(r.claims, name)
		if !said.Exists() {
			continue
		}
		// Any number beyond is a mistake, and would overflow.
		const most = 1 << 40 // seconds: the year 36812
		seconds := said.Num
		if said.Type != gjson.Number || seconds < 0 || seconds > most {
			return fmt.Errorf("%w: %s is not a time", ErrClaimsInvalid, name)
		}
		if wrong(time.Unix(int64(seconds), 0)) {
			return fmt.Errorf("%w: %s has passed, or is yet to come", ErrClaimsInvalid, name)
		}
	}
	return nil
}

// leeway is how far the clocks may differ.
func (v *Verifier) leeway() time.Duration {
	if v.tolerance > 0 {
		return min(MaxFuture, v.tolerance)
	}
	return MaxFuture
}

// claimedTime is the timestamp that a token bears. RFC 7519 section 2 lets it
// have a fraction, which no tolerance is fine enough for.
func (v *Verifier) claimedTime(r *Request) string {
	text, _ := v.scheme.timestamp.place.Value(r)
	if v.scheme.timestamp.unit == "seconds" {
		text, _, _ = strings.Cut(text, ".")
	}
	return text
}
