package webhook

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// asker keeps what it was asked for.
type asker struct {
	keys  []jose.JSONWebKey
	asked KeyRequest
	among string
}

func (a *asker) Keys(r KeyRequest, id string) ([]jose.JSONWebKey, error) {
	a.asked, a.among = r, id
	return a.keys, nil
}

var credentials = map[string]string{"host": "api.example.com", "id": "me & you", "secret": `"quoted"`}

func TestHowKeysAreAskedFor(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	body := []byte("{}")
	for _, tt := range []struct {
		name  string
		words Scheme
		key   string // id of what is published
		asked KeyRequest
		among string
		want  error
	}{
		{
			"one of many",
			Scheme{Keys: "https://{with:host}/jwks", KeyID: "header X-Key"},
			"k-1",
			KeyRequest{URL: "https://api.example.com/jwks"},
			"k-1", nil,
		},
		{
			"none of many",
			Scheme{Keys: "https://{with:host}/jwks", KeyID: "header X-Key"},
			"k-2",
			KeyRequest{URL: "https://api.example.com/jwks"},
			"k-1", ErrKeyUntrusted,
		},
		{
			"every one",
			Scheme{Keys: "https://{with:host}/jwks"},
			"k-2",
			KeyRequest{URL: "https://api.example.com/jwks"},
			"", nil,
		},
		{
			"in a part of the answer",
			Scheme{Keys: "https://{with:host}/config", KeyPath: "config.webhook.key*"},
			"",
			KeyRequest{URL: "https://api.example.com/config", Path: `config.webhook.key\*`},
			"", nil,
		},
		{
			"by its id, with a token",
			Scheme{Keys: "https://{with:host}/keys/{key_id}", KeyID: "header X-Key", KeyRequest: "bearer {with:secret}"},
			"",
			KeyRequest{URL: "https://api.example.com/keys/k-1", Bearer: `"quoted"`},
			"", nil,
		},
		{
			"by its id, and another one given",
			Scheme{Keys: "https://{with:host}/keys/{key_id}", KeyID: "header X-Key"},
			"k-2",
			KeyRequest{URL: "https://api.example.com/keys/k-1"},
			"", ErrKeyUntrusted,
		},
		{
			"by a document",
			Scheme{Keys: "https://{with:host}/get", KeyID: "header X-Key", KeyRequest: "json user={with:id} secret={with:secret} key_id={key_id} fixed=v1"},
			"k-1",
			KeyRequest{URL: "https://api.example.com/get", Body: `{"fixed":"v1","key_id":"k-1","secret":"\"quoted\"","user":"me \u0026 you"}`},
			"", nil,
		},
		{
			"with a token that is had first",
			Scheme{Keys: "https://{with:host}/keys/{key_id}", KeyID: "header X-Key", KeyRequest: "oauth https://{with:host}/token {with:id} {with:secret} https://example.com/scope"},
			"",
			KeyRequest{URL: "https://api.example.com/keys/k-1", TokenURL: "https://api.example.com/token", ClientID: "me & you", ClientSecret: `"quoted"`, Scope: "https://example.com/scope"},
			"", nil,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := publicKeyScheme(TypeECDSA, "sha256")
			s.Keys, s.KeyID, s.KeyPath, s.KeyRequest = tt.words.Keys, tt.words.KeyID, tt.words.KeyPath, tt.words.KeyRequest
			v, err := NewVerifier(s, nil, 0, credentials)
			if err != nil {
				t.Fatal(err)
			}
			source := &asker{keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: tt.key}}}
			v.FetchFrom(source)
			r := signedWith(body, must(ecdsa.SignASN1(rand.Reader, key, digestOf(body))))
			r.Header["X-Key"] = []string{"k-1"}
			if _, err := v.Verify(r, arrival); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if source.asked != tt.asked || source.among != tt.among {
				t.Errorf("asked for %#v among %q, want %#v among %q", fields(source.asked), source.among, fields(tt.asked), tt.among)
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				if text := fmt.Sprintf(verb, source.asked); strings.Contains(text, "quoted") {
					t.Errorf("%s shows a credential: %s", verb, text)
				}
			}
		})
	}
}

func fields(r KeyRequest) []string {
	return []string{r.URL, r.Path, r.Body, r.Bearer, r.TokenURL, r.ClientID, r.ClientSecret, r.Scope}
}

