package webhook

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Each row is a description of a secret that is sent itself, or of a plain
// digest, that must not be taken, and the word at fault.
func TestUnusableTokensAndDigests(t *testing.T) {
	token := Scheme{Type: TypeToken, Signature: "header Authorization Bearer {signature}"}
	basic := Scheme{Type: TypeBasic}
	plain := Scheme{Type: TypeDigest, Algorithm: "sha256", Encoding: "hex", Signature: "header X-Sig", Signed: "{secret}{body}"}
	for _, tt := range []struct {
		name   string
		scheme Scheme
		change func(*Scheme)
		word   string
	}{
		{"token without a place", token, func(s *Scheme) { s.Signature = "" }, "signature"},
		{"token with an algorithm", token, func(s *Scheme) { s.Algorithm = "sha256" }, "algorithm"},
		{"token with an encoding", token, func(s *Scheme) { s.Encoding = "hex" }, "encoding"},
		{"token that seems to sign", token, func(s *Scheme) { s.Signed = "{body}" }, "signed"},
		{"token with a timestamp", token, func(s *Scheme) { s.Timestamp = "header X-Time" }, "timestamp"},
		{"token with a timestamp in its format", token, func(s *Scheme) { s.Signature = "header X-Sig {timestamp}.{signature}" }, "signature"},
		{"token with a key form", token, func(s *Scheme) { s.Key = KeyHex }, "key"},
		{"basic with a place", basic, func(s *Scheme) { s.Signature = "header Authorization" }, "signature"},
		{"basic with an algorithm", basic, func(s *Scheme) { s.Algorithm = "sha256" }, "algorithm"},
		{"basic with an encoding", basic, func(s *Scheme) { s.Encoding = "base64" }, "encoding"},
		{"basic that seems to sign", basic, func(s *Scheme) { s.Signed = "{body}" }, "signed"},
		{"basic with a timestamp", basic, func(s *Scheme) { s.Timestamp = "header X-Time" }, "timestamp"},
		{"basic with a key form", basic, func(s *Scheme) { s.Key = KeyHex }, "key"},
		{"digest without the secret", plain, func(s *Scheme) { s.Signed = "{body}" }, "signed"},
		{"digest without the body", plain, func(s *Scheme) { s.Signed = "{secret}" }, "signed"},
		{"digest without an algorithm", plain, func(s *Scheme) { s.Algorithm = "" }, "algorithm"},
		{"digest without an encoding", plain, func(s *Scheme) { s.Encoding = "" }, "encoding"},
		{"digest with a key form", plain, func(s *Scheme) { s.Key = KeyHex }, "key"},
		{"signature over the secret", plain, func(s *Scheme) { s.Type, s.Key = TypeECDSA, KeyPublic }, "signed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.scheme.Facts(); err != nil {
				t.Fatal(err)
			}
			tt.change(&tt.scheme)
			var fault *SchemeError
			if _, err := tt.scheme.Facts(); !errors.Is(err, ErrScheme) || !errors.As(err, &fault) || fault.Word != tt.word {
				t.Errorf("got %v, want one about %s", err, tt.word)
			}
		})
	}
}

func TestFactsOfTokens(t *testing.T) {
	for _, tt := range []struct {
		scheme Scheme
		want   Facts
	}{
		{
			Scheme{Type: TypeToken, Signature: "header X-Token", DeliveryID: "body id"},
			Facts{Proof: ProofToken, HasID: true, Header: []string{"X-Token"}},
		},
		{
			Scheme{Type: TypeBasic, DeliveryID: "header X-Id"},
			Facts{Proof: ProofToken, HasID: true, Header: []string{"Authorization", "X-Id"}},
		},
		{
			Scheme{Type: TypeDigest, Algorithm: "md5", Encoding: "hex", Signature: "header X-Sig", Signed: "{body}{secret}", DeliveryID: "body id"},
			Facts{Proof: ProofSignature, HasID: true, SignsID: true, SignsBody: true, Header: []string{"X-Sig"}},
		},
	} {
		if got, err := tt.scheme.Facts(); err != nil || fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tt.scheme.Type, got, err, tt.want)
		}
	}
}

