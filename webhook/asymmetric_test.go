package webhook

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func publicSecret(t testing.TB, public crypto.PublicKey) Secret {
	t.Helper()
	return mustSecret(t, base64.StdEncoding.EncodeToString(spki(t, public)), KeyPublic)
}

func publicKeyScheme(kind, algorithm string) Scheme {
	return Scheme{Type: kind, Algorithm: algorithm, Key: KeyPublic, Signature: "header X-Sig {signature} ...", Encoding: "hex", Signed: "{body}"}
}

func signedWith(body []byte, signatures ...[]byte) *Request {
	var texts []string
	for _, signature := range signatures {
		texts = append(texts, hex.EncodeToString(signature))
	}
	return &Request{Header: http.Header{"X-Sig": {strings.Join(texts, " ")}}, Body: body}
}

func unhex(text string) []byte { return must(hex.DecodeString(text)) }

// RFC 6979 section A.2.5, P-256: the key as DER, and the signature of SHA-256
// of "sample".
const (
	rfc6979Key = "3059301306072a8648ce3d020106082a8648ce3d03010703420004" +
		"60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6" +
		"7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
	rfc6979Signature = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
		"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
)

func TestPublishedPublicKeyVectors(t *testing.T) {
	for _, tt := range []struct {
		name, public, signature, body string
		scheme                        Scheme
	}{
		{
			name: "RFC 8032 section 7.1 test 2", scheme: publicKeyScheme(TypeEd25519, ""), body: "\x72",
			public:    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
			signature: "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
		{
			name: "RFC 6979 section A.2.5, SHA-256 of sample", scheme: publicKeyScheme(TypeECDSA, "sha256"), body: "sample",
			public: rfc6979Key, signature: rfc6979Signature,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := mustVerifier(t, tt.scheme, nil, mustSecret(t, tt.public, KeyPublic))
			if _, err := v.Verify(signedWith([]byte(tt.body), unhex(tt.signature)), arrival); err != nil {
				t.Error(err)
			}
			if _, err := v.Verify(signedWith([]byte(tt.body+"."), unhex(tt.signature)), arrival); !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("another body: %v", err)
			}
		})
	}
}

// der writes r and s, one behind the other, as DER.
func der(raw []byte) []byte {
	half := len(raw) / 2
	return must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])}))
}

func TestECDSAOnEveryCurve(t *testing.T) {
	for _, tt := range []struct {
		curve     elliptic.Curve
		algorithm string
		hash      crypto.Hash
		size      int
	}{
		{elliptic.P256(), "sha1", crypto.SHA1, 32},
		{elliptic.P256(), "sha256", crypto.SHA256, 32},
		{elliptic.P384(), "sha384", crypto.SHA384, 48},
		{elliptic.P521(), "sha512", crypto.SHA512, 66},
	} {
		t.Run(tt.curve.Params().Name+" with "+tt.algorithm, func(t *testing.T) {
			private, body := testECDSA(tt.curve), []byte(`{"id":1}`)
			h := tt.hash.New()
			h.Write(body)
			r, s, err := ecdsa.Sign(rand.Reader, private, h.Sum(nil))
			if err != nil {
				t.Fatal(err)
			}
			raw := append(r.FillBytes(make([]byte, tt.size)), s.FillBytes(make([]byte, tt.size))...)
			v := mustVerifier(t, publicKeyScheme(TypeECDSA, tt.algorithm), nil, publicSecret(t, private.Public()))
			for form, signature := range map[string][]byte{"DER": der(raw), "r and s": raw} {
				if _, err := v.Verify(signedWith(body, signature), arrival); err != nil {
					t.Errorf("%s: %v", form, err)
				}
				for _, at := range []int{0, 1, len(signature) / 2, len(signature) - 1} {
					spoilt := bytes.Clone(signature)
					spoilt[at] ^= 1
					if _, err := v.Verify(signedWith(body, spoilt), arrival); !errors.Is(err, ErrSignatureMismatch) {
						t.Errorf("%s with byte %d spoilt: %v", form, at, err)
					}
				}
			}
			zero := make([]byte, 2*tt.size) // CVE-2022-21449
			if _, err := v.Verify(signedWith(body, zero), arrival); !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("r and s of zero: %v", err)
			}
		})
	}
}

