package webhook

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// parsePublicKeys reads what a provider's dashboard shows: PEM, a JWK or a set
// of them, or hex or base64 of a raw Ed25519 key or of DER. No text is readable
// in two of these forms. The error wraps [ErrSecretEncoding].
func parsePublicKeys(text string) ([]crypto.PublicKey, error) {
	text = strings.TrimSpace(text)
	var keys []crypto.PublicKey
	var err error
	switch {
	case strings.HasPrefix(text, "-----BEGIN "):
		keys, err = one(parsePEM([]byte(text)))
	case strings.HasPrefix(text, "{"):
		keys, err = parseJWKS([]byte(text))
	default:
		keys, err = one(parseBareKey(text))
	}
	if err != nil {
		return nil, fmt.Errorf("%w: this provider's secret is a public key, as PEM, JWK or JWKS, hex or base64: %w", ErrSecretEncoding, err)
	}
	return keys, nil
}

func one(key crypto.PublicKey, err error) ([]crypto.PublicKey, error) {
	return []crypto.PublicKey{key}, err
}

// Whoever holds a private key can sign: it has no place where deliveries are
// merely checked.
var errPrivateKey = errors.New("this is a private key: give the public one, and replace the pair if it was the provider's")

func parsePEM(text []byte) (crypto.PublicKey, error) {
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return nil, errors.New("the PEM is damaged: keep its line breaks and both of its lines of dashes")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("there is something behind the first PEM block: give each key as a secret of its own")
	}
	var key crypto.PublicKey
	var err error
	switch {
	case block.Type == "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		// It is the key that the user trusts, so that the dates and the issuer
		// decide nothing.
		var certificate *x509.Certificate
		if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = certificate.PublicKey
		}
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errPrivateKey
	default:
		return nil, errors.New("the PEM is neither PUBLIC KEY, RSA PUBLIC KEY nor CERTIFICATE")
	}
	if err != nil {
		return nil, errors.New("the PEM holds no key that can be read: copy it whole")
	}
	return key, nil
}

// parseBareKey tries hex first: base64 that is hex by chance has the wrong
// length for a raw key and the wrong beginning for DER.
func parseBareKey(text string) (crypto.PublicKey, error) {
	decoded, err := hex.DecodeString(text)
	if err != nil {
		text = strings.TrimPrefix(text, "whpk_") // Standard Webhooks' public keys
		decoded, err = decodeBase64(strings.NewReplacer("-", "+", "_", "/").Replace(text))
	}
	if err != nil {
		return nil, errors.New("it is none of them: copy it whole from the provider's dashboard")
	}
	if len(decoded) == ed25519.PublicKeySize {
		return ed25519.PublicKey(decoded), nil
	}
	key, err := x509.ParsePKIXPublicKey(decoded)
	if err != nil {
		return nil, fmt.Errorf("%d bytes are neither the 32 of an Ed25519 key nor a SubjectPublicKeyInfo", len(decoded))
	}
	return key, nil
}

// jwk is a key of RFC 7517, or a set of them.
type jwk struct {
	Type    string    `json:"kty"`
	Use     string    `json:"use"`
	Curve   string    `json:"crv"`
	X       bigEndian `json:"x"`
	Y       bigEndian `json:"y"`
	N       bigEndian `json:"n"`
	E       bigEndian `json:"e"`
	Private string    `json:"d"`
	Keys    []jwk     `json:"keys"`
}

// bigEndian is a base64url member, RFC 7518 section 2.
type bigEndian []byte

func (b *bigEndian) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

// parseJWKS skips the keys of a set that no scheme has a use for, as RFC 7517
// section 5 demands.
func parseJWKS(text []byte) ([]crypto.PublicKey, error) {
	var set jwk
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("the JWK or JWKS is not valid JSON, or a member is not base64url")
	}
	if set.Type != "" {
		set.Keys = []jwk{set}
	}
	var keys []crypto.PublicKey
	for _, k := range set.Keys {
		if k.Private != "" {
			return nil, errPrivateKey
		}
		key, err := k.public()
		if err != nil {
			return nil, err
		}
		if key != nil && k.Use != "enc" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no key in it is an RSA, Ed25519, P-256, P-384 or P-521 key for signatures")
	}
	return keys, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// public returns nil if the key is of another kind.
func (k jwk) public() (crypto.PublicKey, error) {
	curve := curves[k.Curve]
	switch {
	case k.Type == "OKP" && k.Curve == "Ed25519" && len(k.X) == ed25519.PublicKeySize:
		return ed25519.PublicKey(k.X), nil
	case k.Type == "EC" && curve != nil:
		// Some providers leave leading zeros out.
		size := (curve.Params().BitSize + 7) / 8
		x, y := new(big.Int).SetBytes(k.X), new(big.Int).SetBytes(k.Y)
		if x.BitLen() > 8*size || y.BitLen() > 8*size {
			return nil, errors.New("a coordinate of the JWK is longer than its curve")
		}
		point := make([]byte, 1+2*size)
		point[0] = 4 // uncompressed, SEC 1 section 2.3.3
		x.FillBytes(point[1 : 1+size])
		y.FillBytes(point[1+size:])
		key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
		if err != nil {
			return nil, errors.New("the JWK is no point of its curve")
		}
		return key, nil
	case k.Type == "RSA" && len(k.E) > 0 && len(k.E) < 4:
		return &rsa.PublicKey{N: new(big.Int).SetBytes(k.N), E: int(new(big.Int).SetBytes(k.E).Int64())}, nil
	default:
		return nil, nil //nolint:nilnil // the documented "of another kind"
	}
}