// Whoever names an id that is more than one has a say in what is asked.
func TestKeyIDsThatAreNotAskedFor(t *testing.T) {
	s := publicKeyScheme(TypeECDSA, "sha256")
	s.Keys, s.KeyID = "https://example.com/keys/{key_id}", "header X-Key"
	body := []byte("{}")
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	for _, ids := range [][]string{
		{}, {""}, {"a", "b"}, {"."}, {".."}, {"../keys"}, {"a/b"}, {"a%2fb"}, {"a?b"}, {"a#b"}, {"a b"}, {"a\n"}, {"a\x00"}, {`a"`}, {"ä"}, {"{key_id}"}, {strings.Repeat("a", 65)},
	} {
		v, err := NewVerifier(s, nil, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		source := &asker{keys: []jose.JSONWebKey{{Key: key.Public()}}}
		v.FetchFrom(source)
		r := signedWith(body, must(ecdsa.SignASN1(rand.Reader, key, digestOf(body))))
		r.Header["X-Key"] = ids
		if _, err := v.Verify(r, arrival); !errors.Is(err, ErrSignatureMalformed) || source.asked != (KeyRequest{}) {
			t.Errorf("%q: %v, and asked for %s", ids, err, source.asked)
		}
	}
	token := bearer("ES256", KeyPublic)
	token.Keys = s.Keys
	v, err := NewVerifier(token, nil, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	source := &asker{keys: []jose.JSONWebKey{{Key: key.Public()}}}
	v.FetchFrom(source)
	for id, want := range map[string]error{"k_1": nil, "": ErrSignatureMalformed, "../k_1": ErrSignatureMalformed} {
		source.asked = KeyRequest{}
		if _, err := v.Verify(bearing(es256(key, id)), arrival); !errors.Is(err, want) || (want == nil) != (source.asked.URL == "https://example.com/keys/k_1") {
			t.Errorf("a token's %q: %v, and asked for %s", id, err, source.asked)
		}
	}
}

func TestUnusableKeyRequests(t *testing.T) {
	for _, tt := range []struct {
		word  string
		words Scheme
		says  string
	}{
		{"keys", Scheme{Keys: "https://example.com{key_id}", KeyID: "header X-Key"}, "ends the path"},
		{"keys", Scheme{Keys: "https://{with:host}{key_id}", KeyID: "header X-Key"}, "ends the path"},
		{"keys", Scheme{Keys: "https://{key_id}", KeyID: "header X-Key"}, "whole https URL"},
		{"keys", Scheme{Keys: "https://example.com/{key_id}/jwks", KeyID: "header X-Key"}, "{key_id}"},
		{"keys", Scheme{Keys: "header X-Url https://example.com/keys/{key_id}", KeyID: "header X-Key"}, "ends the path of one URL"},
		{"key_id", Scheme{Keys: "https://example.com/keys/{key_id}"}, "write where deliveries have it"},
		{"key_id", Scheme{Keys: "https://example.com/get", KeyRequest: "json id={key_id}"}, "write where deliveries have it"},
		{"key_id", Scheme{Keys: "https://example.com/jwks", KeyID: "cookie kid"}, "names no place"},
		{"key_id", Scheme{KeyID: "header X-Key"}, "published keys"},
		{"key_path", Scheme{KeyPath: "data.key"}, "published keys"},
		{"key_path", Scheme{Keys: "https://example.com/jwks", KeyPath: "data..key"}, "data.publicKey"},
		{"key_request", Scheme{KeyRequest: "bearer {with:secret}"}, "published keys"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "bearer"}, "bearer TOKEN"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "bearer a b"}, "bearer TOKEN"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "bearer {header:X-Token}"}, "only {with:NAME}"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "bearer {key_id}"}, "{key_id}"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "basic a b"}, "bearer TOKEN"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "json"}, "NAME=VALUE"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "json id"}, "NAME=VALUE"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "json =x"}, "NAME=VALUE"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "json id={body}"}, "only {with:NAME}"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "oauth https://example.com/token a b"}, "TOKEN-URL"},
		{"key_request", Scheme{Keys: "https://example.com/jwks", KeyRequest: "oauth http://example.com/token a b c"}, "no https URL"},
	} {
		s := publicKeyScheme(TypeECDSA, "sha256")
		s.Keys, s.KeyID, s.KeyPath, s.KeyRequest = tt.words.Keys, tt.words.KeyID, tt.words.KeyPath, tt.words.KeyRequest
		_, err := s.Facts()
		if fault := new(SchemeError); !errors.As(err, &fault) || fault.Word != tt.word || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v, want %s to say %q", tt.words, err, tt.word, tt.says)
		}
	}
	s := publicKeyScheme(TypeECDSA, "sha256")
	s.Keys, s.KeyRequest = "https://example.com/jwks", "oauth https://{with:host}/token a b c"
	for _, with := range []map[string]string{nil, {"host": "user@example.com"}} {
		if _, err := NewVerifier(s, nil, 0, with); !errors.Is(err, ErrScheme) {
			t.Errorf("with %v: %v", with, err)
		}
	}
	if facts, err := s.Facts(); err != nil || fmt.Sprint(facts.Parameters) != "[host]" {
		t.Errorf("facts %+v, %v", facts, err)
	}
}
