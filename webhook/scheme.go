package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrScheme is returned when a scheme's description does not make sense. The
// message names the word at fault and what to write instead.
var ErrScheme = errors.New("scheme")

// SchemeError is an error about one word of a scheme's description. It wraps
// [ErrScheme].
type SchemeError struct {
	Word string // the word at fault, as it is written in a provider file
	err  error
}

func (e *SchemeError) Error() string { return e.err.Error() }
func (e *SchemeError) Unwrap() error { return e.err }

// The types of schemes.
const (
	TypeHMAC    = "hmac"    // a digest keyed with a shared secret
	TypeDigest  = "digest"  // a digest of a text that has the secret in it
	TypeToken   = "token"   // the secret itself, which proves the sender and not the content
	TypeBasic   = "basic"   // HTTP Basic authentication (RFC 7617), which proves as little
	TypeEd25519 = "ed25519" // RFC 8032, over what is signed as it is
	TypeECDSA   = "ecdsa"   // on P-256, P-384 or P-521, as DER or as r and s one behind the other
	TypeRSA     = "rsa"     // RSASSA-PKCS1-v1_5, RFC 8017
	TypeRSAPSS  = "rsa-pss" // RSASSA-PSS, RFC 8017, with a salt of any length
	TypeSNS     = "aws-sns" // the messages of Amazon SNS, version 1 or 2
	TypeJWT     = "jwt"     // a JSON Web Token, RFC 7519, in compact form
)

