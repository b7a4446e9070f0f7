package webhook

import (
	"crypto"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// detachedMethod is a JSON Web Signature (RFC 7515) in compact form without the
// payload in its middle, which is what the scheme says is signed (appendix F).
type detachedMethod struct{ *tokenMethod }

func newDetachedMethod(s Scheme) (method, error) {
	m, err := newTokenMethod(s)
	if err != nil {
		return nil, err
	}
	token := m.(*tokenMethod)
	if token.shared {
		return nil, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q is for shared keys, with which nobody signs like this: write RS256, ES256 or another one for public keys", ErrScheme, s.Algorithm)}
	}
	return detachedMethod{token}, nil
}

func (m detachedMethod) wellFormed(text string) bool {
	return strings.Contains(text, "..") && m.tokenMethod.wellFormed(text)
}

func (m detachedMethod) newKey(s Secret) (key, error) {
	k, err := m.tokenMethod.newKey(s)
	if err != nil {
		return nil, err
	}
	return detachedKey{k.(*tokenKey)}, nil
}

func (m detachedMethod) bindAll(public []crypto.PublicKey) key {
	k, ok := m.tokenMethod.bindAll(public).(*tokenKey)
	if !ok {
		return nil
	}
	return detachedKey{k}
}

type detachedKey struct{ *tokenKey }

func (k detachedKey) proves(t template, r *Request, e *evidence) (bool, error) {
	payload := make(message, 0, len(r.Body)+otherBytes)
	if err := t.writeTo(&payload, r, e.fields); err != nil {
		return false, err
	}
	for _, text := range e.signatures {
		signature, err := jose.ParseDetached(text, payload, k.method.algorithms)
		if err != nil {
			continue
		}
		if _, proven := k.verify(signature); proven {
			return true, nil
		}
	}
	return false, nil
}
