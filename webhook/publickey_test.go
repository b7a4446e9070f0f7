package webhook

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"
)

// Throw-away keys, made once for all tests.
var (
	testEd25519 = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	testRSA     = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func testECDSA(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func spki(t testing.TB, public crypto.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func certificate(t testing.TB, key crypto.Signer) string {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf("CERTIFICATE", der)
}

func ecJWK(public *ecdsa.PublicKey) string {
	point := must(public.Bytes())[1:]
	return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q}`, public.Params().Name,
		base64.RawURLEncoding.EncodeToString(point[:len(point)/2]), base64.RawURLEncoding.EncodeToString(point[len(point)/2:]))
}

func rsaJWK(public *rsa.PublicKey) string {
	return fmt.Sprintf(`{"kty":"RSA","alg":"RS256","use":"sig","n":%q,"e":"AQAB"}`, base64.RawURLEncoding.EncodeToString(public.N.Bytes()))
}

func okpJWK(public ed25519.PublicKey) string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q}`, base64.RawURLEncoding.EncodeToString(public))
}

// A public key is the same in whichever form a dashboard shows it.
func TestPublicKeyForms(t *testing.T) {
	ed := testEd25519.Public().(ed25519.PublicKey)
	p256, p384, p521 := testECDSA(elliptic.P256()), testECDSA(elliptic.P384()), testECDSA(elliptic.P521())
	rsaKey := testRSA()
	wrapped := func(text string) string { return text[:20] + "\r\n" + text[20:] }
	for _, tt := range []struct {
		name, text string
		want       []crypto.PublicKey
	}{
		{"hex", hex.EncodeToString(ed), []crypto.PublicKey{ed}},
		{"upper-case hex", strings.ToUpper(hex.EncodeToString(ed)), []crypto.PublicKey{ed}},
		{"hex of DER", hex.EncodeToString(spki(t, ed)), []crypto.PublicKey{ed}},
		{"base64", base64.StdEncoding.EncodeToString(ed), []crypto.PublicKey{ed}},
		{"base64url without padding", base64.RawURLEncoding.EncodeToString(ed), []crypto.PublicKey{ed}},
		{"whpk_", "whpk_" + base64.StdEncoding.EncodeToString(ed), []crypto.PublicKey{ed}},
		{"base64 of DER", base64.StdEncoding.EncodeToString(spki(t, &p256.PublicKey)), []crypto.PublicKey{&p256.PublicKey}},
		{"base64 in lines", wrapped(base64.StdEncoding.EncodeToString(spki(t, &rsaKey.PublicKey))), []crypto.PublicKey{&rsaKey.PublicKey}},
		{"PEM", pemOf("PUBLIC KEY", spki(t, &p521.PublicKey)), []crypto.PublicKey{&p521.PublicKey}},
		{"PEM with lines around it", "\n\n" + pemOf("PUBLIC KEY", spki(t, ed)) + "\n", []crypto.PublicKey{ed}},
		{"PEM of PKCS #1", pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey)), []crypto.PublicKey{&rsaKey.PublicKey}},
		{"certificate long expired", certificate(t, p384), []crypto.PublicKey{&p384.PublicKey}},
		{"Ed25519 JWK", okpJWK(ed), []crypto.PublicKey{ed}},
		{"P-256 JWK", ecJWK(&p256.PublicKey), []crypto.PublicKey{&p256.PublicKey}},
		{"P-384 JWK", ecJWK(&p384.PublicKey), []crypto.PublicKey{&p384.PublicKey}},
		{"RSA JWK", rsaJWK(&rsaKey.PublicKey), []crypto.PublicKey{&rsaKey.PublicKey}},
		{"JWKS", `{"keys":[` + ecJWK(&p521.PublicKey) + "," + okpJWK(ed) + `]}`, []crypto.PublicKey{&p521.PublicKey, ed}},
		{
			"JWKS with keys of other kinds and uses",
			`{"keys":[{"kty":"oct"},{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"},` +
				strings.Replace(rsaJWK(&rsaKey.PublicKey), `"sig"`, `"enc"`, 1) + "," + okpJWK(ed) + `]}`,
			[]crypto.PublicKey{ed},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := ParseSecret("l", tt.text, KeyPublic)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parsePublicKeys(string(s.bytes()))
			if err != nil || len(got) != len(tt.want) {
				t.Fatalf("got %d keys, %v; want %d", len(got), err, len(tt.want))
			}
			for i, key := range got {
				if !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(tt.want[i]) {
					t.Errorf("key %d is another one", i)
				}
			}
		})
	}
}