func TestRSA(t *testing.T) {
	private, body := testRSA(), []byte(`{"id":1}`)
	digest := sha256.Sum256(body)
	pss := func(salt int) []byte {
		return must(rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: salt}))
	}
	signatures := map[string][]byte{
		"PKCS #1 v1.5":          must(rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])),
		"PSS":                   pss(rsa.PSSSaltLengthEqualsHash),
		"PSS with longest salt": pss(rsa.PSSSaltLengthAuto),
		"PSS without salt":      pss(0),
	}
	for kind, prefix := range map[string]string{TypeRSA: "PKCS", TypeRSAPSS: "PSS"} {
		v := mustVerifier(t, publicKeyScheme(kind, "sha256"), nil, publicSecret(t, private.Public()))
		for name, signature := range signatures {
			var want error
			if !strings.HasPrefix(name, prefix) {
				want = ErrSignatureMismatch
			}
			if _, err := v.Verify(signedWith(body, signature), arrival); !errors.Is(err, want) {
				t.Errorf("%s takes %s: %v, want %v", kind, name, err, want)
			}
			if _, err := v.Verify(signedWith(append(body, '\n'), signature), arrival); !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("%s takes %s of another body: %v", kind, name, err)
			}
		}
		otherHash := mustVerifier(t, publicKeyScheme(kind, "sha512"), nil, publicSecret(t, private.Public()))
		for name, signature := range signatures {
			if _, err := otherHash.Verify(signedWith(body, signature), arrival); !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("%s with sha512 takes %s with sha256: %v", kind, name, err)
			}
		}
	}
}

