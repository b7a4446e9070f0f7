package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"strings"
)

// seal signs a message.
type seal func(message []byte) ([]byte, error)

// sealing is how a private key signs for a scheme.
type sealing struct {
	hash crypto.Hash // zero: of the message as it is
	pss  bool
	raw  bool // r and s one behind the other
	draw func() (crypto.Signer, error)
}

// sealings are the algorithms of schemes whose keys are public, of tokens and of HTTP
// Message Signatures.
var sealings = map[string]sealing{
	TypeEd25519: {draw: drawEd25519},
	"EdDSA":     {draw: drawEd25519},

	TypeECDSA + " sha256": {hash: crypto.SHA256, draw: drawECDSA(elliptic.P256())},
	TypeECDSA + " sha384": {hash: crypto.SHA384, draw: drawECDSA(elliptic.P384())},
	TypeECDSA + " sha512": {hash: crypto.SHA512, draw: drawECDSA(elliptic.P521())},
	"ecdsa-p256-sha256":   {hash: crypto.SHA256, raw: true, draw: drawECDSA(elliptic.P256())},
	"ecdsa-p384-sha384":   {hash: crypto.SHA384, raw: true, draw: drawECDSA(elliptic.P384())},
	"ES256":               {hash: crypto.SHA256, raw: true, draw: drawECDSA(elliptic.P256())},
	"ES384":               {hash: crypto.SHA384, raw: true, draw: drawECDSA(elliptic.P384())},
	"ES512":               {hash: crypto.SHA512, raw: true, draw: drawECDSA(elliptic.P521())},

	TypeRSA + " sha1":      {hash: crypto.SHA1, draw: drawRSA},
	TypeRSA + " sha256":    {hash: crypto.SHA256, draw: drawRSA},
	TypeRSA + " sha384":    {hash: crypto.SHA384, draw: drawRSA},
	TypeRSA + " sha512":    {hash: crypto.SHA512, draw: drawRSA},
	"rsa-v1_5-sha256":      {hash: crypto.SHA256, draw: drawRSA},
	"RS256":                {hash: crypto.SHA256, draw: drawRSA},
	"RS384":                {hash: crypto.SHA384, draw: drawRSA},
	"RS512":                {hash: crypto.SHA512, draw: drawRSA},
	TypeRSAPSS + " sha256": {hash: crypto.SHA256, pss: true, draw: drawRSA},
	TypeRSAPSS + " sha384": {hash: crypto.SHA384, pss: true, draw: drawRSA},
	TypeRSAPSS + " sha512": {hash: crypto.SHA512, pss: true, draw: drawRSA},
	"rsa-pss-sha512":       {hash: crypto.SHA512, pss: true, draw: drawRSA},
	"PS256":                {hash: crypto.SHA256, pss: true, draw: drawRSA},
	"PS384":                {hash: crypto.SHA384, pss: true, draw: drawRSA},
	"PS512":                {hash: crypto.SHA512, pss: true, draw: drawRSA},
}

func drawEd25519() (crypto.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return private, err
}

func drawECDSA(curve elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(curve, rand.Reader) }
}

func drawRSA() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, minRSA) }

// sealing returns how a private key signs for s. Of several algorithms, it is the
// first.
func (s Scheme) sealing() (sealing, error) {
	algorithm, _, _ := strings.Cut(s.Algorithm, "|")
	switch s.Type {
	case TypeEd25519, TypeECDSA, TypeRSA, TypeRSAPSS:
		algorithm = strings.TrimSpace(s.Type + " " + algorithm)
	}
	how, known := sealings[algorithm]
	switch {
	case s.Keys != "":
		return how, fmt.Errorf("%w: cannot sign: the keys are fetched from where the provider publishes them, so that no other can be configured", ErrScheme)
	case !known || s.Key != KeyPublic || s.Type == TypeJWS || s.Type == TypeSNS:
		return how, fmt.Errorf("%w: cannot sign: a private key is of no use to %s", ErrScheme, s.Type)
	}
	return how, nil
}

// KeySignable returns nil if a private key that a user has made can sign for s, as
// that of [Scheme.NewTestKey] can. The error wraps [ErrScheme] and says why not.
func (s Scheme) KeySignable() error {
	_, err := s.sealing()
	return err
}

// NewTestKey returns a new private key of a kind that s takes, for a [Signer] of
// [NewKeySigner]. The error wraps [ErrScheme] if s takes none that a user could have.
func (s Scheme) NewTestKey() (crypto.Signer, error) {
	how, err := s.sealing()
	if err != nil {
		return nil, err
	}
	return how.draw()
}