// Scheme describes how deliveries are authenticated. Its words are the same in
// a Caddyfile's scheme block, in JSON and in a provider file.
type Scheme struct {
	// The kind of proof: "hmac", a digest keyed with a shared secret; "digest", a
	// plain one of a text with {secret} in it; a signature that the provider's
	// public key checks: "ed25519", "ecdsa", "rsa" (PKCS #1 v1.5) or "rsa-pss";
	// "jwt", a token whose key may be either; "token", the secret itself; or
	// "basic", the secret user:password in the Authorization header.
	Type string `json:"type,omitempty" yaml:"type"`

	// The digest: sha1, sha256, sha384 or sha512, and md5 for the type digest.
	// Required, as a wrong guess would refuse everything. Empty for ed25519, token
	// and basic, which have none. For a jwt, what its alg must be: HS256, RS256,
	// PS256, ES256 or their longer forms, EdDSA, or several as "RS256|ES256".
	Algorithm string `json:"algorithm,omitempty" yaml:"algorithm"`

	// How the secret's text becomes the key: text, hex, base64 or whsec (base64
	// behind an optional "whsec_"). "text after :" takes what follows the last
	// colon, where what a provider shows is more than the key. Types that
	// need a public key take public alone. Default: text.
	Key KeyForm `json:"key,omitempty" yaml:"key"`

	// Where the signature travels and how it is written there: "header NAME",
	// "query NAME", "form NAME" or "body JSON.PATH", then a format; or only "body"
	// for a jwt that is the whole body. Default format: "{signature}".
	// "sha256={signature}" has a prefix. In "t={timestamp},v1={signature}" the parts
	// may come in any order and more than once, and unknown parts are skipped. In
	// "v1,{signature} ..." whole signatures are repeated with a blank between, in
	// "{timestamp},{signature},..." only the last part is, and in
	// "t={timestamp},v1={signature} ..." the whole set, with the same timestamp. Any
	// signature may match. {extra} is a part that says something else, such as a
	// nonce. The signature of a token is the token. Empty for basic.
	Signature string `json:"signature,omitempty" yaml:"signature"`

	// How the signature's bytes are written: hex, base64 or base64url, padded or
	// not, or base64hex, which is base64 of the hex. Required. Empty for token and
	// basic.
	Encoding string `json:"encoding,omitempty" yaml:"encoding"`

	// What exactly is signed: text with {body}, {timestamp}, {id}, {extra}, {url},
	// {method}, {path}, {query}, {header:NAME}, {headers:LIST,NAME}, {query:NAME},
	// {json:PATH}, {form:NAME}, {form_sorted} and {with:NAME}. {body} is the bytes
	// as received; {timestamp} the text as received; {extra} that part of the
	// signature's format, which must not hold the text behind it in signed;
	// {headers:LIST,NAME} the header fields that the field LIST names, as
	// "name:value;name:value" in the order of their names, LIST and each NAME among
	// them; {form_sorted} each form field's name followed by its value, in the order
	// of the names, then of the values, without repeats. {sha256:body},
	// {sha256_base64:body}, {sha256_raw:body}, {md5_base64:body} and {crc32:body}
	// are digests of the body, and of the URL with url in its place, in hex, base64,
	// bare bytes, base64 and decimal; {quoted:body} is the body as a JSON string.
	// {secret}, which a digest must have, and an hmac may, is the secret. "{{" is a
	// brace. Required. Empty for token and basic, which sign nothing.
	Signed string `json:"signed,omitempty" yaml:"signed"`

	// What must stand at a place besides: "query digest {sha256:body}", a place and
	// a text that is written like what is signed. Where the signature covers the
	// place but not the body, a digest there is what ties the body to it. Default:
	// nothing. Means nothing to jwt, token, basic and aws-sns.
	Require string `json:"require,omitempty" yaml:"require"`

	// Where the timestamp travels, and its unit: "header NAME", "query NAME",
	// "form NAME", "body JSON.PATH", or "signature" for the {timestamp} in the
	// signature's format, or "claim NAME" of a jwt; then seconds, milliseconds,
	// rfc3339, utc, which is RFC 3339 without an offset, or http, as the field Date
	// of RFC 9110 has it. Default unit: seconds. Empty if the scheme has no timestamp. It must be covered by what is signed,
	// else it proves nothing.
	Timestamp string `json:"timestamp,omitempty" yaml:"timestamp"`

	// Where the id travels that is the same on every attempt of one delivery:
	// a place as above. Empty if the provider sends none.
	DeliveryID string `json:"delivery_id,omitempty" yaml:"delivery_id"`

	// Where the event type travels: a place as above. Empty if there is none.
	EventType string `json:"event_type,omitempty" yaml:"event_type"`

	// For tokens and Amazon SNS, what they must say: "iss=acme payload_hash={sha256:body}". The
	// values are written like what is signed, a "|" between those of which any
	// will do. Of a list, such as aud may be, one element has to match. exp and
	// nbf are checked wherever a token has them. Default: nothing more.
	Claims string `json:"claims,omitempty" yaml:"claims"`

	// Where the provider publishes its public keys, as a JWKS or in PEM, in place
	// of a secret: an https URL, in which {with:NAME} may stand; or, where each
	// delivery names the URL, that place and the URLs that are trusted there, in
	// which * is any run of letters, digits, dashes and underscores, such as
	// "header X-Cert-Url https://example.com/certs/*".
	Keys string `json:"keys,omitempty" yaml:"keys"`
}

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

	// strictBody: chosen body fields are signed rather than the body, so that a
	// second field of the same name could carry an unsigned value past us.
	strictBody bool
}

// Proof is what a delivery that was let pass has proven.
type Proof string

// The kinds of proof.
const (
	ProofSignature Proof = "signature" // the secret's holder made what the signature covers
	ProofToken     Proof = "token"     // the sender knows the secret
)

// Facts are what follows from a scheme's description.
type Facts struct {
	Proof        Proof    // what a verified delivery has proven
	FetchesKeys  bool     // there are no secrets: the keys are published
	HasTimestamp bool     // deliveries carry a signed timestamp, so that old ones can be refused
	HasID        bool     // deliveries carry an id
	SignsID      bool     // the signature covers the id; if not, a captured delivery passes again under another id
	SignsBody    bool     // the signature covers the body, or some of it; if not, whoever has seen a token may send any body with it
	Parameters   []string // the names of {with:NAME}
	Header       []string // the header fields the scheme reads, canonical
}

