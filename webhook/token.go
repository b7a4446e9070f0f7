package webhook

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
)

// Schemes whose deliveries carry the secret itself: they prove who sends, and
// nothing of what is sent.

// secretMethod is a secret that stands as it is where a signature would.
type secretMethod struct{}

func newSecretMethod(s Scheme) (method, error) {
	return secretMethod{}, s.checkKey(KeyText)
}

func (secretMethod) wellFormed(text string) bool { return text != "" }

func (secretMethod) newKey(s Secret) (key, error) {
	return &secretKey{text: string(s.bytes()), sum: sha256.Sum256(s.bytes())}, nil
}

type secretKey struct {
	text string
	sum  [sha256.Size]byte
}

func (k *secretKey) proves(_ template, _ *Request, e *evidence) (bool, error) {
	proven := false
	for _, text := range e.signatures {
		proven = k.equals([]byte(text)) || proven
	}
	return proven, nil
}

// equals compares digests, as comparing texts would tell how long the secret is.
func (k *secretKey) equals(text []byte) bool {
	sum := sha256.Sum256(text)
	return subtle.ConstantTimeCompare(k.sum[:], sum[:]) == 1
}

func (k *secretKey) sign(template, *Request, signedFields) (string, error) { //nolint:unparam // other keys can fail
	return k.text, nil
}

// basicPlace is where RFC 7617 has the user name and the password.
const basicPlace = "header Authorization"

// basicMethod is HTTP Basic authentication.
type basicMethod struct{}

func newBasicMethod(s Scheme) (method, error) {
	return basicMethod{}, s.checkKey(KeyText)
}

func (basicMethod) wellFormed(text string) bool {
	_, ok := parseBasic(text)
	return ok
}

func (basicMethod) newKey(s Secret) (key, error) {
	if !strings.Contains(string(s.bytes()), ":") {
		return nil, fmt.Errorf("%w: write the user name and the password as user:password", ErrSecretEncoding)
	}
	return &basicKey{secretKey{text: string(s.bytes()), sum: sha256.Sum256(s.bytes())}}, nil
}

type basicKey struct{ secretKey }

func (k *basicKey) proves(_ template, _ *Request, e *evidence) (bool, error) {
	proven := false
	for _, text := range e.signatures {
		credentials, _ := parseBasic(text)
		proven = k.equals(credentials) || proven
	}
	return proven, nil
}

func (k *basicKey) sign(template, *Request, signedFields) (string, error) { //nolint:unparam // other keys can fail
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(k.text)), nil
}

// parseBasic returns the "user:password" of a header field's value. It needs not
// be split: the user name holds no colon (RFC 7617, section 2), so that equal
// texts are equal pairs.
func parseBasic(text string) ([]byte, bool) {
	scheme, encoded, _ := strings.Cut(text, " ")
	if !strings.EqualFold(scheme, "Basic") { // RFC 9110, section 11.1
		return nil, false
	}
	credentials, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(encoded, " "))
	return credentials, err == nil && strings.Contains(string(credentials), ":")
}
