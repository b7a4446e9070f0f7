package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// methods are the types of schemes.
var methods = map[string]func(Scheme) (method, error){
	TypeHMAC:    newHMACMethod,
	TypeDigest:  newDigestMethod,
	TypeToken:   newSecretMethod,
	TypeBasic:   newBasicMethod,
	TypeEd25519: newEd25519Method,
	TypeECDSA:   newECDSAMethod,
	TypeRSA:     newRSAMethod,
	TypeRSAPSS:  newRSAPSSMethod,
	TypeSNS:     newSNSMethod,
	TypeJWT:     newTokenMethod,
	TypeMessage: newMessageMethod,
	TypeJWS:     newDetachedMethod,
}

func typeNames() string { return joined(slices.Sorted(maps.Keys(methods))) }

// scheme is a Scheme made ready for requests.
type scheme struct {
	method    method
	signature Place
	format    format
	signed    template // what a signature covers, or all that a token's claims are compared with
	timestamp timestamp
	id        *Place
	event     *Place
	claims    []claim
	require   *condition
	keys      *keyURL // nil: the key is the secret

	// everyElement: one request holds several deliveries, and each has a token.
	everyElement bool

	// strictBody: chosen body fields are signed rather than the body, so that a
	// second field of the same name could carry an unsigned value past us.
	strictBody bool
}

func (c *scheme) isSNS() bool {
	_, is := c.method.(snsMethod)
	return is
}

// token reports whether the proof is a token, which says what it vouches for.
func (c *scheme) token() bool {
	_, is := c.method.(*tokenMethod)
	return is
}

// claiming reports whether the proof says more than that it is right: a token its
// claims, a signature by RFC 9421 its parameters.
func (c *scheme) claiming() bool {
	_, is := c.method.(*messageMethod)
	return is || c.token()
}

// signs reports whether the proof covers anything of what is delivered.
func (c *scheme) signs() bool {
	switch c.method.(type) {
	case secretMethod, basicMethod:
		return false
	default:
		return true
	}
}

func (s Scheme) compile() (*scheme, error) {
	newMethod, known := methods[s.Type]
	if !known {
		return nil, &SchemeError{"type", fmt.Errorf("%w: type %q is unknown: write %s", ErrScheme, s.Type, typeNames())}
	}
	c := &scheme{}
	var err error
	if c.method, err = newMethod(s); err != nil {
		return nil, err
	}
	if word := s.foreign(); word != "" {
		return nil, &SchemeError{word, fmt.Errorf("%w: %s means nothing to type %s: remove it", ErrScheme, word, s.Type)}
	}
	if s.Type == TypeBasic {
		s.Signature = basicPlace
	}
	if s.Signature == "" {
		return nil, &SchemeError{"signature", fmt.Errorf(`%w: no signature: write where it is, such as signature header X-Signature "sha256={signature}"`, ErrScheme)}
	}
	where, written := cutPlace(s.Signature)
	if s.Type == TypeJWT && s.Signature == "body" {
		c.signature.kind = inBody
	} else if c.signature, err = ParsePlace(where); err != nil {
		return nil, &SchemeError{"signature", fmt.Errorf("signature: %w", err)}
	}
	if c.format, err = parseFormat(written); err != nil {
		return nil, &SchemeError{"signature", err}
	}
	if c.id, err = optionalPlace("delivery_id", s.DeliveryID, ParseID); err != nil {
		return nil, &SchemeError{"delivery_id", err}
	}
	if c.event, err = optionalPlace("event_type", s.EventType, ParsePlace); err != nil {
		return nil, &SchemeError{"event_type", err}
	}
	if s.Require != "" {
		c.require, err = parseCondition(s.Require)
		if err != nil || c.require.want == nil {
			return nil, &SchemeError{"require", errors.Join(fmt.Errorf("%w: require %q: write a place and a text, such as query digest {sha256:body}", ErrScheme, s.Require), err)}
		}
	}
	if c.timestamp, err = parseTimestamp(s.Timestamp, c.format.has(partTimestamp)); err != nil {
		return nil, &SchemeError{"timestamp", err}
	}
	if c.keys, err = s.parseKeys(); err != nil {
		return nil, err
	}
	if _, can := c.method.(published); c.keys != nil && (!can || s.Key != KeyPublic) {
		return nil, &SchemeError{"keys", fmt.Errorf("%w: keys are for types with public keys: write key public, or remove keys", ErrScheme)}
	}
	switch {
	case s.Type == TypeJWT, s.Type == TypeSNS, s.Type == TypeMessage:
		switch m := c.method.(type) {
		case snsMethod:
			c.signed = snsSigned()
		case *messageMethod:
			c.signed = m.signed()
		}
		if c.claims, err = parseClaims(s.Claims); err != nil {
			return nil, &SchemeError{"claims", err}
		}
		for _, claim := range c.claims {
			c.signed = slices.Concat(append(claim.any, c.signed)...)
		}
	case c.signs():
		if c.signed, err = parseTemplate(s.Signed); err != nil {
			return nil, &SchemeError{"signed", err}
		}
	}
	if hasSecret := c.signed.uses(segmentSecret); hasSecret != (s.Type == TypeDigest) && s.Type != TypeHMAC {
		return nil, &SchemeError{"signed", fmt.Errorf("%w: signed has {secret} in a digest, where it must be, and in an hmac alone", ErrScheme)}
	}
	c.everyElement = s.Type == TypeToken && c.signature.isOfElements()
	c.strictBody = c.everyElement || (c.signed.uses(segmentJSON) || c.signed.uses(segmentJSONPHP) || c.signed.uses(segmentAmount) || c.repeats()) && !c.signed.uses(segmentBody)
	if err := c.consistent(); err != nil {
		return nil, err
	}
	return c, nil
}

