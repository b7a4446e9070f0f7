package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// The scheme and the key say which algorithm it is. The signature may say the
// same, and nothing else.
func TestMessageAlgorithms(t *testing.T) {
	ed, edKey := must2(ed25519.GenerateKey(rand.Reader))
	p256, p384, p521 := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	digest := func(hash crypto.Hash, signed []byte) []byte {
		h := hash.New()
		h.Write(signed)
		return h.Sum(nil)
	}
	raw := func(key *ecdsa.PrivateKey, hash crypto.Hash) func([]byte) []byte {
		return func(signed []byte) []byte {
			r, s := must2(ecdsa.Sign(rand.Reader, key, digest(hash, signed)))
			size := (key.Curve.Params().BitSize + 7) / 8
			return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		}
	}
	pss := func(salt int) func([]byte) []byte {
		return func(signed []byte) []byte {
			return must(rsa.SignPSS(rand.Reader, rsaKey, crypto.SHA512, digest(crypto.SHA512, signed), &rsa.PSSOptions{SaltLength: salt}))
		}
	}
	v15 := func(signed []byte) []byte {
		return must(rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, digest(crypto.SHA256, signed)))
	}
	der := func(signed []byte) []byte {
		return must(ecdsa.SignASN1(rand.Reader, p256, digest(crypto.SHA256, signed)))
	}
	for _, tt := range []struct {
		name, algorithm, alg string
		public               crypto.PublicKey
		sign                 func([]byte) []byte
		want                 error
	}{
		{"Ed25519", "ed25519", "", ed, func(b []byte) []byte { return ed25519.Sign(edKey, b) }, nil},
		{"Ed25519 that says so", "ed25519", "ed25519", ed, func(b []byte) []byte { return ed25519.Sign(edKey, b) }, nil},
		{"Ed25519 that says otherwise", "ed25519", "hmac-sha256", ed, func(b []byte) []byte { return ed25519.Sign(edKey, b) }, ErrSignatureMalformed},
		{"public key as a shared one", "ed25519", "hmac-sha256", ed, func(b []byte) []byte { return sum(sha256.New, string(ed), string(b)) }, ErrSignatureMalformed},
		{"P-256", "ecdsa-p256-sha256", "", &p256.PublicKey, raw(p256, crypto.SHA256), nil},
		{"P-256 in DER", "ecdsa-p256-sha256", "", &p256.PublicKey, der, ErrSignatureMismatch},
		{"P-256 with another hash", "ecdsa-p256-sha256", "", &p256.PublicKey, raw(p256, crypto.SHA384), ErrSignatureMismatch},
		{"P-384", "ecdsa-p384-sha384", "", &p384.PublicKey, raw(p384, crypto.SHA384), nil},
		{"P-384 for P-256", "ecdsa-p256-sha256", "", &p384.PublicKey, nil, ErrSecretEncoding},
		{"P-521", "ecdsa-p256-sha256|ecdsa-p384-sha384", "", &p521.PublicKey, nil, ErrSecretEncoding},
		{"PSS", "rsa-pss-sha512", "", &rsaKey.PublicKey, pss(64), nil},
		{"PSS with a salt of another length", "rsa-pss-sha512", "", &rsaKey.PublicKey, pss(rsa.PSSSaltLengthAuto), nil},
		{"PSS that is PKCS #1 v1.5", "rsa-pss-sha512", "", &rsaKey.PublicKey, v15, ErrSignatureMismatch},
		{"PKCS #1 v1.5", "rsa-v1_5-sha256", "", &rsaKey.PublicKey, v15, nil},
		{"one of several", "ed25519|ecdsa-p256-sha256", "", &p256.PublicKey, raw(p256, crypto.SHA256), nil},
		{"one of several that says so", "ed25519|ecdsa-p256-sha256", "ecdsa-p256-sha256", &p256.PublicKey, raw(p256, crypto.SHA256), nil},
		{"one of several that says another", "ed25519|ecdsa-p256-sha256", "ed25519", &p256.PublicKey, raw(p256, crypto.SHA256), ErrSignatureMismatch},
		{"Ed25519 for RSA", "rsa-pss-sha512", "", ed, nil, ErrSecretEncoding},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := messageScheme
			s.Algorithm, s.Key = tt.algorithm, KeyPublic
			v, err := NewVerifier(s, []Secret{publicSecret(t, tt.public)}, DefaultTolerance, nil)
			if err != nil {
				if !errors.Is(err, tt.want) || tt.sign != nil {
					t.Error(err)
				}
				return
			}
			input := coveredAll + ";created=1767225600"
			if tt.alg != "" {
				input += `;alg="` + tt.alg + `"`
			}
			r := &Request{Method: http.MethodPost, URL: messageURL, Header: http.Header{"Content-Digest": {messageDigest}}, Body: []byte(messageBody)}
			addMessage(r, "sig1", coveredBase, input, tt.sign)
			if _, err := v.Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func must2[A, B any](a A, b B, err error) (A, B) {
	if err != nil {
		panic(err)
	}
	return a, b
}

func TestMessageParameters(t *testing.T) {
	for _, tt := range []struct {
		name, claims, parameters string
		tolerance                time.Duration
		want                     error
	}{
		{"none wanted", "", `;keyid="k";tag="t"`, DefaultTolerance, nil},
		{"both right", "keyid={with:key} tag=acme", `;keyid="k-1";tag="acme"`, DefaultTolerance, nil},
		{"one of two values", "tag=old|acme", `;tag="acme"`, DefaultTolerance, nil},
		{"another key", "keyid={with:key}", `;keyid="k-2"`, DefaultTolerance, ErrClaimsInvalid},
		{"no key", "keyid={with:key}", ``, DefaultTolerance, ErrClaimsInvalid},
		{"another tag", "tag=acme", `;tag="other"`, DefaultTolerance, ErrClaimsInvalid},
		{"not yet expired", "", `;expires=1767225600`, DefaultTolerance, nil},
		{"expired within the tolerance", "", `;expires=1767225300`, DefaultTolerance, nil},
		{"expired", "", `;expires=1767225299`, DefaultTolerance, ErrClaimsInvalid},
		{"expired for ages", "", `;expires=0`, DefaultTolerance, ErrClaimsInvalid},
		{"expired without a tolerance", "", `;expires=1767225299`, 0, ErrClaimsInvalid},
		{"expires in some millions of years", "", `;expires=999999999999999`, DefaultTolerance, nil},
		{"expiry that is no number", "", `;expires="never"`, DefaultTolerance, ErrSignatureMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := messageScheme
			s.Claims = tt.claims
			v, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText)}, tt.tolerance, map[string]string{"key": "k-1"})
			if err != nil {
				t.Fatal(err)
			}
			r := signedAs(coveredBase, coveredAll+";created=1767225600"+tt.parameters)
			if _, err := v.Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// Of several signatures any may be right, unless the scheme names one.
func TestSeveralMessageSignatures(t *testing.T) {
	with := func(key string) func([]byte) []byte {
		return func(signed []byte) []byte { return sum(sha256.New, key, string(signed)) }
	}
	type one struct{ label, parameters, key string }
	good, bad := one{"good", ";created=1767225600", "key"}, one{"bad", ";created=1767225600", "guess"}
	stale := one{"stale", ";created=1", "key"}
	many := func(n int) (all []one) {
		for i := range n {
			all = append(all, one{fmt.Sprint("bad", i), bad.parameters, bad.key})
		}
		return all
	}
	for _, tt := range []struct {
		name, signature, claims string
		signatures              []one
		want                    error
	}{
		{"the second", "", "", []one{bad, good}, nil},
		{"the first", "", "", []one{good, bad}, nil},
		{"none", "", "", []one{bad}, ErrSignatureMismatch},
		{"one beside a stale one", "", "", []one{stale, good}, nil},
		{"one beside an unknown kind", "", "", []one{{"new", ";created=1767225600;alg=\"ml-dsa\"", "key"}, good}, nil},
		{"stale ones only", "", "", []one{stale}, ErrTimestampTooOld},
		{"one with another tag by the same key", "", "tag=acme", []one{{"a", `;created=1767225600;tag="other"`, "key"}, {"b", `;created=1767225600;tag="acme"`, "key"}}, nil},
		{"the label that is named", " good={signature}", "", []one{bad, good}, nil},
		{"not the label that is named", " bad={signature}", "", []one{bad, good}, ErrSignatureMismatch},
		{"no such label", " other={signature}", "", []one{good}, ErrSignatureMissing},
		{"as many as are tried", "", "", append(many(maxSignatures-1), good), nil},
		{"more than are tried", "", "", append(many(maxSignatures), good), ErrSignatureMalformed},
		{"more than are tried, and one is named", " good={signature}", "", append(many(maxSignatures), good), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := messageScheme
			s.Signature += tt.signature
			s.Claims = tt.claims
			r := &Request{Method: http.MethodPost, URL: messageURL, Header: http.Header{"Content-Digest": {messageDigest}}, Body: []byte(messageBody)}
			for _, one := range tt.signatures {
				addMessage(r, one.label, coveredBase, coveredAll+one.parameters, with(one.key))
			}
			d, err := mustVerifier(t, s, nil).Verify(r, arrival)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil && !d.Timestamp.Equal(arrival) {
				t.Errorf("time %s", d.Timestamp)
			}
		})
	}
}