// A JWKS counts as one secret, any key of which may match, as may any of the
// signatures.
func TestAnyKeyAndAnySignatureMayMatch(t *testing.T) {
	first, second := testEd25519, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	jwk := func(key ed25519.PrivateKey) string { return okpJWK(key.Public().(ed25519.PublicKey)) }
	stranger := testECDSA(elliptic.P256())
	set := `{"keys":[` + ecJWK(&stranger.PublicKey) + "," + jwk(first) + "," + jwk(second) + "]}"
	v := mustVerifier(t, publicKeyScheme(TypeEd25519, ""), nil, mustSecret(t, set, KeyPublic))
	body := []byte("{}")
	good, bad := ed25519.Sign(second, body), make([]byte, ed25519.SignatureSize)
	for _, tt := range []struct {
		name       string
		signatures [][]byte
		want       error
	}{
		{"the second key's", [][]byte{good}, nil},
		{"a right one behind a wrong one", [][]byte{bad, good}, nil},
		{"a wrong one", [][]byte{bad}, ErrSignatureMismatch},
		{"a short one", [][]byte{good[:63]}, ErrSignatureMalformed},
		{"a long one", [][]byte{append(bytes.Clone(good), 0)}, ErrSignatureMalformed},
		{"a long one before a right one", [][]byte{append(bytes.Clone(good), 0), good}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := v.Verify(signedWith(body, tt.signatures...), arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// The whole message goes into an Ed25519 signature, whatever it is made of.
func TestEd25519SignsEverySegment(t *testing.T) {
	s := publicKeyScheme(TypeEd25519, "")
	s.Signed, s.Timestamp, s.DeliveryID = "{id}|{timestamp}|{method}|{body}", "header X-Time", "header X-Id"
	message := []byte("7|1767225600|POST|{}")
	v := mustVerifier(t, s, nil, publicSecret(t, testEd25519.Public()))
	r := signedWith([]byte("{}"), ed25519.Sign(testEd25519, message))
	r.Method = http.MethodPost
	r.Header.Set("X-Time", "1767225600")
	r.Header.Set("X-Id", "7")
	if d, err := v.Verify(r, arrival); err != nil || d.ID != "7" {
		t.Errorf("%+v, %v", d, err)
	}
	r.Header.Set("X-Id", "8")
	if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMismatch) {
		t.Errorf("another id: %v", err)
	}
}

func TestPublicKeyOfAnotherKind(t *testing.T) {
	short := must(rsa.GenerateKey(rand.Reader, 1024))
	unit := rsa.PublicKey{N: testRSA().N, E: 1} // every signature would be right that is its own digest
	for _, tt := range []struct {
		name   string
		scheme Scheme
		secret Secret
		says   string
	}{
		{"RSA for Ed25519", publicKeyScheme(TypeEd25519, ""), publicSecret(t, testRSA().Public()), "an Ed25519 key"},
		{"Ed25519 for ECDSA", publicKeyScheme(TypeECDSA, "sha256"), publicSecret(t, testEd25519.Public()), "P-256"},
		{"P-224", publicKeyScheme(TypeECDSA, "sha256"), publicSecret(t, testECDSA(elliptic.P224()).Public()), "P-256"},
		{"ECDSA for RSA", publicKeyScheme(TypeRSA, "sha256"), publicSecret(t, testECDSA(elliptic.P256()).Public()), "an RSA key"},
		{"RSA of 1024 bits", publicKeyScheme(TypeRSAPSS, "sha256"), publicSecret(t, short.Public()), "2048 to 8192 bits"},
		{"RSA with the exponent 1", publicKeyScheme(TypeRSA, "sha256"), publicSecret(t, &unit), "an RSA key"},
		{"a shared secret", publicKeyScheme(TypeEd25519, ""), mustSecret(t, "hunter2", KeyText), "a public key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := NewVerifier(tt.scheme, []Secret{tt.secret}, 0, nil)
			if !errors.Is(err, ErrSecretEncoding) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
}

func TestUnusablePublicKeySchemes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme Scheme
		change func(*Scheme)
		word   string
		says   string
	}{
		{"Ed25519 with an algorithm", publicKeyScheme(TypeEd25519, ""), func(s *Scheme) { s.Algorithm = "sha512" }, "algorithm", "remove it"},
		{"ECDSA without one", publicKeyScheme(TypeECDSA, ""), func(*Scheme) {}, "algorithm", "write sha1"},
		{"RSA without one", publicKeyScheme(TypeRSA, ""), func(*Scheme) {}, "algorithm", "write sha1"},
		{"no encoding", publicKeyScheme(TypeRSAPSS, "sha256"), func(s *Scheme) { s.Encoding = "" }, "encoding", "write hex"},
		{"no key form", publicKeyScheme(TypeEd25519, ""), func(s *Scheme) { s.Key = "" }, "key", "write public"},
		{"a shared secret's form", publicKeyScheme(TypeECDSA, "sha256"), func(s *Scheme) { s.Key = KeyHex }, "key", "write public"},
		{"HMAC with a public key", publicKeyScheme(TypeHMAC, "sha256"), func(*Scheme) {}, "key", "write text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.change(&tt.scheme)
			_, err := tt.scheme.Facts()
			var wrong *SchemeError
			if !errors.Is(err, ErrScheme) || !errors.As(err, &wrong) || wrong.Word != tt.word || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q of %s", err, tt.says, tt.word)
			}
		})
	}
	if _, err := NewSigner(publicKeyScheme(TypeEd25519, ""), publicSecret(t, testEd25519.Public()), nil); !errors.Is(err, ErrScheme) {
		t.Errorf("a signer without the private key: %v", err)
	}
}

// Of all texts, four prove: the signature and its mirror image (r, -s), which
// everyone can make of it, in two forms each.
func FuzzECDSASignature(f *testing.F) {
	public := must(parsePublicKeys(rfc6979Key))
	digest := sha256.Sum256([]byte("sample"))
	raw := unhex(rfc6979Signature)
	mirror := bytes.Clone(raw)
	new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(raw[32:])).FillBytes(mirror[32:])
	right := [][]byte{raw, der(raw), mirror, der(mirror)}
	for _, seed := range right {
		f.Add(seed)
	}
	f.Add(make([]byte, 64))
	f.Add([]byte{0x30, 6, 2, 1, 0, 2, 1, 0})
	accepts := bindECDSA(public[0])
	f.Fuzz(func(t *testing.T, signature []byte) {
		known := slices.ContainsFunc(right, func(one []byte) bool { return bytes.Equal(one, signature) })
		if got := accepts(digest[:], signature); got != known {
			t.Fatalf("%x: accepted %t", signature, got)
		}
	})
}