// Facts returns what follows from s. The error wraps [ErrScheme] if s does not
// describe a usable scheme.
func (s Scheme) Facts() (Facts, error) {
	c, err := s.compile()
	if err != nil {
		return Facts{}, err
	}
	f := Facts{
		Proof:        ProofSignature,
		FetchesKeys:  c.keys != nil,
		HasTimestamp: c.timestamp.exists(),
		HasID:        c.id != nil,
		SignsID:      c.id != nil && (c.signed.uses(segmentID) || c.covers(*c.id)),
		SignsBody:    c.signsInBody() || c.token() && c.signature.kind == inBody,
	}
	if !c.signs() || c.token() && !f.SignsBody {
		f.Proof = ProofToken
	}
	for _, p := range c.places() {
		if p.kind == inHeader {
			f.Header = append(f.Header, p.names...)
		}
	}
	if c.keys != nil && c.keys.named != nil && c.keys.named.kind == inHeader {
		f.Header = append(f.Header, c.keys.named.names...)
	}
	for _, segment := range slices.Concat(c.keys.templates(), c.signed, c.require.template()) {
		switch segment.kind {
		case segmentWith:
			f.Parameters = append(f.Parameters, segment.text)
		case segmentHeader:
			f.Header = append(f.Header, segment.text)
		case segmentHeaderList:
			f.Header = append(f.Header, strings.Split(segment.text, ",")...)
		}
	}
	return f, nil
}

