package keyfetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// asked is what a source was asked, one request after another.
func asked(t *testing.T, s *source, answer http.HandlerFunc) *[]string {
	t.Helper()
	var all []string
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		line := fmt.Sprint(r.Method, " ", r.URL, " ", r.Header.Get("Authorization"), " ", r.Header.Get("Content-Type"), " ", string(body))
		all = append(all, strings.Join(strings.Fields(line), " "))
		answer(w, r)
	})
	return &all
}

func TestCredentialsAreShown(t *testing.T) {
	s := newSource(t, nil)
	keys := jwks("a")
	for _, tt := range []struct {
		name string
		r    Request
		want []string
	}{
		{"none", Request{URL: s.URL + "/keys"}, []string{"GET /keys"}},
		{"a bearer token", Request{URL: s.URL + "/keys/a", Bearer: "token"}, []string{"GET /keys/a Bearer token"}},
		{"a document", Request{URL: s.URL + "/get", Body: `{"secret":"s"}`}, []string{`POST /get application/json {"secret":"s"}`}},
		{
			"a client's",
			Request{URL: s.URL + "/keys/a", TokenURL: s.URL + "/token", ClientID: "me:", ClientSecret: "a b", Scope: "https://example.com/scope"},
			[]string{
				"POST /token Basic " + base64.StdEncoding.EncodeToString([]byte("me%3A:a+b")) + " application/x-www-form-urlencoded grant_type=client_credentials&scope=https%3A%2F%2Fexample.com%2Fscope",
				"GET /keys/a Bearer given",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := asked(t, s, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/token" {
					fmt.Fprint(w, `{"access_token":"given","expires_in":7200}`)
					return
				}
				keys(w, r)
			})
			for range 2 { // the second time, they are known
				if _, err := s.cache.Keys(tt.r, ""); err != nil {
					t.Error(err)
				}
			}
			if !slices.Equal(*all, tt.want) {
				t.Errorf("asked\n%q, want\n%q", *all, tt.want)
			}
		})
	}
}

// What one tenant has with its credentials is not another one's.
func TestRequestsThatDifferHaveAnswersOfTheirOwn(t *testing.T) {
	s := newSource(t, jwks("a"))
	base := Request{URL: s.URL, Path: "keys", Body: "{}", Bearer: "b", TokenURL: s.URL, ClientID: "i", ClientSecret: "s", Scope: "p"}
	for i, change := range []func(r *Request){
		func(*Request) {},
		func(r *Request) { r.URL += "/x" },
		func(r *Request) { r.Path = "" },
		func(r *Request) { r.Body = "[]" },
		func(r *Request) { r.Bearer = "c" },
		func(r *Request) { r.TokenURL += "/x" },
		func(r *Request) { r.ClientID = "j" },
		func(r *Request) { r.ClientSecret = "t" },
		func(r *Request) { r.Scope = "q" },
	} {
		r := base
		change(&r)
		if _, err := s.cache.Keys(r, ""); !errors.Is(err, ErrUnavailable) { // the answer has no token
			t.Fatal(err)
		}
		if got := len(s.cache.entries); got != i+1 {
			t.Errorf("change %d: %d entries", i, got)
		}
	}
}

