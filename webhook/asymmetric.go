package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// All cryptography of public keys is in this file.

// asymmetric is a signature made with a private key and checked with the public
// one, which is no secret: nothing here has to take constant time.
type asymmetric struct {
	encoding encoding
	hash     crypto.Hash // of what is signed; zero: what is signed is signed as it is
	shortest int         // signature, in bytes
	longest  int
	needs    string // what the secret must be
	bind     func(crypto.PublicKey) check
}

// check reports whether a signature is right for what is signed.
type check func(signed, signature []byte) bool

func newEd25519Method(s Scheme) (method, error) {
	if s.Algorithm != "" {
		return nil, &SchemeError{"algorithm", fmt.Errorf("%w: algorithm %q: Ed25519 leaves no choice of one: remove it", ErrScheme, s.Algorithm)}
	}
	return newAsymmetric(s, asymmetric{
		shortest: ed25519.SignatureSize, longest: ed25519.SignatureSize,
		needs: "an Ed25519 key", bind: bindEd25519,
	})
}

func newECDSAMethod(s Scheme) (method, error) {
	hash, err := hashFor(s.Algorithm)
	if err != nil {
		return nil, err
	}
	return newAsymmetric(s, asymmetric{
		hash:     hash,
		shortest: 8, longest: 139, // DER of the smallest integers, and of the largest on P-521
		needs: "an ECDSA key on P-256, P-384 or P-521", bind: bindECDSA,
	})
}

func newRSAMethod(s Scheme) (method, error) {
	return newRSA(s, rsa.VerifyPKCS1v15)
}

func newRSAPSSMethod(s Scheme) (method, error) {
	return newRSA(s, verifyPSS)
}

// verifyPSS takes salts of any length: providers seldom say which they use, and
// Node draws as long a one as fits where RFC 9421 section 3.3.1 wants 64 bytes.
func verifyPSS(key *rsa.PublicKey, hash crypto.Hash, digest, signature []byte) error {
	return rsa.VerifyPSS(key, hash, digest, signature, nil)
}

// RSA keys of less than 2048 bits are no longer safe (NIST SP 800-131A). Longer
// ones than 8192 nobody uses: checking them would only cost time.
const minRSA, maxRSA = 2048, 8192

type verifyRSA func(key *rsa.PublicKey, hash crypto.Hash, digest, signature []byte) error

func newRSA(s Scheme, verify verifyRSA) (method, error) {
	hash, err := hashFor(s.Algorithm)
	if err != nil {
		return nil, err
	}
	return newAsymmetric(s, asymmetric{
		hash:     hash,
		shortest: minRSA / 8, longest: maxRSA / 8,
		needs: fmt.Sprintf("an RSA key of %d to %d bits", minRSA, maxRSA),
		bind:  func(public crypto.PublicKey) check { return bindRSA(public, hash, verify) },
	})
}

func newAsymmetric(s Scheme, m asymmetric) (method, error) {
	var err error
	if m.encoding, err = parseEncoding(s.Encoding); err != nil {
		return nil, &SchemeError{"encoding", err}
	}
	return &m, s.checkKey(KeyPublic)
}

func bindEd25519(public crypto.PublicKey) check {
	key, ok := public.(ed25519.PublicKey)
	if !ok {
		return nil
	}
	return func(message, signature []byte) bool { return ed25519.Verify(key, message, signature) }
}

// bindECDSA takes signatures in DER, and as r and s one behind the other (IEEE
// P1363), as the provider writes them. Both prove the same.
func bindECDSA(public crypto.PublicKey) check {
	key, ok := public.(*ecdsa.PublicKey)
	if !ok || key.Curve == elliptic.P224() {
		return nil
	}
	return func(digest, signature []byte) bool {
		return verifyRaw(key, digest, signature) || ecdsa.VerifyASN1(key, digest, signature)
	}
}

func verifyRaw(key *ecdsa.PublicKey, digest, signature []byte) bool {
	size := (key.Curve.Params().BitSize + 7) / 8
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(key, digest, r, s)
}

// bindRawECDSA takes keys on one curve, and r and s one behind the other alone
// (RFC 9421 section 3.3.4).
func bindRawECDSA(curve elliptic.Curve, hash crypto.Hash) func(crypto.PublicKey) check {
	return func(public crypto.PublicKey) check {
		key, ok := public.(*ecdsa.PublicKey)
		if !ok || key.Curve != curve {
			return nil
		}
		return hashed(hash, func(digest, signature []byte) bool { return verifyRaw(key, digest, signature) })
	}
}

func bindRSAOver(hash crypto.Hash, verify verifyRSA) func(crypto.PublicKey) check {
	return func(public crypto.PublicKey) check { return hashed(hash, bindRSA(public, hash, verify)) }
}

// hashed makes a check of a message of one of its digest.
func hashed(hash crypto.Hash, right check) check {
	if right == nil {
		return nil
	}
	return func(message, signature []byte) bool {
		h := hash.New()
		_, _ = h.Write(message)
		return right(h.Sum(nil), signature)
	}
}

func bindRSA(public crypto.PublicKey, hash crypto.Hash, verify verifyRSA) check {
	key, ok := public.(*rsa.PublicKey)
	if !ok || key.N.BitLen() < minRSA || key.N.BitLen() > maxRSA || key.E < 3 {
		return nil
	}
	return func(digest, signature []byte) bool { return verify(key, hash, digest, signature) == nil }
}

func (m *asymmetric) wellFormed(text string) bool {
	signature, ok := m.encoding.bytes(text, m.longest)
	return ok && len(signature) >= m.shortest
}

func (m *asymmetric) newKey(s Secret) (key, error) {
	public, err := parsePublicKeys(string(s.bytes()))
	if err != nil {
		return nil, err
	}
	k := m.bindAll(public)
	if k == nil {
		return nil, fmt.Errorf("%w: this public key does not fit: the scheme needs %s", ErrSecretEncoding, m.needs)
	}
	return k, nil
}

func (m *asymmetric) bindAll(public []crypto.PublicKey) key {
	k := &publicKeys{method: m}
	for _, p := range public {
		if c := m.bind(p); c != nil {
			k.checks = append(k.checks, c)
		}
	}
	if len(k.checks) == 0 {
		return nil
	}
	return k
}

// keyID implements [published]: what is signed has no room for one.
func (m *asymmetric) keyID(*evidence) string { return "" }

// publicKeys is one secret: a key, or those of a JWKS.
type publicKeys struct {
	method *asymmetric
	checks []check
}

func (k *publicKeys) proves(t template, r *Request, e *evidence) (bool, error) {
	signed, err := k.method.signed(t, r, e.fields)
	if err != nil {
		return false, err
	}
	for _, text := range e.signatures {
		signature, _ := k.method.encoding.bytes(text, k.method.longest)
		for _, right := range k.checks {
			if right(signed, signature) {
				return true, nil
			}
		}
	}
	return false, nil
}

// signed returns what the signature is made over: a digest, or the whole message.
func (m *asymmetric) signed(t template, r *Request, f signedFields) ([]byte, error) {
	if m.hash == 0 {
		whole := make(message, 0, len(r.Body)+otherBytes)
		err := t.writeTo(&whole, r, f)
		return whole, err
	}
	h := &hasher{Hash: m.hash.New()}
	err := t.writeTo(h, r, f)
	return h.Sum(nil), err
}

type message []byte

// otherBytes is how many are signed besides the body, as a rule.
const otherBytes = 256

func (m *message) write(b []byte)       { *m = append(*m, b...) }
func (m *message) writeString(s string) { *m = append(*m, s...) }
