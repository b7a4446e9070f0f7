package keyfetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// source is where a provider publishes its keys, with a clock that the cache
// goes by.
type source struct {
	*httptest.Server
	cache *Cache

	mu      sync.Mutex
	answer  http.HandlerFunc
	now     time.Time
	fetched atomic.Int64
}

func newSource(t *testing.T, answer http.HandlerFunc) *source {
	s := &source{answer: answer, now: time.Unix(1767225600, 0)}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fetched.Add(1)
		s.mu.Lock()
		answer := s.answer
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	s.Config.ErrorLog = nil
	s.cache = New(s.Client().Transport, s.clock)
	return s
}

func (s *source) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *source) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

func (s *source) answers(answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// settle waits until no attempt is under way.
func (s *source) settle() {
	for {
		s.cache.mu.Lock()
		var running chan struct{}
		for _, e := range s.cache.entries {
			if e.running != nil {
				running = e.running
			}
		}
		s.cache.mu.Unlock()
		if running == nil {
			return
		}
		<-running
	}
}

func (s *source) expect(t *testing.T, id string, want error, fetches int64) {
	t.Helper()
	keys, err := s.cache.Keys(Request{URL: s.URL}, id)
	if !errors.Is(err, want) || (err == nil) != (len(keys) > 0) {
		t.Errorf("got %d keys, %v; want %v", len(keys), err, want)
	}
	if got := s.fetched.Load(); got != fetches {
		t.Errorf("%d requests were made, want %d", got, fetches)
	}
}

func jwks(ids ...string) http.HandlerFunc {
	var set jose.JSONWebKeySet
	for _, id := range ids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err)
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: id})
	}
	text, err := json.Marshal(set)
	if err != nil {
		panic(err)
	}
	return serve(string(text))
}

func serve(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }

func TestKeysAreFetchedOnce(t *testing.T) {
	s := newSource(t, jwks("a", "b"))
	s.expect(t, "a", nil, 1)
	s.expect(t, "b", nil, 1)
	s.expect(t, "", nil, 1)
}

func TestOneRequestForAllThatWait(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	inner := jwks("a")
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived) // panics if there is a second one
		<-release
		inner(w, r)
	})
	var wait sync.WaitGroup
	for range 50 {
		wait.Go(func() {
			if _, err := s.cache.Keys(Request{URL: s.URL}, "a"); err != nil {
				t.Error(err)
			}
		})
	}
	<-arrived
	close(release)
	wait.Wait()
	if got := s.cache.Counters.Fetches.Load(); got != 1 {
		t.Errorf("%d requests", got)
	}
}

func TestRenewalBeforeExpiryKeepsNobodyWaiting(t *testing.T) {
	s := newSource(t, jwks("a"))
	s.expect(t, "a", nil, 1)
	s.pass(defaultLifetime*4/5 - time.Second)
	s.expect(t, "a", nil, 1)

	release := make(chan struct{})
	inner := jwks("a")
	s.answers(func(w http.ResponseWriter, r *http.Request) { <-release; inner(w, r) })
	s.pass(time.Second)
	if _, err := s.cache.Keys(Request{URL: s.URL}, "a"); err != nil { // while the source hangs
		t.Error(err)
	}
	close(release)
	s.settle()
	s.pass(defaultLifetime * 3 / 5)
	s.expect(t, "a", nil, 2)
}

func TestSourceSaysHowLong(t *testing.T) {
	for directive, want := range map[string]time.Duration{
		"":                             time.Hour,
		"public, max-age=1800":         30 * time.Minute,
		"Max-Age=21600":                6 * time.Hour,
		"no-cache, max-age=0":          5 * time.Minute,
		"max-age=99999999":             24 * time.Hour,
		"max-age=99999999999999999999": time.Hour,
		"max-age=-1":                   time.Hour,
		"max-age":                      time.Hour,
	} {
		if got := lifetime(http.Header{"Cache-Control": {directive}}); got != want {
			t.Errorf("%q: %s, want %s", directive, got, want)
		}
	}
}

func TestStaleKeysWhileTheSourceIsDown(t *testing.T) {
	s := newSource(t, jwks("a"))
	s.expect(t, "a", nil, 1)
	s.answers(down)
	s.pass(defaultLifetime)
	s.expect(t, "a", nil, 2)
	s.expect(t, "a", nil, 2) // not again at once
	if got := s.cache.Counters.Stale.Load(); got != 2 {
		t.Errorf("%d stale answers counted", got)
	}
	s.pass(maxStale)
	s.expect(t, "a", ErrUnavailable, 3)
	s.answers(jwks("a"))
	s.pass(lastRetry)
	s.expect(t, "a", nil, 4)
}

func TestFailuresAreRemembered(t *testing.T) {
	s := newSource(t, down)
	fetches := int64(1)
	s.expect(t, "a", ErrUnavailable, fetches)
	for pause := firstRetry; pause < 2*lastRetry; pause *= 2 {
		pause := min(pause, lastRetry)
		s.pass(pause - time.Second)
		s.expect(t, "a", ErrUnavailable, fetches)
		s.pass(time.Second)
		fetches++
		s.expect(t, "a", ErrUnavailable, fetches)
	}
	if got := s.cache.Counters.Failures.Load(); got != uint64(fetches) {
		t.Errorf("%d failures counted, want %d", got, fetches)
	}
}