func TestCredentialsShowNowhere(t *testing.T) {
	const secret = "hunter2"
	s := newSource(t, down)
	var told []string
	s.cache.Failed = func(err error) { told = append(told, err.Error()) }
	quoting := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "https://example.com/?"+r.Header.Get("Authorization"))
		w.WriteHeader(http.StatusUnauthorized)
	}
	noToken := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"error":%q}`, r.Header.Get("Authorization"))
	}
	n := 0
	for _, answer := range []http.HandlerFunc{down, quoting, noToken, serve(secret)} {
		for _, r := range []Request{
			{Bearer: secret},
			{Bearer: secret + "\n"},
			{Body: `{"secret":"` + secret + `"}`},
			{TokenURL: s.URL + "/" + secret, ClientID: secret, ClientSecret: secret},
			{TokenURL: "http://example.com/" + secret, ClientID: secret, ClientSecret: secret},
			{TokenURL: "https://127.0.0.1:1/" + secret, ClientID: secret, ClientSecret: secret},
		} {
			n++
			r.URL = fmt.Sprint(s.URL, "/", n)
			s.answers(answer)
			_, err := s.cache.Keys(r, "")
			if !errors.Is(err, ErrUnavailable) {
				t.Fatalf("%v", err)
			}
			told = append(told, err.Error())
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				told = append(told, fmt.Sprintf(verb, r), fmt.Sprintf(verb, map[Request]int{r: 1}))
			}
		}
	}
	for _, text := range told {
		if strings.Contains(text, secret) || !strings.Contains(text, s.URL) {
			t.Errorf("%q", text)
		}
	}
	if got := s.cache.Counters.Failures.Load(); got != uint64(n) {
		t.Errorf("%d failures, want %d", got, n)
	}
}

func TestKeysInsideOfAnswers(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	quote := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	jwk := quote(jose.JSONWebKey{Key: key.Public(), KeyID: "a"})
	inPEM := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	for _, tt := range []struct{ name, path, answer string }{
		{"PEM", "config.webhook.key", `{"config":{"webhook":{"key":` + quote(inPEM) + `}}}`},
		{"PEM in one line", "key", `{"key":` + quote(strings.ReplaceAll(inPEM, "\n", "")) + `}`},
		{"base64", "data.publicKey", `{"data":{"publicKey":` + quote(der) + `}}`},
		{"a JWK", "key", `{"key":` + jwk + `,"request_id":"x"}`},
		{"a JWK that is in force", "key", `{"key":` + strings.Replace(jwk, "{", `{"expired_at":null,`, 1) + `}`},
		{"a JWK in a text", "key", `{"key":` + quote(jwk) + `}`},
		{"a JWKS", "data.0", `{"data":[{"keys":[` + jwk + `]}]}`},
		{"base64 that is all", "", base64.StdEncoding.EncodeToString(der)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(t, serve(tt.answer))
			keys, err := s.cache.Keys(Request{URL: s.URL, Path: tt.path}, "")
			if err != nil || len(keys) != 1 || !key.PublicKey.Equal(keys[0].Key) {
				t.Errorf("%v, %v", keys, err)
			}
		})
	}
	for _, tt := range []struct{ name, path, answer string }{
		{"another path", "data.key", `{"key":` + jwk + `}`},
		{"a number", "key", `{"key":1}`},
		{"null", "key", `{"key":null}`},
		{"a list", "key", `{"key":[` + jwk + `]}`},
		{"an empty text", "key", `{"key":""}`},
		{"base64 of something else", "key", `{"key":"AAAA"}`},
		{"JSON that breaks off", "key", `{"key":` + jwk},
		{"a private key", "key", `{"key":` + quote(jose.JSONWebKey{Key: key}) + `}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(t, serve(tt.answer))
			if keys, err := s.cache.Keys(Request{URL: s.URL, Path: tt.path}, ""); !errors.Is(err, ErrUnavailable) {
				t.Errorf("%v, %v", keys, err)
			}
		})
	}
}

// TrueLayer's own examples are written so.
func TestLeadingZerosMayBeLeftOut(t *testing.T) {
	for curve, name := range map[elliptic.Curve]string{elliptic.P256(): "P-256", elliptic.P384(): "P-384", elliptic.P521(): "P-521"} {
		x, y := new(big.Int), new(big.Int)
		size := (curve.Params().BitSize + 7) / 8
		for x.Sign() == 0 || len(x.Bytes()) == size { // but for one in 256, or every other one on P-521
			key, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			point, err := key.PublicKey.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			x.SetBytes(point[1 : 1+size])
			y.SetBytes(point[1+size:])
		}
		encode := base64.RawURLEncoding.EncodeToString
		keys, err := parse(fmt.Appendf(nil, `{"kty":"EC","crv":%q,"x":%q,"y":%q}`, name, encode(x.Bytes()), encode(y.Bytes())), "")
		if err != nil || len(keys) != 1 {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
}

// A source that is up and says that its key is no longer one is not down.
func TestKeyThatWasWithdrawn(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSource(t, serve(string(jwk)))
	s.expect(t, "a", nil, 1)
	s.answers(serve(strings.Replace(string(jwk), "{", `{"expired_at":1767225600,`, 1)))
	s.pass(defaultLifetime)
	s.expect(t, "a", ErrUnavailable, 2)
	s.answers(serve(string(jwk)))
	s.pass(firstRetry)
	s.expect(t, "a", nil, 3)
	s.answers(down)
	s.pass(defaultLifetime + time.Second)
	s.expect(t, "a", nil, 4)
}

// Whatever is published, what is taken for a key is a public one.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"keys":[{"kty":"EC","kid":"b","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"key":"-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZhhxXKtR+TOvtDbgTPCkSof02qgBB7IsYOyf76ilExJ/upAa/vKIKheOoCyOpcLmi4t0b4uepb7LLjmMr90FUg==-----END PUBLIC KEY-----"}`,
		`{"key":"MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="}`, `{"key":{"kty":"oct","k":"c2VjcmV0"}}`, `{"key":{"expired_at":1}}`, "-----BEGIN", "", "{",
	} {
		f.Add([]byte(seed), "key")
		f.Add([]byte(seed), "")
	}
	f.Fuzz(func(t *testing.T, text []byte, path string) {
		keys, err := parse(text, path)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys and %v", len(keys), err)
		}
		for _, key := range keys {
			if !key.IsPublic() || !key.Valid() || key.Use == "enc" {
				t.Fatalf("took %+v", key)
			}
		}
	})
}