// Keys that the provider publishes are found by the keyid of the signature.
func TestFetchedMessageKeys(t *testing.T) {
	const address = "https://example.com/jwks"
	own, ownKey := must2(ed25519.GenerateKey(rand.Reader))
	other, _ := must2(ed25519.GenerateKey(rand.Reader))
	s := messageScheme
	s.Algorithm, s.Key, s.Keys = "ed25519", KeyPublic, address
	for _, tt := range []struct {
		name string
		ids  []string // of the signatures, of which the last is right
		want error
	}{
		{"named", []string{"own"}, nil},
		{"another one named", []string{"other"}, ErrSignatureMismatch},
		{"an unknown one named", []string{"none"}, ErrKeyUntrusted},
		{"none named", []string{""}, nil},
		{"by two keys", []string{"other", "own"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v, err := NewVerifier(s, nil, DefaultTolerance, nil)
			if err != nil {
				t.Fatal(err)
			}
			v.FetchFrom(shelf{address: {{KeyID: "other", Key: other}, {KeyID: "own", Key: own}}})
			r := &Request{Method: http.MethodPost, URL: messageURL, Header: http.Header{"Content-Digest": {messageDigest}}, Body: []byte(messageBody)}
			for i, id := range tt.ids {
				addMessage(r, fmt.Sprint("sig", i), coveredBase, coveredAll+`;created=1767225600;keyid="`+id+`"`, func(signed []byte) []byte {
					if i < len(tt.ids)-1 {
						return make([]byte, ed25519.SignatureSize)
					}
					return ed25519.Sign(ownKey, signed)
				})
			}
			if _, err := v.Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}