// The secret is "key", or "user:pa:ss" for basic.
func TestTokens(t *testing.T) {
	encoded := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	header := func(values ...string) Request { return Request{Header: http.Header{"Authorization": values}} }
	bearer := Scheme{Type: TypeToken, Signature: "header Authorization Bearer {signature}"}
	query := Scheme{Type: TypeToken, Signature: "query token"}
	form := Scheme{Type: TypeToken, Signature: "form token"}
	body := Scheme{Type: TypeToken, Signature: "body auth.token"}
	each := Scheme{Type: TypeToken, Signature: "body value.#.state"}
	basic := Scheme{Type: TypeBasic}
	for _, tt := range []struct {
		name    string
		scheme  Scheme
		request Request
		want    error
	}{
		{"bearer", bearer, header("Bearer key"), nil},
		{"whatever the body", bearer, Request{Header: http.Header{"Authorization": {"Bearer key"}}, Body: []byte("anything")}, nil},
		{"other token", bearer, header("Bearer yek"), ErrSignatureMismatch},
		{"shorter token", bearer, header("Bearer ke"), ErrSignatureMismatch},
		{"longer token", bearer, header("Bearer key "), ErrSignatureMismatch},
		{"token of a megabyte", bearer, header("Bearer " + strings.Repeat("k", 1<<20)), ErrSignatureMismatch},
		{"second field matches", bearer, header("Bearer yek", "Bearer key"), nil},
		{"no header", bearer, header(), ErrSignatureMissing},
		{"blank header", bearer, header(" "), ErrSignatureMissing},
		{"no token behind the prefix", bearer, header("Bearer "), ErrSignatureMalformed},
		{"no prefix", bearer, header("key"), ErrSignatureMalformed},
		{"query", query, Request{Query: "a=b&token=key"}, nil},
		{"empty query parameter", query, Request{Query: "token="}, ErrSignatureMissing},
		{"form", form, Request{Body: []byte("a=b&token=k%65y")}, nil},
		{"other form field", form, Request{Body: []byte("Token=key")}, ErrSignatureMissing},
		{"body", body, Request{Body: []byte(`{"auth":{"token":"key"}}`)}, nil},
		{"null in the body", body, Request{Body: []byte(`{"auth":{"token":null}}`)}, ErrSignatureMissing},
		{"array in the body", body, Request{Body: []byte(`{"auth":{"token":["key"]}}`)}, ErrSignatureMissing},
		{"one element", each, Request{Body: []byte(`{"value":[{"state":"key","id":1}]}`)}, nil},
		{"each element", each, Request{Body: []byte(`{"value":[{"state":"key"},{"state":"key"}]}`)}, nil},
		{"another token in one element", each, Request{Body: []byte(`{"value":[{"state":"key"},{"state":"yek"}]}`)}, ErrSignatureMismatch},
		{"another token in the first element", each, Request{Body: []byte(`{"value":[{"state":"yek"},{"state":"key"}]}`)}, ErrSignatureMismatch},
		{"no token in one element", each, Request{Body: []byte(`{"value":[{"state":"key"},{"id":1}]}`)}, ErrSignatureMissing},
		{"an array for a token", each, Request{Body: []byte(`{"value":[{"state":["key"]}]}`)}, ErrSignatureMissing},
		{"no object for an element", each, Request{Body: []byte(`{"value":[{"state":"key"},"key"]}`)}, ErrSignatureMissing},
		{"no element", each, Request{Body: []byte(`{"value":[]}`)}, ErrSignatureMissing},
		{"no array", each, Request{Body: []byte(`{"value":{"state":"key"}}`)}, ErrSignatureMissing},
		{"a second array", each, Request{Body: []byte(`{"value":[{"state":"key"}],"value":[{}]}`)}, ErrSignatureMalformed},
		{"too many tokens", each, Request{Body: []byte(`{"value":[{"state":"key"}` + manyStates() + `]}`)}, ErrSignatureMalformed},
		{"basic", basic, header("Basic " + encoded("user:pa:ss")), nil},
		{"basic in small letters", basic, header("basic " + encoded("user:pa:ss")), nil},
		{"other password", basic, header("Basic " + encoded("user:pa:s")), ErrSignatureMismatch},
		{"other user", basic, header("Basic " + encoded("use:r:pa:ss")), ErrSignatureMismatch},
		{"no colon", basic, header("Basic " + encoded("user")), ErrSignatureMalformed},
		{"no base64", basic, header("Basic user:pa:ss"), ErrSignatureMalformed},
		{"base64 cut short", basic, header("Basic " + strings.TrimRight(encoded("user:pa:ss"), "=")), ErrSignatureMalformed},
		{"base64 with trailing bits", basic, header("Basic dXNlcjpwYTpzcx=="), ErrSignatureMalformed},
		{"other scheme", basic, header("Bearer " + encoded("user:pa:ss")), ErrSignatureMalformed},
		{"scheme alone", basic, header("Basic"), ErrSignatureMalformed},
		{"no scheme", basic, header(encoded("user:pa:ss")), ErrSignatureMalformed},
		{"no credentials", basic, header(), ErrSignatureMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			secret := "key"
			if tt.scheme.Type == TypeBasic {
				secret = "user:pa:ss"
			}
			v := mustVerifier(t, tt.scheme, nil, mustSecret(t, "old:secret", KeyText), mustSecret(t, secret, KeyText))
			if _, err := v.Verify(&tt.request, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestBasicSecretNeedsItsColon(t *testing.T) {
	_, err := NewVerifier(Scheme{Type: TypeBasic}, []Secret{mustSecret(t, "hunter2", KeyText)}, 0, nil)
	if !errors.Is(err, ErrSecretEncoding) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestSecretAsKeyAndInWhatIsSigned(t *testing.T) {
	s := Scheme{Type: TypeHMAC, Algorithm: "sha256", Encoding: "hex", Signature: "header X-Sig", Signed: "{secret}{body}"}
	r := &Request{Header: http.Header{}, Body: []byte("{}")}
	r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", "key{}")))
	if _, err := mustVerifier(t, s, nil, mustSecret(t, "old", KeyText), mustSecret(t, "key", KeyText)).Verify(r, arrival); err != nil {
		t.Error(err)
	}
	r.Header.Set("X-Sig", hex.EncodeToString(sum(sha256.New, "key", "old{}")))
	if _, err := mustVerifier(t, s, nil).Verify(r, arrival); !errors.Is(err, ErrSignatureMismatch) {
		t.Errorf("another secret in what is signed: %v", err)
	}
}

// The digests are computed with openssl dgst.
func TestPlainDigests(t *testing.T) {
	for _, tt := range []struct{ algorithm, signed, digest string }{
		{"md5", "{body}{secret}", "bd13e5fa016c138852245095ef3e67b9"},
		{"sha1", "{body}{timestamp}{secret}", "ce9fa6ca3d72ee3fb22ce061f915b23fd74b9cbc"},
		{"sha256", "{secret}{method}{url}{body}", "5baba869dd2333466ff06452cb331e6ced45dd6981200fec6b46827f6495d9fe"},
		{"sha512", "{json:id}{json:amount}{secret}", "8c1ac79714e7553840b0eb06f496bd5b52e3344a3c339e85f2940bce70798ce6104e5c888563d0cab312cea2cf7f2188cc03b299c622c5d87127d23b6c6c7dc5"},
	} {
		t.Run(tt.algorithm, func(t *testing.T) {
			s := Scheme{Type: TypeDigest, Algorithm: tt.algorithm, Encoding: "hex", Signature: "header X-Sig", Signed: tt.signed}
			if strings.Contains(tt.signed, "{timestamp}") {
				s.Timestamp = "header X-Time"
			}
			r := &Request{
				Method: "POST", URL: "https://x.example/in",
				Header: http.Header{"X-Sig": {tt.digest}, "X-Time": {"1767225600"}},
				Body:   []byte(`{"id":"7","amount":10.00}`),
			}
			v := mustVerifier(t, s, nil, mustSecret(t, "old", KeyText), mustSecret(t, "key", KeyText))
			if _, err := v.Verify(r, arrival); err != nil {
				t.Error(err)
			}
			r.Body = []byte(`{"id":"7","amount":10.01}`)
			if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMismatch) {
				t.Errorf("other amount: %v", err)
			}
		})
	}
}

// What a signer adds, wherever it is, is accepted, and all else is left as it was.
func TestSignTokensAndDigests(t *testing.T) {
	for _, tt := range []struct {
		scheme     Scheme
		body, want string
	}{
		{Scheme{Type: TypeToken, Signature: "header X-Token"}, `{"a":1}`, `{"a":1}`},
		{Scheme{Type: TypeToken, Signature: "query token"}, ``, ``},
		{Scheme{Type: TypeToken, Signature: "form token"}, `a=1`, `a=1&token=user%3Apassword`},
		{Scheme{Type: TypeToken, Signature: "form token"}, ``, `token=user%3Apassword`},
		{Scheme{Type: TypeToken, Signature: "body auth.to*ken"}, `{"a":1}`, `{"auth":{"to*ken":"user:password"},"a":1}`},
		{Scheme{Type: TypeBasic}, `{}`, `{}`},
		{
			Scheme{Type: TypeDigest, Algorithm: "md5", Encoding: "hex", Signature: "body key", Signed: "{json:a}{secret}"},
			`{"a":1}`, `{"key":"6e481439bcedfdcbba56176ecd0d2376","a":1}`,
		},
	} {
		t.Run(tt.scheme.Type+" "+tt.scheme.Signature, func(t *testing.T) {
			secret := mustSecret(t, "user:password", KeyText)
			signer, err := NewSigner(tt.scheme, secret, nil)
			if err != nil {
				t.Fatal(err)
			}
			r := &Request{Header: http.Header{}, Body: []byte(tt.body)}
			if err := signer.Sign(r, "", "", arrival); err != nil {
				t.Fatal(err)
			}
			if string(r.Body) != tt.want {
				t.Errorf("body %s, want %s", r.Body, tt.want)
			}
			if _, err := mustVerifier(t, tt.scheme, nil, secret).Verify(r, arrival); err != nil {
				t.Error(err)
			}
		})
	}
}

// No base64 but that of the secret passes, and nothing panics.
func FuzzBasic(f *testing.F) {
	for _, seed := range []string{"Basic dXNlcjpwYXNz", "basic  dXNlcjpwYXNz", "Basic dXNlcg==", "Basic ", "Bearer x", "Basic dXNlcjpwYXNz\n", "Basic =", " Basic dTpw"} {
		f.Add(seed)
	}
	v := mustVerifier(f, Scheme{Type: TypeBasic}, nil, mustSecret(f, "user:pass", KeyText))
	f.Fuzz(func(t *testing.T, value string) {
		r := &Request{Header: http.Header{"Authorization": {value}}}
		_, err := v.Verify(r, arrival)
		scheme, encoded, _ := strings.Cut(value, " ")
		decoded, failure := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
		genuine := strings.EqualFold(scheme, "Basic") && failure == nil && string(decoded) == "user:pass"
		if err == nil && !genuine {
			t.Fatalf("accepted %q", value)
		}
		if value == "Basic dXNlcjpwYXNz" && err != nil {
			t.Fatal(err)
		}
		if err != nil && !errors.Is(err, ErrSignatureMissing) && !errors.Is(err, ErrSignatureMalformed) && !errors.Is(err, ErrSignatureMismatch) {
			t.Fatalf("%q: no cause: %v", value, err)
		}
	})
}

func manyStates() string {
	var b strings.Builder
	for i := range maxSignatures {
		fmt.Fprintf(&b, `,{"state":"%d"}`, i)
	}
	return b.String()
}

// While a secret is changed, one request can hold deliveries of both.
func TestElementsWithTokensOfDifferentSecrets(t *testing.T) {
	s := Scheme{Type: TypeToken, Signature: "body #.state"}
	old, err := ParseSecret("old", "yek", KeyText)
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier(s, []Secret{mustSecret(t, "key", KeyText), old}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]error{
		`[{"state":"key"},{"state":"yek"}]`:                 nil,
		`[{"state":"yek"},{"state":"yek"}]`:                 nil,
		`[{"state":"key"},{"state":"yek"},{"state":"eyk"}]`: ErrSignatureMismatch,
	} {
		if _, err := v.Verify(&Request{Body: []byte(body)}, arrival); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
}