// NewKeySigner is [NewSigner] for a scheme with public keys: the deliveries are
// genuine to a [Verifier] whose secret is that of private, as [PublicPEM] writes it.
func NewKeySigner(s Scheme, private crypto.Signer, with map[string]string) (*Signer, error) {
	how, err := s.sealing()
	if err != nil {
		return nil, err
	}
	public, err := PublicPEM(private)
	if err != nil {
		return nil, err
	}
	secret, err := ParseSecret("", public, KeyPublic)
	if err != nil {
		return nil, err
	}
	v, err := NewVerifier(s, []Secret{secret}, 0, with)
	if err != nil {
		return nil, err
	}
	sealed := how.with(private)
	switch m := v.scheme.method.(type) {
	case *messageMethod:
		return &Signer{v.scheme, messageSigner{v.scheme, sealed}}, nil
	case *tokenMethod:
		return &Signer{v.scheme, tokenSigner{v.scheme, string(m.algorithms[0]), sealed}}, nil
	default:
		return &Signer{v.scheme, privateKey{v.scheme.method.(*asymmetric), sealed}}, nil
	}
}

// PublicPEM writes the public key that belongs to a private one, as a secret of a
// scheme with public keys may be written.
func PublicPEM(private crypto.Signer) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), err
}

func (s sealing) with(private crypto.Signer) seal {
	return func(message []byte) ([]byte, error) {
		if s.hash != 0 {
			h := s.hash.New()
			_, _ = h.Write(message)
			message = h.Sum(nil)
		}
		return s.sign(private, message)
	}
}

func (s sealing) sign(private crypto.Signer, digest []byte) ([]byte, error) {
	var options crypto.SignerOpts = s.hash
	if s.pss {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	signature, err := private.Sign(rand.Reader, digest, options)
	key, is := private.Public().(*ecdsa.PublicKey)
	if err != nil || !s.raw || !is {
		return signature, err
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &pair); err != nil {
		return nil, err
	}
	size := (key.Curve.Params().BitSize + 7) / 8
	raw := make([]byte, 2*size)
	pair.R.FillBytes(raw[:size])
	pair.S.FillBytes(raw[size:])
	return raw, nil
}

// privateKey makes what an asymmetric method takes.
type privateKey struct {
	method *asymmetric
	seal   seal
}

func (k privateKey) sign(t template, r *Request, f signedFields) (string, error) {
	whole := make(message, 0, len(r.Body)+otherBytes)
	if err := t.writeTo(&whole, r, f); err != nil {
		return "", err
	}
	signature, err := k.seal(whole)
	return k.method.encoding.encode(signature), err
}

// tokenSigner makes a token that claims what the scheme wants.
type tokenSigner struct {
	scheme    *scheme
	algorithm string
	seal      seal
}

func (k tokenSigner) sign(_ template, r *Request, f signedFields) (string, error) {
	claims := []byte("{}")
	if k.scheme.inWholeBody() {
		claims = r.Body
	}
	said := map[string]string{}
	for _, c := range k.scheme.claims {
		text, err := c.any[0].render(r)
		if err != nil {
			return "", err
		}
		said[c.name] = quote(text)
	}
	if t := k.scheme.timestamp.place; t.kind == inClaim {
		said[t.names[0]] = f.timestamp
	}
	for place, text := range map[*Place]string{k.scheme.id: f.id, k.scheme.event: f.event} {
		if place != nil && place.kind == inClaim && text != "" {
			said[place.names[0]] = quote(text)
		}
	}
	for name, value := range said {
		var err error
		if claims, err = insert(claims, strings.Split(name, "."), value); err != nil {
			return "", err
		}
	}
	base := encodeToken([]byte(`{"alg":`+quote(k.algorithm)+`,"typ":"JWT"}`)) + "." + encodeToken(claims)
	signature, err := k.seal([]byte(base))
	return base + "." + encodeToken(signature), err
}

func encodeToken(part []byte) string { return base64.RawURLEncoding.EncodeToString(part) }

// sharedSeal is how a shared key signs a token.
func sharedSeal(algorithm string, s Secret) seal {
	hashes := map[string]crypto.Hash{"HS256": crypto.SHA256, "HS384": crypto.SHA384, "HS512": crypto.SHA512}
	return func(message []byte) ([]byte, error) {
		h := hmac.New(func() hash.Hash { return hashes[algorithm].New() }, s.bytes())
		_, _ = h.Write(message)
		return h.Sum(nil), nil
	}
}