func TestUnknownKeyIDs(t *testing.T) {
	s := newSource(t, jwks("a"))
	s.expect(t, "a", nil, 1)
	for i := range 100 {
		s.expect(t, fmt.Sprint("forged", i), nil, 1) // had too recently to be asked again
	}
	s.answers(jwks("a", "new"))
	s.pass(minAge)
	keys, err := s.cache.Keys(Request{URL: s.URL}, "new")
	if err != nil || !has(keys, "new") {
		t.Errorf("a key that was added: %v", err)
	}

	// While the source is down, nobody knows whether there is such a key.
	s.answers(down)
	s.pass(minAge)
	s.expect(t, "newer", ErrUnavailable, 3)
	s.expect(t, "new", nil, 3)
}

func TestNewURLsAreLimited(t *testing.T) {
	s := newSource(t, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	for i := range 2 * burst {
		if _, err := s.cache.Keys(Request{URL: fmt.Sprintf("%s/forged-%d.pem", s.URL, i)}, ""); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if got := s.fetched.Load(); got != burst {
		t.Errorf("%d requests, want %d", got, burst)
	}
	if got := s.cache.Counters.Limited.Load(); got != burst {
		t.Errorf("%d refusals counted, want %d", got, burst)
	}
	s.pass(refill)
	if _, err := s.cache.Keys(Request{URL: s.URL + "/another.pem"}, ""); !errors.Is(err, ErrUnavailable) || s.fetched.Load() != burst+1 {
		t.Errorf("later: %v, %d requests", err, s.fetched.Load())
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s := newSource(t, jwks("a"))
	s.expect(t, "a", nil, 1)
	s.answers(http.NotFound)
	for i := range maxEntries + 10 {
		s.pass(refill)
		if _, err := s.cache.Keys(Request{URL: fmt.Sprintf("%s/%d", s.URL, i)}, ""); !errors.Is(err, ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if got := len(s.cache.entries); got > maxEntries {
		t.Errorf("%d entries", got)
	}
	if e := s.cache.entries[Request{URL: s.URL}]; e == nil || len(e.keys) == 0 {
		t.Error("what was never there displaced a key")
	}
}

func TestWhatIsNotTaken(t *testing.T) {
	genuine := jwks("a")
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
	}{
		{"redirect to a genuine key", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/keys" {
				genuine(w, r)
				return
			}
			http.Redirect(w, r, "/keys", http.StatusFound)
		}},
		{"status other than 200", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusAccepted); genuine(w, r) }},
		{"empty", serve("")},
		{"not JSON", serve("<html>")},
		{"no keys", serve(`{"keys":[]}`)},
		{"a shared key", serve(`{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"a"}]}`)},
		{"a key for encryption", serve(`{"keys":[{"kty":"EC","use":"enc","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`)},
		{"a point off its curve", serve(`{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}]}`)},
		{"damaged PEM", serve("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")},
		{"PEM of something else", serve("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n")},
		{"too large", serve(`{"keys":[` + strings.Repeat(" ", maxSize) + `]}`)},
		{"breaks off", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, `{"keys":`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSource(t, tt.answer)
			s.expect(t, "a", ErrUnavailable, 1)
		})
	}
}

func TestWhatIsNotAsked(t *testing.T) {
	s := newSource(t, jwks("a"))
	plain := httptest.NewServer(jwks("a"))
	defer plain.Close()
	for _, address := range []string{
		plain.URL, strings.Replace(s.URL, "https://", "https://user:password@", 1), "https:///keys", "keys", "", "file:///etc/passwd",
	} {
		if _, err := s.cache.Keys(Request{URL: address}, ""); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%q: %v", address, err)
		}
	}
	if s.fetched.Load() != 0 {
		t.Error("a request was made")
	}

	// Without the server's own certificate among the roots it is a stranger.
	if _, err := New(nil, nil).Keys(Request{URL: s.URL}, ""); !errors.Is(err, ErrUnavailable) || s.fetched.Load() != 0 {
		t.Errorf("certificate of a stranger: %v", err)
	}
}

func TestKeysInPEM(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(1798761600, 0)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	for kind, der := range map[string][]byte{"CERTIFICATE": certificate, "PUBLIC KEY": public} {
		s := newSource(t, serve("\n"+string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))))
		keys, err := s.cache.Keys(Request{URL: s.URL}, "")
		if err != nil || len(keys) != 1 || !key.PublicKey.Equal(keys[0].Key) || (len(keys[0].Certificates) == 1) != (kind == "CERTIFICATE") {
			t.Errorf("%s: %v, %v", kind, keys, err)
		}
	}
}

func TestKeysOfUnknownKindsAreSkipped(t *testing.T) {
	s := newSource(t, serve(`{"keys":[{"kty":"AKP","kid":"a"},{"kty":"EC","kid":"b","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`))
	keys, err := s.cache.Keys(Request{URL: s.URL}, "b")
	if err != nil || len(keys) != 1 || keys[0].KeyID != "b" {
		t.Errorf("%v, %v", keys, err)
	}
}