// places are where the scheme reads anything.
func (c *scheme) places() []Place {
	places := []Place{c.signature, c.timestamp.place}
	for _, p := range []*Place{c.id, c.event} {
		if p != nil {
			places = append(places, *p)
		}
	}
	if c.require != nil {
		places = append(places, c.require.place)
	}
	return places
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
	if c.id, err = optionalPlace("delivery_id", s.DeliveryID); err != nil {
		return nil, &SchemeError{"delivery_id", err}
	}
	if c.event, err = optionalPlace("event_type", s.EventType); err != nil {
		return nil, &SchemeError{"event_type", err}
	}
	if s.Require != "" {
		c.require, err = parseCondition(s.Require)
		if err != nil || c.require.any {
			return nil, &SchemeError{"require", errors.Join(fmt.Errorf("%w: require %q: write a place and a text, such as query digest {sha256:body}", ErrScheme, s.Require), err)}
		}
	}
	if c.timestamp, err = parseTimestamp(s.Timestamp, c.format.has(partTimestamp)); err != nil {
		return nil, &SchemeError{"timestamp", err}
	}
	if c.keys, err = parseKeyURL(s.Keys); err != nil {
		return nil, &SchemeError{"keys", err}
	}
	if _, can := c.method.(published); c.keys != nil && (!can || s.Key != KeyPublic) {
		return nil, &SchemeError{"keys", fmt.Errorf("%w: keys are for types with public keys: write key public, or remove keys", ErrScheme)}
	}
	switch {
	case s.Type == TypeJWT, s.Type == TypeSNS:
		if s.Type == TypeSNS {
			c.signed = snsSigned()
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
	c.strictBody = c.signed.uses(segmentJSON) && !c.signed.uses(segmentBody)
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
		"require": s.Require,
	}
	useless := []string{"claims"}
	switch s.Type {
	case TypeJWT:
		useless = []string{"encoding", "signed", "require"}
	case TypeSNS:
		useless = []string{"algorithm", "encoding", "signed", "require"}
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

// consistent refuses descriptions whose parts contradict each other.
func (c *scheme) consistent() error {
	switch {
	case c.token() && c.signature.kind == inClaim, !c.token() && slices.ContainsFunc(c.places(), func(p Place) bool { return p.kind == inClaim }):
		return &SchemeError{"signature", fmt.Errorf("%w: only a token has claims, and it is in none of them", ErrScheme)}
	case !c.signs() && c.timestamp.exists():
		return &SchemeError{"signature", fmt.Errorf("%w: nothing is signed, so anyone could renew a timestamp: leave {timestamp} out", ErrScheme)}
	case c.isSNS() && !slices.ContainsFunc(c.claims, func(c claim) bool { return c.name == "TopicArn" }):
		return &SchemeError{"claims", fmt.Errorf("%w: every topic of every AWS account signs alike: write which one is meant, as claims TopicArn={with:topic_arn}", ErrScheme)}
	case c.signs() && !c.token() && !c.signsInBody():
		return &SchemeError{"signed", fmt.Errorf("%w: signed covers nothing of the body, so any body would pass: add {body}", ErrScheme)}
	case c.signed.uses(segmentID) && c.id == nil:
		return &SchemeError{"signed", fmt.Errorf("%w: signed has {id}: write where it is, such as delivery_id header X-Id", ErrScheme)}
	case c.signed.uses(segmentExtra) && (!c.format.has(partExtra) || c.signed.behindExtra() == ""):
		return &SchemeError{"signed", fmt.Errorf(`%w: signed has {extra}: write it in the signature's format, too, such as signature header X-Sig "n={extra},s={signature}", and a text behind it in signed, such as "{extra}.{body}"`, ErrScheme)}
	case c.signed.uses(segmentTimestamp) && !c.timestamp.exists():
		return &SchemeError{"signed", fmt.Errorf("%w: signed has {timestamp}: write where it is, such as timestamp header X-Timestamp", ErrScheme)}
	case c.timestamp.exists() && !c.timestampSigned():
		return &SchemeError{"timestamp", fmt.Errorf("%w: signed does not cover the timestamp, so anyone could renew it: add {timestamp} to signed or leave timestamp out", ErrScheme)}
	}
	return nil
}

func (c *scheme) timestampSigned() bool {
	return c.signed.uses(segmentTimestamp) || c.covers(c.timestamp.place)
}

// signsInBody reports whether the signature covers any of the body.
func (c *scheme) signsInBody() bool {
	return slices.ContainsFunc(c.signed, segment.inBody) || c.ties(segment.inBody)
}

// ties reports whether the signature covers a place, outside of the body, where
// such a segment must stand.
func (c *scheme) ties(such func(segment) bool) bool {
	return c.require != nil && slices.ContainsFunc(c.require.want, such) && c.require.place.inHead() && c.covers(c.require.place)
}

// covers reports whether the signature covers the value at p.
func (c *scheme) covers(p Place) bool {
	switch p.kind {
	case inClaim:
		return c.token()
	case inBody, inForm:
		if c.signed.uses(segmentBody) || c.ties(func(s segment) bool { return template{s}.uses(segmentBody) }) {
			return true
		}
		if first, others, several := strings.Cut(p.names[0], "+"); several && p.kind == inBody {
			return c.covers(Place{inBody, []string{first}}) && c.covers(Place{inBody, []string{others}})
		}
	case inQuery:
		if c.signed.uses(segmentURL) || c.signed.uses(segmentQuery) {
			return true
		}
	}
	return slices.ContainsFunc(c.signed, func(s segment) bool {
		switch s.kind {
		case segmentHeader:
			return p.kind == inHeader && slices.Equal(p.names, []string{s.text})
		case segmentHeaderList:
			return p.kind == inHeader && len(p.names) == 1 && slices.Contains(strings.Split(s.text, ","), p.names[0])
		case segmentJSON:
			return p.kind == inBody && slices.Equal(p.names, []string{s.text})
		case segmentQueryField:
			return p.kind == inQuery && slices.Equal(p.names, []string{s.text})
		case segmentForm:
			return p.kind == inForm && slices.Equal(p.names, []string{s.text})
		case segmentFormSorted:
			return p.kind == inForm
		default:
			return false
		}
	})
}

func optionalPlace(word, text string) (*Place, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no place is a valid answer: the provider sends none
	}
	p, err := ParsePlace(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", word, err)
	}
	return &p, nil
}

// cutPlace splits "header X-Sig v1={signature}" behind the name.
func cutPlace(text string) (where, rest string) {
	kind, rest, _ := strings.Cut(text, " ")
	name, rest, _ := strings.Cut(rest, " ")
	return kind + " " + name, rest
}
