package webhook

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
)

var detachedScheme = Scheme{
	Type: TypeJWS, Algorithm: "ES256", Key: KeyPublic, Signature: "header X-Sig",
	Signed:    "{method} {path}\n{header_lines:X-Sig>listed,X-Time}{body}",
	Timestamp: "header X-Time",
}

// detached signs a payload and leaves it out, RFC 7515 appendix F.
func detached(key *ecdsa.PrivateKey, header, payload string) string {
	whole := signToken(header, payload, func(input []byte) []byte {
		h := crypto.SHA256.New()
		h.Write(input)
		r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	})
	parts := strings.Split(whole, ".")
	return parts[0] + ".." + parts[2]
}

func TestDetachedSignature(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	const (
		listing = `{"alg":"ES256","listed":"x-time,X-Two"}`
		signed  = "POST /in\nx-time: 1767225600\nX-Two: 2\n{}"
	)
	genuine := detached(key, listing, signed)
	with := func(signature string) *Request {
		return &Request{Method: "POST", Path: "/in", Body: []byte("{}"), Header: http.Header{"X-Sig": {signature}, "X-Time": {"1767225600"}, "X-Two": {"2"}}}
	}
	changed := func(change func(r *Request)) *Request {
		r := with(genuine)
		change(r)
		return r
	}
	head, tail, _ := strings.Cut(genuine, "..")
	encode := base64.RawURLEncoding.EncodeToString
	for _, tt := range []struct {
		name string
		r    *Request
		want error
	}{
		{"as it is", with(genuine), nil},
		{"a field that is listed and absent", func() *Request {
			r := with(detached(key, `{"alg":"ES256","listed":"X-Time,X-None"}`, "POST /in\nX-Time: 1767225600\nX-None: \n{}"))
			return r
		}(), nil},
		{"another method", changed(func(r *Request) { r.Method = "PUT" }), ErrSignatureMismatch},
		{"another path", changed(func(r *Request) { r.Path = "/other" }), ErrSignatureMismatch},
		{"another value of a listed field", changed(func(r *Request) { r.Header.Set("X-Two", "3") }), ErrSignatureMismatch},
		{"a field that is not listed", changed(func(r *Request) { r.Header.Set("X-Three", "3") }), nil},
		{"another body", changed(func(r *Request) { r.Body = []byte("[]") }), ErrSignatureMismatch},
		{"another list", with(encode([]byte(`{"alg":"ES256","listed":"x-time"}`)) + ".." + tail), ErrSignatureMismatch},
		{"a line moved into the body", changed(func(r *Request) {
			r.Header.Set("X-Sig", encode([]byte(`{"alg":"ES256","listed":"x-time"}`))+".."+tail)
			r.Body = []byte("X-Two: 2\n{}")
		}), ErrSignatureMismatch},
		{"the time not listed", with(detached(key, `{"alg":"ES256","listed":"X-Two"}`, "POST /in\nX-Two: 2\n{}")), ErrSignatureMalformed},
		{"no list", with(detached(key, `{"alg":"ES256"}`, "POST /in\n{}")), ErrSignatureMalformed},
		{"a listed field given twice", changed(func(r *Request) { r.Header["X-Two"] = []string{"2", "3"} }), ErrSignatureMalformed},
		{"two lists", changed(func(r *Request) {
			r.Header["X-Sig"] = []string{genuine, encode([]byte(`{"listed":"x-time"}`)) + "..AA"}
		}), ErrSignatureMalformed},
		{"another key", with(detached(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), listing, signed)), ErrSignatureMismatch},
		{"another algorithm", with(detached(key, `{"alg":"ES384","listed":"X-Time"}`, signed)), ErrSignatureMalformed},
		{"no algorithm", with(encode([]byte(`{"alg":"none","listed":"X-Time"}`)) + ".."), ErrSignatureMalformed},
		{"with its payload", with(head + "." + encode([]byte(signed)) + "." + tail), ErrSignatureMalformed},
		{"in two parts", with(head + "." + tail), ErrSignatureMalformed},
		{"in four parts", with(genuine + ".AA"), ErrSignatureMalformed},
		{"with blanks", with(head + ".." + tail + " "), ErrSignatureMalformed},
		{"dots alone", with(".."), ErrSignatureMalformed},
		{"missing", changed(func(r *Request) { r.Header.Del("X-Sig") }), ErrSignatureMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := mustVerifier(t, detachedScheme, nil, publicSecret(t, key.Public()))
			if _, err := v.Verify(tt.r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// RFC 7797: a payload that is not encoded.
func TestDetachedSignatureOverBareBytes(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s := detachedScheme
	s.Signed, s.Timestamp = "{body}", ""
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","b64":false,"crit":["b64"]}`))
	h := crypto.SHA256.New()
	h.Write([]byte(head + ".{}"))
	r, q, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	signature := head + ".." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), q.FillBytes(make([]byte, 32))...))
	v := mustVerifier(t, s, nil, publicSecret(t, key.Public()))
	for body, want := range map[string]error{"{}": nil, "[]": ErrSignatureMismatch} {
		if _, err := v.Verify(&Request{Header: http.Header{"X-Sig": {signature}}, Body: []byte(body)}, arrival); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}

func TestUnusableDetachedSchemes(t *testing.T) {
	for name, change := range map[string]func(s *Scheme){
		"a shared key":                         func(s *Scheme) { s.Algorithm, s.Key = "HS256", KeyText },
		"no algorithm":                         func(s *Scheme) { s.Algorithm = "" },
		"a key that is a text":                 func(s *Scheme) { s.Key = KeyText },
		"an encoding":                          func(s *Scheme) { s.Encoding = "hex" },
		"claims":                               func(s *Scheme) { s.Claims = "iss=acme" },
		"a key id of its own":                  func(s *Scheme) { s.Keys, s.KeyID = "https://example.com/jwks", "header X-Key" },
		"nothing of the body":                  func(s *Scheme) { s.Signed = "{timestamp}" },
		"a list in an unsigned field":          func(s *Scheme) { s.Signed = "{header_lines:X-List>names,X-Time}{body}" },
		"a list beside a signature of a field": func(s *Scheme) { s.Type, s.Algorithm, s.Encoding = TypeECDSA, "sha256", "hex" },
		"lines without a name":                 func(s *Scheme) { s.Signed = "{header_lines:X-Sig>listed}{body}" },
		"lines without a path":                 func(s *Scheme) { s.Signed = "{header_lines:X-Sig,X-Time}{body}" },
	} {
		s := detachedScheme
		change(&s)
		if _, err := s.Facts(); !errors.Is(err, ErrScheme) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := detachedScheme.Signable(); !errors.Is(err, ErrScheme) {
		t.Errorf("signed with the public key: %v", err)
	}
	if facts, err := detachedScheme.Facts(); err != nil || facts.Proof != ProofSignature || !facts.SignsBody || strings.Join(facts.Header, " ") != "X-Sig X-Time X-Sig X-Time" {
		t.Errorf("facts %+v, %v", facts, err)
	}
}
