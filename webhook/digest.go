package webhook

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // G505: a few providers sign with nothing better, and HMAC-SHA1 is not broken
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"sync"
)

// All cryptography of keyed digests is in this file.

type digest struct {
	new  func() hash.Hash
	size int
}

// maxDigest is the size of the largest digest, SHA-512.
const maxDigest = sha512.Size

func digestFor(algorithm string) (digest, error) {
	switch algorithm {
	case "sha1":
		return digest{sha1.New, sha1.Size}, nil
	case "sha256":
		return digest{sha256.New, sha256.Size}, nil
	case "sha384":
		return digest{sha512.New384, sha512.Size384}, nil
	case "sha512":
		return digest{sha512.New, sha512.Size}, nil
	default:
		return digest{}, fmt.Errorf("%w: algorithm %q is unknown: write sha1, sha256, sha384 or sha512", ErrScheme, algorithm)
	}
}

// mac is a keyed digest with the scratch space that keeps hashing free of
// allocations.
type mac struct {
	hash.Hash
	scratch []byte
	sum     [maxDigest]byte
}

func (m *mac) write(b []byte) { _, _ = m.Write(b) } // a hash never returns an error

func (m *mac) writeString(s string) {
	m.scratch = append(m.scratch[:0], s...)
	m.write(m.scratch)
}

// hmacKey hands out ready-keyed macs: the key schedule, two of the four
// compressions of a short message, is then paid once and not for each delivery.
type hmacKey struct {
	label string
	pool  sync.Pool
}

func newHMACKey(d digest, s Secret) *hmacKey {
	k := &hmacKey{label: s.label}
	k.pool.New = func() any { return &mac{Hash: hmac.New(d.new, s.bytes())} }
	return k
}

func (k *hmacKey) get() *mac {
	m := k.pool.Get().(*mac)
	m.Reset()
	return m
}

// matches reports in constant time whether a signature is the mac of what was
// written.
func (m *mac) matches(signatures []signature) bool {
	sum := m.Sum(m.sum[:0])
	matched := false
	for i := range signatures {
		matched = hmac.Equal(sum, signatures[i][:len(sum)]) || matched
	}
	return matched
}

// signature holds the decoded bytes of a signature; its digest says how many count.
type signature [maxDigest]byte

// encoding is how a signature's bytes are written. It is switched on rather than
// held as a function, so that the buffers below stay on the stack.
type encoding string

const (
	encodingHex       encoding = "hex"
	encodingBase64    encoding = "base64"
	encodingBase64URL encoding = "base64url"
)

func parseEncoding(text string) (encoding, error) {
	switch e := encoding(text); e {
	case encodingHex, encodingBase64, encodingBase64URL:
		return e, nil
	default:
		return "", fmt.Errorf("%w: encoding %q is unknown: write hex, base64 or base64url", ErrScheme, text)
	}
}

func (e encoding) encode(sum []byte) string {
	switch e {
	case encodingHex:
		return hex.EncodeToString(sum)
	case encodingBase64URL:
		return base64.RawURLEncoding.EncodeToString(sum)
	default:
		return base64.StdEncoding.EncodeToString(sum)
	}
}

// decode turns text into exactly size bytes and reports whether it could.
func (e encoding) decode(dst *signature, text string, size int) bool {
	if e != encodingHex {
		text = strings.TrimRight(text, "=")
	}
	var src, out [2 * maxDigest]byte
	if len(text) > len(src) {
		return false
	}
	in := src[:copy(src[:], text)]
	var n int
	var err error
	switch e {
	case encodingHex:
		n, err = hex.Decode(out[:], in)
	case encodingBase64URL:
		n, err = base64.RawURLEncoding.Strict().Decode(out[:], in)
	default:
		n, err = base64.RawStdEncoding.Strict().Decode(out[:], in)
	}
	if err != nil || n != size {
		return false
	}
	copy(dst[:], out[:n])
	return true
}
