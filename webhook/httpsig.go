package webhook

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"
)

// messageMethod is HTTP Message Signatures (RFC 9421), with the body tied to them
// by Content-Digest (RFC 9530).
type messageMethod struct {
	algorithms []string
	label      string      // of the signature that counts; empty: any may
	required   []component // what a signature has to cover at least
}

// messageAlgorithms are those of RFC 9421 section 3.3: how a public key is made
// ready, which is nil if the key does not fit.
var messageAlgorithms = map[string]func(crypto.PublicKey) check{
	"hmac-sha256":       nil, // the key is shared
	"ed25519":           bindEd25519,
	"ecdsa-p256-sha256": bindRawECDSA(elliptic.P256(), crypto.SHA256),
	"ecdsa-p384-sha384": bindRawECDSA(elliptic.P384(), crypto.SHA384),
	"rsa-pss-sha512":    bindRSAOver(crypto.SHA512, verifyPSS),
	"rsa-v1_5-sha256":   bindRSAOver(crypto.SHA256, rsa.VerifyPKCS1v15),
}

const (
	messagePlace  = "header Signature"
	messageInput  = "Signature-Input"
	contentDigest = "content-digest"
)

func newMessageMethod(s Scheme) (method, error) {
	m := &messageMethod{algorithms: strings.Split(s.Algorithm, "|")}
	var err error
	if m.label, err = parseLabel(s.Signature); err != nil {
		return nil, &SchemeError{"signature", err}
	}
	if m.required, err = parseComponents(s.Signed); err != nil {
		return nil, &SchemeError{"signed", err}
	}
	shared := 0
	for _, name := range m.algorithms {
		bind, known := messageAlgorithms[name]
		if !known {
			return nil, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q is none of HTTP Message Signatures: write hmac-sha256, ed25519, ecdsa-p256-sha256, ecdsa-p384-sha384, rsa-pss-sha512, rsa-v1_5-sha256, or several as ed25519|ecdsa-p256-sha256", ErrScheme, name)}
		}
		if bind == nil {
			shared++
		}
	}
	// Which algorithm is meant must follow from the key (RFC 9421 section 7.3.6).
	if shared > 0 && len(m.algorithms) > 1 || slices.Contains(m.algorithms, "rsa-pss-sha512") && slices.Contains(m.algorithms, "rsa-v1_5-sha256") {
		return nil, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q has two for one key: describe a scheme for each", ErrScheme, s.Algorithm)}
	}
	if shared > 0 {
		return m, s.checkKey(KeyText, KeyHex, KeyBase64, KeyWhsec)
	}
	return m, s.checkKey(KeyPublic)
}

// parseLabel reads "header Signature", or "header Signature sig1={signature}".
func parseLabel(text string) (string, error) {
	where, format := cutPlace(text)
	label, named := strings.CutSuffix(format, "={signature}")
	member, err := httpsfv.UnmarshalDictionary([]string{label})
	if where != messagePlace || format != "" && (!named || err != nil || !slices.Equal(member.Names(), []string{label})) {
		return "", fmt.Errorf("%w: signature %q: RFC 9421 leaves one place: write header Signature, or header Signature sig1={signature} for the one with that label", ErrScheme, text)
	}
	return label, nil
}

// parseComponents reads "@method @target-uri content-digest".
func parseComponents(text string) ([]component, error) {
	var all []component
	for word := range strings.FieldsSeq(text) {
		name, parameters, _ := strings.Cut(word, ";")
		item, err := httpsfv.UnmarshalItem([]string{strings.TrimSuffix(fmt.Sprintf("%q;%s", name, parameters), ";")})
		if err != nil {
			return nil, fmt.Errorf("%w: signed has %s, which is not written like a component of RFC 9421", ErrScheme, word)
		}
		c, err := parseComponent(item)
		if err != nil {
			return nil, fmt.Errorf("%w: signed has %s: %w: write @method, @target-uri, @authority, @scheme, @request-target, @path, @query, @query-param;name=\"NAME\", or header fields in lower case", ErrScheme, word, err)
		}
		if slices.Contains(all, c) {
			return nil, fmt.Errorf("%w: signed has %s twice", ErrScheme, word)
		}
		all = append(all, c)
	}
	return all, nil
}