// TrueLayer's JWKS leaves the leading zero of a P-521 coordinate out:
// https://github.com/TrueLayer/truelayer-signing/tree/main/test-resources
func TestJWKWithoutLeadingZeros(t *testing.T) {
	got, err := parsePublicKeys(`{"kty":"EC","alg":"ES512","kid":"45fc75cf-5649-4134-84b3-192c2c78e990","crv":"P-521","x":"oLuW4nFqoUuR8d7FVsUoI62libYdQlWGtLStnqdudLY92bQ0ra5eZAbkunrGTR9-w9mr4o2Etyb6pC7YB2-23WM","y":"AX1cjkGMiltikPrkX49qwuJDdcETaTsj-kyFP8jsF9W5XAB3Z4tBiQtc72DQnJYeKyAV_T6qZTtFKFr-Tp4iu-j7"}`)
	if err != nil {
		t.Fatal(err)
	}
	const want = "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAoLuW4nFqoUuR8d7FVsUoI62libYdQlWGtLStnqdudLY92bQ0ra5eZAbkunrGTR9+w9mr4o2Etyb6pC7YB2+23WMBfVyOQYyKW2KQ+uRfj2rC4kN1wRNpOyP6TIU/yOwX1blcAHdni0GJC1zvYNCclh4rIBX9PqplO0UoWv5OniK76Ps="
	if text := base64.StdEncoding.EncodeToString(spki(t, got[0])); text != want {
		t.Errorf("got %s", text)
	}
}

func TestTextsThatAreNoPublicKey(t *testing.T) {
	p256 := testECDSA(elliptic.P256())
	pkcs8 := must(x509.MarshalPKCS8PrivateKey(testEd25519))
	der := spki(t, &p256.PublicKey)
	for _, tt := range []struct{ name, text, says string }{
		{"a word", "hunter2hunter2!", "copy it whole"},
		{"only blanks", " \n", "0 bytes"},
		{"hex of the wrong length", strings.Repeat("ab", 31), "31 bytes"},
		{"base64 of the wrong length", base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{255}, 33)), "33 bytes"},
		{"a shared secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "bytes"},
		{"DER cut short", base64.StdEncoding.EncodeToString(der[:len(der)-1]), "SubjectPublicKeyInfo"},
		{"PEM cut short", pemOf("PUBLIC KEY", der)[:60], "damaged"},
		{"PEM in one line", strings.ReplaceAll(pemOf("PUBLIC KEY", der), "\n", " "), "damaged"},
		{"PEM of something else", pemOf("CERTIFICATE REQUEST", der), "neither"},
		{"PEM with a wrong inside", pemOf("RSA PUBLIC KEY", der), "no key"},
		{"two PEM blocks", pemOf("PUBLIC KEY", der) + pemOf("PUBLIC KEY", der), "a secret of its own"},
		{"private PEM", pemOf("PRIVATE KEY", pkcs8), "private key"},
		{"private JWK", strings.Replace(ecJWK(&p256.PublicKey), "{", `{"d":"AA",`, 1), "private key"},
		{"JSON that is no JWK", `{"public_key":"x"}`, "no key in it"},
		{"JSON cut short", `{"kty":"EC"`, "not valid JSON"},
		{"JWK that is not base64url", `{"kty":"OKP","crv":"Ed25519","x":"++"}`, "not base64url"},
		{"JWK off its curve", `{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}`, "no point"},
		{"JWK with a coordinate too long", `{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("_", 44) + `","y":"AQ"}`, "longer"},
		{"JWK on secp256k1", `{"kty":"EC","crv":"secp256k1","x":"AQ","y":"AQ"}`, "P-256, P-384 or P-521"},
		{"empty JWKS", `{"keys":[]}`, "no key in it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseSecret("l", tt.text, KeyPublic)
			if !errors.Is(err, ErrSecretEncoding) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want it to say %q", err, tt.says)
			}
		})
	}
}

// Whatever is read as a key is one: written as DER, it reads as the same.
func FuzzPublicKey(f *testing.F) {
	ed := testEd25519.Public().(ed25519.PublicKey)
	p521 := testECDSA(elliptic.P521())
	for _, seed := range []string{
		"", "-----BEGIN PUBLIC KEY-----", `{"keys":[{}]}`, hex.EncodeToString(ed), "whpk_" + base64.StdEncoding.EncodeToString(ed),
		okpJWK(ed), ecJWK(&p521.PublicKey), rsaJWK(&testRSA().PublicKey), base64.StdEncoding.EncodeToString(spki(f, &p521.PublicKey)),
		pemOf("PUBLIC KEY", spki(f, ed)), pemOf("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&testRSA().PublicKey)), certificate(f, p521),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parsePublicKeys(text)
		if err != nil {
			if !errors.Is(err, ErrSecretEncoding) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if len(keys) == 0 {
			t.Fatalf("%q: no key and no error", text)
		}
		for _, key := range keys {
			if bindEd25519(key) == nil && bindECDSA(key) == nil && bindRSA(key, 0, nil) == nil {
				continue // no scheme takes it
			}
			again, err := parsePublicKeys(base64.StdEncoding.EncodeToString(spki(t, key)))
			if err != nil || !key.(interface{ Equal(crypto.PublicKey) bool }).Equal(again[0]) {
				t.Fatalf("%q: another key once written: %v", text, err)
			}
		}
	})
}