// foreign returns the first word that the scheme's type has no use for.
func (s Scheme) foreign() string {
	words := map[string]string{
		"algorithm": s.Algorithm, "signature": s.Signature, "encoding": s.Encoding,
		"signed": s.Signed, "claims": s.Claims, "timestamp": s.Timestamp,
		"require": s.Require, "key_id": s.KeyID,
	}
	useless := []string{"claims"}
	switch s.Type {
	case TypeJWT:
		useless = []string{"encoding", "signed", "require", "key_id"}
	case TypeJWS:
		useless = []string{"encoding", "claims", "key_id"}
	case TypeSNS:
		useless = []string{"algorithm", "encoding", "signed", "require", "key_id"}
	case TypeMessage:
		useless = []string{"encoding", "require", "key_id"}
	case TypeToken:
		useless = []string{"algorithm", "encoding", "signed", "claims", "timestamp", "require"}
	case TypeBasic:
		useless = []string{"algorithm", "signature", "encoding", "signed", "claims", "timestamp", "require"}
	}
	for _, word := range useless {
		if words[word] != "" {
			return word
		}
	}
	return ""
}

// fill puts an endpoint's parameters in the place of {with:NAME}.
func (c *scheme) fill(with map[string]string) (err error) {
	if c.keys != nil {
		if err := c.keys.fill(with); err != nil {
			return err
		}
	}
	for i := range c.claims {
		if c.claims[i], err = c.claims[i].fill(with); err != nil {
			return err
		}
	}
	if c.require != nil {
		if err := c.require.fill(with); err != nil {
			return err
		}
	}
	c.signed, err = c.signed.fill(with)
	return err
}

// checkKey refuses a key form that the scheme's type does not know.
func (s Scheme) checkKey(known ...KeyForm) error {
	if form, _ := s.Key.parts(); slices.Contains(known, cmp.Or(form, KeyText)) {
		return nil
	}
	return &SchemeError{"key", fmt.Errorf("%w: key %q is unknown: write %s", ErrScheme, s.Key, joined(known))}
}

func joined[T ~string](words []T) string {
	var b strings.Builder
	for i, word := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(word))
	}
	return b.String()
}