// check refuses what RFC 9421 leaves to the application, and what no webhook
// should be without (section 7.2.1): a signature that is as good for another
// body, or at another address, where the same key may sign for other receivers.
func (m *messageMethod) check(c *scheme) error {
	const example = "@method @target-uri content-digest"
	switch {
	case !covered(m.required, component{name: contentDigest}):
		return &SchemeError{"signed", fmt.Errorf("%w: signed covers nothing of the body, so any body would pass: add content-digest, as in %s", ErrScheme, example)}
	case !covered(m.required, component{name: "@authority"}), !covered(m.required, component{name: "@path"}):
		return &SchemeError{"signed", fmt.Errorf("%w: signed does not cover the address, so what was sent to another would pass here: add @target-uri, or @authority and @path, as in %s", ErrScheme, example)}
	}
	if c.timestamp.exists() && !c.timestampSigned() {
		return &SchemeError{"timestamp", fmt.Errorf("%w: signed does not cover the timestamp, so anyone could renew it: add its field to signed, or write timestamp claim created", ErrScheme)}
	}
	for _, claim := range c.claims {
		if claim.name != "keyid" && claim.name != "tag" || claim.binds {
			return &SchemeError{"claims", fmt.Errorf("%w: claims has %s: write what the parameters keyid or tag of the signature must be, such as tag=acme-webhook", ErrScheme, claim.name)}
		}
	}
	for word, place := range map[string]*Place{"timestamp": &c.timestamp.place, "delivery_id": c.id, "event_type": c.event} {
		known := map[string]string{"timestamp": "created", "delivery_id": "nonce"}[word]
		if place != nil && place.kind == inClaim && !slices.Equal(place.names, []string{known}) {
			return &SchemeError{word, fmt.Errorf("%w: %s is none of the signature's parameters: write timestamp claim created, or delivery_id claim nonce", ErrScheme, word)}
		}
	}
	if c.timestamp.place.kind == inClaim && c.timestamp.unit != "seconds" {
		return &SchemeError{"timestamp", fmt.Errorf("%w: created is a number of seconds: write timestamp claim created", ErrScheme)}
	}
	return nil
}

// signed is what every signature that counts covers, in the form in which other
// schemes say it. A query is among it: see [messageMethod.needed].
func (m *messageMethod) signed() template {
	t := template{{kind: segmentHeader, text: messageInput}, {kind: segmentQuery}}
	for _, c := range m.required {
		switch c.name {
		case "@target-uri", "@authority":
			t = append(t, segment{kind: segmentURL})
		case contentDigest:
			t = append(t, segment{kind: segmentHeader, text: http.CanonicalHeaderKey(c.name)}, segment{kind: segmentBody})
		default:
			if !strings.HasPrefix(c.name, "@") {
				t = append(t, segment{kind: segmentHeader, text: http.CanonicalHeaderKey(c.name)})
			}
		}
	}
	return t
}

// needed is what a signature of this request has to cover: what the scheme says,
// and what else of it could be made up. That a delivery is a POST goes without
// saying, as nothing else does.
func (m *messageMethod) needed(r *Request) []component {
	needed := slices.Clone(m.required)
	if r.Method != http.MethodPost {
		needed = append(needed, component{name: "@method"})
	}
	if splitURL(r.URL).query != "" {
		needed = append(needed, component{name: "@query"})
	}
	return needed
}

// sufficient returns an error if components leave out what is needed. The query
// may also be covered by each of its parameters.
func (m *messageMethod) sufficient(components []component, r *Request) error {
	for _, c := range m.needed(r) {
		if !covered(components, c) && (c.name != "@query" || !coversFields(components, r)) {
			return fmt.Errorf("it does not cover %s", c)
		}
	}
	return nil
}

func coversFields(components []component, r *Request) bool {
	fields, err := splitURL(r.URL).fields()
	for name := range fields {
		if !slices.Contains(components, component{"@query-param", formEncode(name)}) {
			return false
		}
	}
	return err == nil && len(fields) > 0
}

// wellFormed implements [method], but what is well-formed shows in more than the
// signature: see [messageMethod.read].
func (m *messageMethod) wellFormed(string) bool { return true }

func (m *messageMethod) newKey(s Secret) (key, error) {
	if messageAlgorithms[m.algorithms[0]] == nil {
		return &messageKey{[]messageCheck{{m.algorithms[0], sharedCheck(s)}}}, nil
	}
	public, err := parsePublicKeys(string(s.bytes()))
	if err != nil {
		return nil, err
	}
	k := m.bindAll(public)
	if k == nil {
		return nil, fmt.Errorf("%w: no key in it is for %s", ErrSecretEncoding, joined(m.algorithms))
	}
	return k, nil
}

func (m *messageMethod) bindAll(public []crypto.PublicKey) key {
	k := &messageKey{}
	for _, name := range m.algorithms {
		for _, p := range public {
			if right := messageAlgorithms[name](p); right != nil {
				k.checks = append(k.checks, messageCheck{name, right})
			}
		}
	}
	if len(k.checks) == 0 {
		return nil
	}
	return k
}

// keyID implements [published]. Where signatures name different keys, all that
// are published are tried.
func (m *messageMethod) keyID(e *evidence) string {
	id := e.messages[0].keyID
	for _, s := range e.messages {
		if s.keyID != id {
			return ""
		}
	}
	return id
}

// messageKey is one secret: a shared key, a public key, or those of a JWKS.
type messageKey struct {
	checks []messageCheck
}

// messageCheck is a key with the one algorithm that it is for.
type messageCheck struct {
	algorithm string
	right     check
}

// proves leaves the signature's parameters in the request.
func (k *messageKey) proves(_ template, r *Request, e *evidence) (bool, error) {
	for _, s := range e.messages {
		for _, c := range k.checks {
			if (s.algorithm == "" || s.algorithm == c.algorithm) && c.right([]byte(s.base), s.signature) {
				r.claims = s.parameters
				return true, nil
			}
		}
	}
	return false, nil
}
