package caddymodule

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// A published key is fetched, once; one that is not trusted is no reason to come
// again, and one that cannot be had now is.
func TestPublishedKeys(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	var asked atomic.Int64
	source := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: public, KeyID: "k1"}}})
	}))
	t.Cleanup(source.Close)

	app := newApplication(t)
	begin := func() *gate {
		before := publishedKeys
		publishedKeys = newKeySource(source.Client().Transport, nil)
		g := serve(t, app, strings.ReplaceAll(`
	route /hook {
		verify_webhook {
			name fetched
			scheme jwt {
				algorithm EdDSA
				key public
				keys SOURCE/jwks
				signature header Authorization "Bearer {signature}"
				claims iss=acme body={sha256:body}
				delivery_id claim jti
			}
		}
		reverse_proxy APP
	}
`, "SOURCE", source.URL))
		publishedKeys = before // what has been provisioned keeps its own
		return g
	}
	const body = `{"paid":true}`
	post := func(g *gate, key, issuer, id string) answer {
		sum := sha256.Sum256([]byte(body))
		encode := base64.RawURLEncoding.EncodeToString
		input := encode([]byte(`{"alg":"EdDSA","kid":"`+key+`"}`)) + "." +
			encode([]byte(`{"iss":"`+issuer+`","jti":"`+id+`","body":"`+hex.EncodeToString(sum[:])+`"}`))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url("/hook"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+input+"."+encode(ed25519.Sign(private, []byte(input))))
		return g.do(r)
	}

	g := begin()
	a := post(g, "k1", "acme", "d-1")
	a.wants(t, 503, `{"error":"Unavailable, try again"}`)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	post(g, "k1", "acme", "d-1").wants(t, 503, `{"error":"Unavailable, try again"}`)
	if asked.Load() != 1 {
		t.Errorf("a source that is down was asked %d times", asked.Load())
	}

	up.Store(true)
	g = begin()
	post(g, "k1", "acme", "d-1").wants(t, 200, "handled")
	post(g, "k1", "acme", "d-1").wants(t, 200, `{"received":true,"duplicate":true}`)
	post(g, "forged", "acme", "d-2").wants(t, 401, `{"error":"Invalid signature"}`)
	post(g, "k1", "other", "d-3").wants(t, 401, `{"error":"Invalid signature"}`)
	if asked.Load() != 2 {
		t.Errorf("the keys were fetched %d times", asked.Load()-1)
	}
	if calls := app.calls(); len(calls) != 1 || calls[0].header.Get("Hookpass-Verified") != "signature" {
		t.Errorf("the application got %+v", calls)
	}
}

// An API gives its keys to those alone who show credentials, which are read like
// secrets, and show nowhere.
func TestKeysThatTakeCredentials(t *testing.T) {
	const secret = "hunter2-key"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	source := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret || r.URL.Path != "/keys/k-1" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"key": jose.JSONWebKey{Key: public}}})
	}))
	t.Cleanup(source.Close)
	before := publishedKeys
	publishedKeys = newKeySource(source.Client().Transport, nil)
	defer func() { publishedKeys = before }()
	t.Setenv("RIGHT_KEY", secret)
	t.Setenv("WRONG_KEY", secret+"-old")

	app := newApplication(t)
	site := ""
	for _, name := range []string{"RIGHT", "WRONG"} {
		site += strings.NewReplacer("SOURCE", source.URL, "NAME", name).Replace(`
	route /NAME {
		verify_webhook {
			name NAME
			with api_key {env.NAME_KEY}
			scheme ed25519 {
				key public
				keys SOURCE/keys/{key_id}
				key_id header X-Key
				key_path data.key
				key_request bearer {with:api_key}
				signature header X-Sig
				encoding hex
				signed {body}
			}
			dedup off
		}
		reverse_proxy APP
	}
`)
	}
	g := serve(t, app, site)
	post := func(path, key, body string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(path), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Key", key)
		r.Header.Set("X-Sig", hex.EncodeToString(ed25519.Sign(private, []byte("{}"))))
		return g.do(r)
	}
	post("/RIGHT", "k-1", "{}").wants(t, 200, "handled")
	post("/RIGHT", "k-1", "[]").wants(t, 401, `{"error":"Invalid signature"}`)
	post("/RIGHT", "../keys/k-1", "{}").wants(t, 401, `{"error":"Invalid signature"}`)
	post("/RIGHT", "k-2", "{}").wants(t, 503, `{"error":"Unavailable, try again"}`)
	post("/WRONG", "k-1", "{}").wants(t, 503, `{"error":"Unavailable, try again"}`)
	log := string(readFile(t, g.caddyLog()))
	if want := "published keys could not be fetched"; strings.Count(log, want) != 2 || strings.Count(log, "/keys/k-1: status 401") != 1 {
		t.Errorf("logged %s", log)
	}
	if strings.Contains(log+string(readFile(t, g.log.path)), secret) {
		t.Error("a log has the credential")
	}
}
