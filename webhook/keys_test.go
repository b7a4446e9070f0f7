package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// shelf is a source that has keys by URL.
type shelf map[string][]jose.JSONWebKey

var errDown = errors.New("down")

func (s shelf) Keys(r KeyRequest, _ string) ([]jose.JSONWebKey, error) {
	if keys := s[r.URL]; keys != nil {
		return keys, nil
	}
	return nil, fmt.Errorf("%s: %w", r.URL, errDown)
}

func es256(key *ecdsa.PrivateKey, id string) string {
	return signToken(`{"alg":"ES256","kid":"`+id+`"}`, `{"body":"`+emptyJSON+`"}`, func(input []byte) []byte {
		h := crypto.SHA256.New()
		h.Write(input)
		r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		out := make([]byte, 64)
		r.FillBytes(out[:32])
		s.FillBytes(out[32:])
		return out
	})
}

func TestFetchedTokenKeys(t *testing.T) {
	own, other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	s := bearer("ES256", KeyPublic)
	s.Keys = "https://{with:domain}/.well-known/jwks"
	if facts, err := s.Facts(); err != nil || !facts.FetchesKeys || fmt.Sprint(facts.Parameters) != "[domain]" {
		t.Errorf("facts %+v, %v", facts, err)
	}
	verifier := func(source KeySource) *Verifier {
		v, err := NewVerifier(s, nil, 0, map[string]string{"domain": "acme.example.com"})
		if err != nil {
			t.Fatal(err)
		}
		if source != nil {
			v.FetchFrom(source)
		}
		return v
	}
	keys := shelf{"https://acme.example.com/.well-known/jwks": {
		{KeyID: "other", Key: other.Public()}, {KeyID: "own", Key: own.Public()},
	}}
	for _, tt := range []struct {
		name, token string
		source      KeySource
		want        error
	}{
		{"its own key", es256(own, "own"), keys, nil},
		{"a token that names no key", es256(own, ""), keys, nil},
		{"a key id that there is not", es256(own, "forged"), keys, ErrKeyUntrusted},
		{"a key for another algorithm", es256(own, "other"), keys, ErrKeyUntrusted},
		{"another private key", es256(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "own"), keys, ErrSignatureMismatch},
		{"a source that is down", es256(own, "own"), shelf{}, ErrKeyUnavailable},
		{"no source", es256(own, "own"), nil, ErrKeyUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := verifier(tt.source).Verify(bearing(tt.token), arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
	if _, err := NewVerifier(s, []Secret{publicSecret(t, own.Public())}, 0, map[string]string{"domain": "a.example"}); !errors.Is(err, ErrScheme) {
		t.Errorf("secret beside fetched keys: %v", err)
	}
	for _, domain := range []string{"user@a.example", "", "a b"} {
		_, err := NewVerifier(s, nil, 0, map[string]string{"domain": domain})
		if !errors.Is(err, ErrScheme) {
			t.Errorf("domain %q: %v", domain, err)
		}
	}
}

// Whoever can have another URL asked chooses the key.
func TestURLNamedByTheDelivery(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s := publicKeyScheme(TypeECDSA, "sha256")
	s.Keys = "header X-Cert-Url https://certs.*.example.com/v1/*.pem https://example.org/cert"
	body := []byte("{}")
	signature := must(ecdsa.SignASN1(rand.Reader, key, digestOf(body)))
	ask := func(address string, certificate *x509.Certificate) error {
		v, err := NewVerifier(s, nil, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		published := jose.JSONWebKey{Key: key.Public()}
		if certificate != nil {
			published.Certificates = []*x509.Certificate{certificate}
		}
		v.FetchFrom(shelf{address: {published}})
		r := signedWith(body, signature)
		r.Header["X-Cert-Url"] = []string{address}
		_, err = v.Verify(r, arrival)
		return err
	}
	for _, address := range []string{"https://certs.eu-1.example.com/v1/a_B-9.pem", "https://example.org/cert"} {
		if err := ask(address, nil); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		"", "http://example.org/cert", "HTTPS://example.org/cert", "https://example.org/cert?", "https://example.org/cert#", "https://example.org/cert/",
		"https://example.org.evil.test/cert", "https://example.org:443/cert", "https://user@example.org/cert", " https://example.org/cert",
		"https://evil.test/https://example.org/cert", "https://certs.a.b.example.com/v1/a.pem", "https://certs..example.com/v1/a.pem",
		"https://certs.evil.test/.example.com/v1/a.pem", "https://certs.evil.test%2f.example.com/v1/a.pem", "https://certs.a@evil.test#.example.com/v1/a.pem",
		"https://certs.a.example.com/v1/../evil.pem", "https://certs.a.example.com/v1/%2e.pem", "https://certs.a.example.com/v1/.pem", "https://certs.a.example.com/v1/a/b.pem",
		"https://certs.a.example.com/v1/a.pem\n", "https://example.org/cert\x00",
	} {
		if err := ask(address, nil); !errors.Is(err, ErrKeyUntrusted) {
			t.Errorf("%q: %v", address, err)
		}
	}
	for name, certificate := range map[string]*x509.Certificate{
		"expired":     {NotBefore: arrival.Add(-time.Hour), NotAfter: arrival.Add(-time.Second)},
		"to be valid": {NotBefore: arrival.Add(time.Second), NotAfter: arrival.Add(time.Hour)},
	} {
		if err := ask("https://example.org/cert", certificate); !errors.Is(err, ErrKeyUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := ask("https://example.org/cert", &x509.Certificate{NotBefore: arrival, NotAfter: arrival}); err != nil {
		t.Errorf("valid: %v", err)
	}
}

func digestOf(b []byte) []byte {
	h := crypto.SHA256.New()
	h.Write(b)
	return h.Sum(nil)
}

func TestUnusableKeyURLs(t *testing.T) {
	for _, tt := range []struct{ keys, says string }{
		{"http://example.com/jwks", "no place"},
		{"header X-Url", "which URLs"},
		{"header X-Url http://example.com/*", "whole https URL"},
		{"header X-Url https://*", "whole https URL"},
		{"header X-Url https://*.com/cert", "whole https URL"},
		{"header X-Url https://example.*/cert", "whole https URL"},
		{"header X-Url https://example.com/*", "whole https URL"},
		{"https://user@example.com/jwks", "whole https URL"},
		{"https:///jwks", "whole https URL"},
		{"https://example.com/*/jwks", "without *"},
		{"https://example.com/a https://example.com/b", "one URL"},
		{"https://example.com/{header:X-Kid}", "only {with:NAME}"},
		{"https://example.com/{body}", "only {with:NAME}"},
		{"cookie X https://example.com/jwks", "no place"},
	} {
		s := bearer("RS256", KeyPublic)
		s.Keys = tt.keys
		_, err := s.Facts()
		if fault := new(SchemeError); !errors.As(err, &fault) || fault.Word != "keys" || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q: %v, want %q", tt.keys, err, tt.says)
		}
	}
	s := bearer("HS256", KeyText)
	s.Keys = "https://example.com/jwks"
	if _, err := s.Facts(); !errors.Is(err, ErrScheme) {
		t.Errorf("shared keys that are published: %v", err)
	}
}
