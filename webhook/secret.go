package webhook

import (
	"crypto/sha1" //nolint:gosec // G505: a provider derives keys so
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrSecretEmpty is returned when a secret has no bytes: an HMAC with an
	// empty key can be computed by anyone.
	ErrSecretEmpty = errors.New("secret is empty")

	// ErrSecretWhitespace is returned when a secret begins or ends with white
	// space, the usual trace of a careless copy or of "echo" into a file.
	ErrSecretWhitespace = errors.New("secret has surrounding white space")

	// ErrSecretEncoding is returned when a secret is not written in the encoding
	// that its scheme's key needs.
	ErrSecretEncoding = errors.New("secret has the wrong encoding")
)

const redacted = "[secret]"

// Secret is a shared key with the label under which logs name it. No verb,
// encoder or logger prints its bytes.
type Secret struct {
	label string
	key   *[]byte // behind a pointer, as fmt prints a struct's fields under %p
}

func (s Secret) bytes() []byte {
	if s.key == nil {
		return nil
	}
	return *s.key
}

// KeyForm is how the text shown by a provider's dashboard becomes key bytes. In
// "text after :" the key follows the last colon; a text without one is all key.
type KeyForm string

// parts splits "whsec after ," into the form and what ends at the key.
func (f KeyForm) parts() (form KeyForm, mark string) {
	if form, mark, _ := strings.Cut(string(f), " after "); mark != "" {
		return KeyForm(form), mark
	}
	return f, ""
}

// The forms of a key.
const (
	KeyText   KeyForm = "text"   // the text itself, any prefix included; the default
	KeyHex    KeyForm = "hex"    // hexadecimal digits
	KeyBase64 KeyForm = "base64" // base64, standard or URL alphabet, padded or not
	KeySHA1   KeyForm = "sha1"   // the SHA-1 of the text, 20 bytes
	KeyWhsec  KeyForm = "whsec"  // standard base64 behind an optional "whsec_", as Standard Webhooks writes it
	KeyPublic KeyForm = "public" // a public key: PEM, JWK or JWKS, hex or base64; lines around it do no harm
)

// ParseSecret turns a secret's text into a Secret. The error wraps
// [ErrSecretEmpty], [ErrSecretWhitespace] or [ErrSecretEncoding] and never
// quotes the text.
func ParseSecret(label, text string, form KeyForm) (Secret, error) {
	if text == "" {
		return Secret{}, ErrSecretEmpty
	}
	if strings.TrimSpace(text) != text && form != KeyPublic {
		return Secret{}, fmt.Errorf("%w: remove the blanks or line breaks around it", ErrSecretWhitespace)
	}
	form, mark := form.parts()
	if at := strings.LastIndex(text, mark); mark != "" && at >= 0 {
		text = text[at+len(mark):]
	}
	var key []byte
	var err error
	switch form {
	case KeyText, "":
		key = []byte(text)
	case KeyHex:
		key, err = hex.DecodeString(text)
	case KeyBase64:
		// Both alphabets: dashboards differ.
		key, err = decodeBase64(strings.NewReplacer("-", "+", "_", "/").Replace(text))
	case KeyWhsec:
		// The standard alphabet alone: "_" would let a doubled prefix pass.
		key, err = decodeBase64(strings.TrimPrefix(text, "whsec_"))
	case KeySHA1:
		sum := sha1.Sum([]byte(text)) //nolint:gosec // G401: see above
		key = sum[:]
	case KeyPublic:
		key = []byte(text)
		if _, err := parsePublicKeys(text); err != nil {
			return Secret{}, err
		}
	default:
		return Secret{}, fmt.Errorf("%w: key %q is none of text, hex, base64, sha1, whsec, public", ErrScheme, form)
	}
	if err != nil {
		// The decoder's own error would quote a character of the secret.
		return Secret{}, fmt.Errorf("%w: this provider's secret is %s; copy it whole from the provider's dashboard",
			ErrSecretEncoding, form.describe())
	}
	if len(key) == 0 {
		return Secret{}, ErrSecretEmpty
	}
	return Secret{label: label, key: &key}, nil
}

func (f KeyForm) describe() string {
	switch f {
	case KeyHex:
		return "hexadecimal"
	case KeyWhsec:
		return `base64 behind "whsec_"`
	default:
		return "base64"
	}
}

func decodeBase64(text string) ([]byte, error) {
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
}

// Label is the name under which logs and metrics speak of the secret.
func (s Secret) Label() string { return s.label }

// String hides the secret.
func (s Secret) String() string { return redacted }

// Format hides the secret under every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the secret from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
