package webhook

import (
	"crypto"
	"crypto/hmac"
	_ "crypto/md5"  //nolint:gosec // G501: for providers that have nothing else
	_ "crypto/sha1" //nolint:gosec // G505: a few providers sign with nothing better, and HMAC-SHA1 is not broken
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"sync"
)

// All cryptography of digests with a shared secret is in this file.

// maxDigest is the size of the largest digest, SHA-512.
const maxDigest = sha512.Size

func hashFor(algorithm string) (crypto.Hash, error) {
	switch algorithm {
	case "sha1":
		return crypto.SHA1, nil
	case "sha256":
		return crypto.SHA256, nil
	case "sha384":
		return crypto.SHA384, nil
	case "sha512":
		return crypto.SHA512, nil
	default:
		return 0, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q is unknown: write sha1, sha256, sha384 or sha512", ErrScheme, algorithm)}
	}
}

// sharedHash knows MD5, too, whose collisions do no harm where a secret is hashed
// with the text (RFC 6151, section 2.3).
func sharedHash(algorithm string) (crypto.Hash, error) {
	if algorithm == "md5" {
		return crypto.MD5, nil
	}
	return hashFor(algorithm)
}

// hasher is a digest, keyed or not, with the scratch space that keeps hashing
// free of allocations.
type hasher struct {
	hash.Hash
	scratch []byte
	sum     [maxDigest]byte
}

func (h *hasher) write(b []byte) { _, _ = h.Write(b) } // a hash never returns an error

func (h *hasher) writeString(s string) {
	h.scratch = append(h.scratch[:0], s...)
	h.write(h.scratch)
}

// hmacMethod is a digest keyed with a shared secret.
type hmacMethod struct {
	hash     crypto.Hash
	encoding encoding
	plain    bool // no HMAC: the secret is a part of the signed text
}

func newHMACMethod(s Scheme) (method, error) {
	hash, err := sharedHash(s.Algorithm)
	if err != nil {
		return nil, err
	}
	e, err := parseEncoding(s.Encoding)
	if err != nil {
		return nil, &SchemeError{"encoding", err}
	}
	return &hmacMethod{hash: hash, encoding: e}, s.checkKey(KeyText, KeyHex, KeyBase64, KeySHA1, KeyWhsec)
}

// newDigestMethod is for a digest of a text that has the secret in it. That is
// weaker than an HMAC: with the secret in front, SHA-1 and SHA-2 let anyone
// append to a text whose digest they know.
func newDigestMethod(s Scheme) (method, error) {
	hash, err := sharedHash(s.Algorithm)
	if err != nil {
		return nil, err
	}
	e, err := parseEncoding(s.Encoding)
	if err != nil {
		return nil, &SchemeError{"encoding", err}
	}
	return &hmacMethod{hash: hash, encoding: e, plain: true}, s.checkKey(KeyText)
}

func (h *hmacMethod) wellFormed(text string) bool {
	var decoded signature
	return h.encoding.decode(&decoded, text, h.hash.Size())
}

func (h *hmacMethod) newKey(s Secret) (key, error) {
	text := string(s.bytes())
	k := &hmacKey{method: h, secret: func() string { return text }}
	newHash := func() hash.Hash { return hmac.New(h.hash.New, s.bytes()) }
	if h.plain {
		newHash = h.hash.New
	}
	k.pool.New = func() any { return &hasher{Hash: newHash()} }
	return k, nil
}

// hmacKey hands out ready-keyed macs: the key schedule, two of the four
// compressions of a short message, is then paid once and not for each delivery.
type hmacKey struct {
	method *hmacMethod
	secret func() string // what {secret} stands for; a function, as fmt prints none
	pool   sync.Pool
}

func (k *hmacKey) get() *hasher {
	m := k.pool.Get().(*hasher)
	m.Reset()
	return m
}

// proves compares in constant time, and every signature, so that the time taken
// does not tell which one it was.
func (k *hmacKey) proves(t template, r *Request, e *evidence) (bool, error) {
	m := k.get()
	defer k.pool.Put(m)
	e.fields.secret = k.secret()
	if err := t.writeTo(m, r, e.fields); err != nil {
		return false, err
	}
	sum := m.Sum(m.sum[:0])
	proven := false
	for _, text := range e.signatures {
		var decoded signature
		proven = k.method.encoding.decode(&decoded, text, len(sum)) && hmac.Equal(sum, decoded[:len(sum)]) || proven
	}
	return proven, nil
}

func (k *hmacKey) sign(t template, r *Request, f signedFields) (string, error) {
	m := k.get()
	defer k.pool.Put(m)
	f.secret = k.secret()
	if err := t.writeTo(m, r, f); err != nil {
		return "", err
	}
	return k.method.encoding.encode(m.Sum(m.sum[:0])), nil
}

// sharedCheck checks an HMAC-SHA256 in constant time.
func sharedCheck(s Secret) check {
	return func(message, signature []byte) bool { return hmac.Equal(sharedSum(s, message), signature) }
}

func sharedSum(s Secret, message []byte) []byte {
	h := hmac.New(sha256.New, s.bytes())
	_, _ = h.Write(message)
	return h.Sum(nil)
}
