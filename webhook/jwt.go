package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// tokenMethod is a JSON Web Token (RFC 7519) in compact form. Which algorithms
// and which keys count is the scheme's to say and never the token's: its header
// fields jwk, jku, x5c and x5u are not looked at (RFC 8725 section 3).
type tokenMethod struct {
	algorithms []jose.SignatureAlgorithm
	shared     bool // the key is a secret, not a public key
}

// fits reports whether a public key can be that of an algorithm.
var fits = map[jose.SignatureAlgorithm]func(crypto.PublicKey) bool{
	jose.HS256: nil,
	jose.HS384: nil,
	jose.HS512: nil,
	jose.RS256: isRSA,
	jose.RS384: isRSA,
	jose.RS512: isRSA,
	jose.PS256: isRSA,
	jose.PS384: isRSA,
	jose.PS512: isRSA,
	jose.ES256: isOn(elliptic.P256()),
	jose.ES384: isOn(elliptic.P384()),
	jose.ES512: isOn(elliptic.P521()),
	jose.EdDSA: func(public crypto.PublicKey) bool { _, ok := public.(ed25519.PublicKey); return ok },
}

func isRSA(public crypto.PublicKey) bool {
	key, ok := public.(*rsa.PublicKey)
	return ok && key.N.BitLen() >= minRSA && key.N.BitLen() <= maxRSA
}

func isOn(curve elliptic.Curve) func(crypto.PublicKey) bool {
	return func(public crypto.PublicKey) bool {
		key, ok := public.(*ecdsa.PublicKey)
		return ok && key.Curve == curve
	}
}

func newTokenMethod(s Scheme) (method, error) {
	m := &tokenMethod{}
	for name := range strings.SplitSeq(s.Algorithm, "|") {
		algorithm := jose.SignatureAlgorithm(name)
		fit, known := fits[algorithm]
		if !known {
			return nil, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q is none that a token may have: write HS256, RS256, PS256, ES256 or one of their longer forms, EdDSA, or several as RS256|ES256", ErrScheme, name)}
		}
		shared := fit == nil
		if len(m.algorithms) > 0 && shared != m.shared {
			// Else whoever knows the public key could sign with it as a shared one.
			return nil, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q mixes shared keys (HS…) with public ones: describe a scheme for each", ErrScheme, s.Algorithm)}
		}
		m.algorithms, m.shared = append(m.algorithms, algorithm), shared
	}
	if m.shared {
		return m, s.checkKey(KeyText, KeyHex, KeyBase64, KeyWhsec)
	}
	return m, s.checkKey(KeyPublic)
}

// wellFormed takes a token in one spelling only: what a lenient decoder skips or
// rounds would let a copy of a token look like another one.
func (m *tokenMethod) wellFormed(text string) bool {
	for part := range strings.SplitSeq(text, ".") {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return false
		}
	}
	_, err := jose.ParseSignedCompact(text, m.algorithms)
	return err == nil
}

func (m *tokenMethod) newKey(s Secret) (key, error) {
	if m.shared {
		return &tokenKey{m, []any{sharedKey(s.bytes())}}, nil
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

func (m *tokenMethod) bindAll(public []crypto.PublicKey) key {
	k := &tokenKey{method: m}
	for _, p := range public {
		if slices.ContainsFunc(m.algorithms, func(a jose.SignatureAlgorithm) bool { return fits[a](p) }) {
			k.keys = append(k.keys, p)
		}
	}
	if len(k.keys) == 0 {
		return nil
	}
	return k
}

func (m *tokenMethod) keyID(e *evidence) string {
	token, err := jose.ParseSignedCompact(e.signatures[0], m.algorithms)
	if err != nil {
		return "" // it was well-formed
	}
	return token.Signatures[0].Header.KeyID
}

// tokenKey is one secret: a shared key, a public key, or those of a JWKS.
type tokenKey struct {
	method *tokenMethod
	keys   []any
}

// proves leaves what the token says in the request.
func (k *tokenKey) proves(_ template, r *Request, e *evidence) (bool, error) {
	for _, text := range e.signatures {
		token, err := jose.ParseSignedCompact(text, k.method.algorithms)
		if err != nil {
			continue
		}
		if claims, proven := k.verify(token); proven {
			r.claims = claims
			return true, nil
		}
	}
	return false, nil
}

func (k *tokenKey) verify(signed *jose.JSONWebSignature) (payload []byte, proven bool) {
	for _, key := range k.keys {
		if payload, err := signed.Verify(key); err == nil {
			return payload, true
		}
	}
	return nil, false
}

// sharedKey verifies the HMAC of a token. The library's own refuses keys shorter
// than the digest, which several providers hand out.
type sharedKey []byte

var errForged = errors.New("the token is not signed with this key")

// VerifyPayload implements [jose.OpaqueVerifier].
func (k sharedKey) VerifyPayload(payload, signature []byte, algorithm jose.SignatureAlgorithm) error {
	hash := map[jose.SignatureAlgorithm]crypto.Hash{jose.HS256: crypto.SHA256, jose.HS384: crypto.SHA384, jose.HS512: crypto.SHA512}[algorithm]
	if !hash.Available() {
		return errForged
	}
	mac := hmac.New(hash.New, k)
	mac.Write(payload)
	if !hmac.Equal(mac.Sum(nil), signature) {
		return errForged
	}
	return nil
}
