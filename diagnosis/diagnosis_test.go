package diagnosis_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/diagnosis"
	"github.com/hookpass/hookpass/webhook"
)

// forged are providers whose deliveries are forged below, by all kinds of schemes.
var forged = []string{"stripe", "github", "shopify", "slack", "twilio", "square", "svix", "standard-webhooks", "hubspot", "mailgun", "adyen", "zoom", "saltare", "sally", "discord", "sendgrid", "gitlab", "paddle", "linear", "wise"}

// Forgeries have a signature of the right shape, made without the secret: by chance,
// or with a key that anybody could guess. Nothing but that it does not match may be
// said of them, whatever else is configured.
func TestForgeriesAreNotExplained(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	total := 0
	for _, id := range forged {
		s := genuine(t, id, len(mustLookup(t, id).Vectors)-1)
		for _, other := range []string{"stripe", "github", "shopify"} {
			if other != id {
				s.other(other+"-live", other, mustLookup(t, other).Vectors[0].Secret)
			}
		}
		for i := range 12 {
			total++
			forgery := *s
			forgery.delivery.Request.Header = s.header().Clone()
			forgery.forge(random, i)
			f := forgery.diagnose()
			if f.Cause != diagnosis.Unknown || f.Proven || f.Sentence != "The signature does not match anything that was tried." || f.Tried == 0 {
				t.Errorf("%s, forgery %d: %+v", id, i, f)
			}
		}
	}
	if total < 200 {
		t.Errorf("only %d forgeries", total)
	}
}

func mustLookup(t testing.TB, id string) *catalog.Provider {
	t.Helper()
	p, err := catalog.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// forge puts another signature of the same shape into the place of the genuine one.
func (s *scene) forge(random *rand.Rand, i int) {
	bodies := []string{"", s.body(), `{"id":"evt_1","type":"charge.succeeded","livemode":false}`, "a=1&b=2"}
	scheme := s.endpoint.Scheme
	signed := []string{"header", "body"}
	if !slices.Contains(signed, strings.Fields(scheme.Signature)[0]) {
		s.t.Fatalf("cannot forge %s", s.provider.ID)
	}
	if guess := []string{"", "", "", "", "whsec_", "secret", "", ""}[i%8]; guess != "" && scheme.Key != webhook.KeyPublic && strings.HasPrefix(scheme.Signature, "header") && scheme.Type == webhook.TypeHMAC {
		if i >= 8 {
			s.arrives(bodies[1+i%3])
		}
		for name := range strings.SplitSeq(strings.Fields(scheme.Signature)[1], "|") {
			s.header().Del(name)
		}
		held, _ := webhook.ParseSecret("", hex.EncodeToString([]byte(guess)), webhook.KeyHex)
		s.sign(scheme, held)
		return
	}
	value, replaceIn := s.signature()
	replaceIn(func() string {
		b := make([]byte, len(value))
		const hexadecimal, base = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
		for i := range b {
			digits := base
			if strings.Trim(value, hexadecimal) == "" {
				digits = hexadecimal
			}
			b[i] = digits[random.IntN(len(digits))]
		}
		// A last digit of base64 whose spare bits are set is not well-formed.
		if tail := strings.TrimLeft(value, base+"-_"); tail != "" && len(value) > len(tail) {
			return string(b[:len(b)-len(tail)-1]) + "A" + tail
		}
		if strings.Trim(value, hexadecimal) != "" {
			b[len(b)-1] = 'A'
		}
		return string(b)
	}())
}

// signature is the longest run of digits where the signature is, and what replaces it.
func (s *scene) signature() (string, func(string)) {
	words := strings.Fields(s.endpoint.Scheme.Signature)
	if words[0] == "body" {
		p, err := webhook.ParsePlace("body " + words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		old, err := p.Value(&s.delivery.Request)
		if err != nil || old == "" {
			s.t.Fatal("no signature in the body")
		}
		return old, func(other string) { s.rewrite(old, other) }
	}
	for name := range strings.SplitSeq(words[1], "|") {
		value := s.header().Get(name)
		if value == "" {
			continue
		}
		runs := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", ;:", r) })
		longest := slices.MaxFunc(runs, func(a, b string) int { return len(a) - len(b) })
		if _, after, found := strings.Cut(longest, "="); found && len(after) > 1 {
			longest = after
		}
		return longest, func(other string) { s.header().Set(name, strings.ReplaceAll(value, longest, other)) }
	}
	s.t.Fatalf("no signature in %v", s.header())
	return "", nil
}

// What a finding says is for logs: it may name nothing that helps to forge, and no
// payload.
func TestFindingsKeepSecrets(t *testing.T) {
	for _, tt := range mistakes {
		s := genuine(t, tt.provider, tt.vector)
		tt.make(s)
		text := fmt.Sprintf("%+v", s.diagnose())
		secrets := []string{s.secret}
		for _, e := range append([]diagnosis.Endpoint{s.endpoint}, s.process.Others...) {
			for _, c := range e.Secrets {
				secrets = append(secrets, c.Text())
			}
		}
		for _, secret := range secrets {
			if kept := strings.Trim(secret, "\"' \n"); len(kept) >= 8 && strings.Contains(text, kept) {
				t.Errorf("%s: the secret is in %s", tt.name, text)
			}
		}
		signature, _ := s.signatureIfAny()
		if len(signature) > 20 && strings.Contains(text, signature) {
			t.Errorf("%s: the signature is in %s", tt.name, text)
		}
		if printed := fmt.Sprintf("%v %+v %#v", s.endpoint, s.endpoint, s.endpoint); strings.Contains(printed, s.secret) {
			t.Errorf("%s: an endpoint prints its secret", tt.name)
		}
	}
}

func (s *scene) signatureIfAny() (string, bool) {
	for _, values := range s.header() {
		for _, value := range values {
			if _, signature, found := strings.Cut(value, "="); found {
				return signature, true
			}
		}
	}
	return "", false
}

// A sender's texts cannot break out of a line of the log, nor fill it.
func TestFindingsAreShortPrintableLines(t *testing.T) {
	s := genuine(t, "square", 1)
	s.arrivesAt("https://origin.internal/square?shop=1")
	s.header().Set("X-Forwarded-Host", "hooks.example.com")
	s.header().Set("X-\x1b[31m-"+strings.Repeat("é", 5000), "\x1b]0;title\a\n")
	for _, name := range []string{"X-Forwarded-Prefix", "X-Original-Uri", "X-Forwarded-Port"} {
		s.header().Set(name, "\n\x1b[2J\u202e"+strings.Repeat("x", 5000))
	}
	f := s.diagnose()
	if f.Cause != diagnosis.URLHost {
		t.Errorf("%+v", f)
	}
	long := genuine(t, "square", 1)
	long.arrivesAt("https://hooks.example.com/square?shop=1")
	long.delivery.Request.URL = "https://" + strings.Repeat("a", 5000) + "\x1b[2J/square?shop=1"
	long.header().Set("X-Forwarded-Host", "hooks.example.com")
	for _, f := range []diagnosis.Finding{f, long.diagnose()} {
		if len(f.Sentence)+len(f.Remedy) > 1000 || strings.ContainsFunc(f.Sentence+f.Remedy, func(r rune) bool { return r < ' ' || r == '\u202e' }) {
			t.Errorf("%q %q", f.Sentence, f.Remedy)
		}
	}
}

// The work of a diagnosis has a bound, whatever is sent and configured.
func TestWorkIsBounded(t *testing.T) {
	s := genuine(t, "github", 1)
	for i := range 200 {
		s.other(fmt.Sprintf("other-%d", i), "github", fmt.Sprintf("secret number %d", i))
	}
	s.arrives(`{"a":"` + strings.Repeat("é/", 2000) + `"}`)
	for _, l := range []diagnosis.Limits{{}, {Variants: 10, Bytes: 1 << 20}, {Variants: 1000, Bytes: 20000}, {Variants: 1, Bytes: 1}} {
		f := diagnosis.Diagnose(l, s.delivery, s.endpoint, s.process)
		if l == (diagnosis.Limits{}) {
			l = diagnosis.DefaultLimits
		}
		if f.Tried > l.Variants || f.Tried*len(s.body()) > l.Bytes || f.Cause != diagnosis.Unknown {
			t.Errorf("%+v: %+v", l, f)
		}
	}
}

// In a large body the likeliest mistakes are still found.
func TestLargeBodies(t *testing.T) {
	large := `{"id":"` + strings.Repeat("0123456789", 30_000) + `"}`
	for name, tt := range map[string]struct {
		mistake func(*scene)
		cause   diagnosis.Cause
	}{
		"secret": {func(s *scene) { s.signedAs(s.secret + "\n") }, diagnosis.SecretBlanks},
		"other":  {func(s *scene) { s.other("org", "github", s.secret); s.configure("another secret") }, diagnosis.SecretOther},
		"body":   {func(s *scene) { s.arrives(s.body() + "\n") }, diagnosis.BodyLineEnd},
		"json":   {func(s *scene) { s.rewrite(":", ": ") }, diagnosis.BodyRewritten},
	} {
		s := genuine(t, "github", 1)
		s.signs(large)
		tt.mistake(s)
		if f := s.diagnose(); f.Cause != tt.cause || !f.Proven {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestBodyLargerThanTheLimitsIsNotLookedInto(t *testing.T) {
	s := genuine(t, "github", 1)
	s.arrives(strings.Repeat("x", diagnosis.DefaultLimits.Bytes))
	if f := s.diagnose(); f.Cause != diagnosis.Unknown || f.Tried != 0 || !strings.Contains(f.Sentence, "too large") {
		t.Errorf("%+v", f)
	}
}

// What decompresses to more than the limits is left alone.
func TestDecompressionIsBounded(t *testing.T) {
	s := genuine(t, "github", 1)
	s.signs(strings.Repeat("x", diagnosis.DefaultLimits.Bytes))
	s.arrives(gzipped(s.body()))
	if f := s.diagnose(); f.Cause != diagnosis.Unknown || f.Proven {
		t.Errorf("%+v", f)
	}
}

// Where the verifier knows more than that the signature does not match, it is said.
func TestUnknown(t *testing.T) {
	for _, tt := range []struct {
		name     string
		provider string
		make     func(*scene)
		says     string
	}{
		{"a name twice in a body of which fields are signed", "adyen", func(s *scene) { s.rewrite(`{"live":"false",`, `{"live":"true","live":"false",`) }, "the JSON body repeats a name"},
		{"a URL without a host", "square", func(s *scene) { s.delivery.Request.URL = "/square?shop=1" }, "does not tell the host"},
		{"no secret that the scheme can read", "standard-webhooks", func(s *scene) { s.configure("whsec_not!base64") }, "None of the endpoint's secrets"},
		{"a signature of another length", "saltare", func(s *scene) { s.header().Set("X-Saltare-Signature", "sha256=abcd") }, "it is not written as the scheme says"},
		{"a timestamp that is none", "zoom", func(s *scene) { s.header().Set("X-Zm-Request-Timestamp", "soon") }, "it is not a count of seconds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := genuine(t, tt.provider, len(mustLookup(t, tt.provider).Vectors)-1)
			tt.make(s)
			if f := s.diagnose(); f.Cause != diagnosis.Unknown || f.Proven || !strings.Contains(f.Sentence, tt.says) {
				t.Errorf("%+v does not say %q", f, tt.says)
			}
		})
	}
}

// That body and endpoint are of different modes is a remark, and no cause: anybody
// can write a body.
func TestModeOfTheBodyIsARemark(t *testing.T) {
	for name, remark := range map[string]bool{"stripe-live": true, "stripe-test": false, "stripe": false} {
		s := genuine(t, "stripe", 0)
		s.endpoint.Name = name
		s.configure("whsec_of_another_account")
		if f := s.diagnose(); f.Cause != diagnosis.Unknown || strings.Contains(f.Remedy, "of test mode") != remark {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Without the body nothing is proven, but what the head shows is said.
func TestHeadAlone(t *testing.T) {
	for _, tt := range []struct {
		name     string
		provider string
		make     func(*scene)
		cause    diagnosis.Cause
	}{
		{"renamed", "github", func(s *scene) { s.rename("X-Hub-Signature-256", "X_Hub_Signature_256") }, diagnosis.HeaderRenamed},
		{"without a prefix", "github", func(s *scene) { s.cutPrefix("X-Hub-Signature-256", "sha256=") }, diagnosis.HeaderValue},
		{"missing", "stripe", func(s *scene) { s.header().Del("Stripe-Signature") }, diagnosis.HeaderMissing},
		{"too old", "zoom", func(s *scene) { s.delivery.Received = s.delivery.Received.Add(time.Hour) }, diagnosis.TooOld},
		{"another unit", "zoom", func(s *scene) { s.header().Set("X-Zm-Request-Timestamp", "1767225600000") }, diagnosis.TimestampUnit},
		{"another provider", "zoom", func(s *scene) { s.delivery.Request.Header = genuine(s.t, "stripe", 0).header() }, diagnosis.OtherProvider},
		{"nothing wrong with the head", "stripe", func(*scene) {}, diagnosis.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vectors := len(mustLookup(t, tt.provider).Vectors)
			s := genuine(t, tt.provider, vectors-1)
			s.delivery.HeadOnly, s.delivery.Request.Body = true, nil
			tt.make(s)
			if f := s.diagnose(); f.Cause != tt.cause || f.Proven {
				t.Errorf("got %+v, want %s, unproven", f, tt.cause)
			}
		})
	}
}

// A clock is called wrong only if all other senders say so.
func TestClocks(t *testing.T) {
	for _, tt := range []struct {
		late  time.Duration
		ages  []time.Duration
		cause diagnosis.Cause
	}{
		{time.Hour, nil, diagnosis.TooOld},
		{time.Hour, []time.Duration{time.Hour}, diagnosis.ClockOff},
		{time.Hour, []time.Duration{time.Hour, time.Second}, diagnosis.TooOld},
		{time.Hour, []time.Duration{-time.Hour, -time.Hour}, diagnosis.TooOld},
		{-time.Hour, []time.Duration{-time.Hour, -time.Hour}, diagnosis.ClockOff},
		{-time.Hour, []time.Duration{-time.Hour, 0}, diagnosis.TooNew},
	} {
		s := genuine(t, "stripe", 0)
		s.delivery.Received = s.delivery.Received.Add(tt.late)
		// The endpoint's own deliveries are the ones in question.
		s.process.Ages = map[string]time.Duration{"stripe": 0}
		for i, age := range tt.ages {
			s.process.Ages[fmt.Sprint(i)] = age
		}
		if f := s.diagnose(); f.Cause != tt.cause || !f.Proven {
			t.Errorf("%s late, others %v: %+v", tt.late, tt.ages, f)
		}
	}
}

// Every row of the table has a cause of the closed set, and none of it goes untested.
func TestEveryCauseIsTested(t *testing.T) {
	tested := map[diagnosis.Cause]bool{
		diagnosis.Genuine: true, diagnosis.Unknown: true, // in the helpers and above
		diagnosis.Claims: true, diagnosis.KeyUnavailable: true, diagnosis.KeyUntrusted: true, // below
	}
	for _, tt := range mistakes {
		tested[tt.cause] = true
	}
	for _, cause := range diagnosis.Causes {
		if !tested[cause] {
			t.Errorf("no mistake has the cause %s", cause)
		}
		delete(tested, cause)
	}
	if len(tested) > 0 {
		t.Errorf("not in the closed set: %v", tested)
	}
	if len(mistakes) < 60 {
		t.Errorf("only %d mistakes", len(mistakes))
	}
}

// What verifying tells by itself is passed on.
func TestTokensAndKeys(t *testing.T) {
	expired := genuine(t, "livekit", 0)
	expired.delivery.Received = expired.delivery.Received.Add(24 * time.Hour)
	if f := expired.diagnose(); f.Cause != diagnosis.Claims || !f.Proven || !strings.Contains(f.Sentence, "exp has passed") {
		t.Errorf("expired: %+v", f)
	}

	p := mustLookup(t, "google-pubsub")
	v := p.Vectors[0]
	fetched := diagnosis.Endpoint{Name: p.ID, Provider: p.ID, Scheme: p.Scheme, With: v.With}
	d := diagnosis.Delivery{Received: v.Time, Request: webhook.Request{Method: http.MethodPost, URL: v.URL, Header: http.Header{}, Body: []byte(v.Body)}}
	for name, value := range v.Header {
		d.Request.Header.Set(name, value)
	}
	for _, tt := range []struct {
		name   string
		source webhook.KeySource
		cause  diagnosis.Cause
	}{
		{"no source", nil, diagnosis.KeyUnavailable},
		{"a source that is down", &keys{err: errors.New("down")}, diagnosis.KeyUnavailable},
		{"no such key", &keys{}, diagnosis.KeyUntrusted},
	} {
		fetched.Keys = tt.source
		f := diagnosis.Diagnose(diagnosis.Limits{}, d, fetched, diagnosis.Process{})
		if f.Cause != tt.cause || f.Proven {
			t.Errorf("%s: got %+v, want %s", tt.name, f, tt.cause)
		}
	}
}

// keys is a source that has none, and must not be asked again and again.
type keys struct {
	err   error
	asked int
}

func (k *keys) Keys(webhook.KeyRequest, string) ([]jose.JSONWebKey, error) {
	if k.asked++; k.asked > 1 {
		panic("asked twice")
	}
	return nil, k.err
}

func TestFindingAsJSON(t *testing.T) {
	text, err := json.Marshal(diagnosis.Finding{Cause: diagnosis.BodyLineEnd, Proven: true, Sentence: "s", Remedy: "r", Tried: 3})
	if err != nil || string(text) != `{"cause":"body_line_end","proven":true,"sentence":"s","remedy":"r","tried":3}` {
		t.Errorf("%s, %v", text, err)
	}
}

func TestLimiter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	l := diagnosis.Limiter{PerSecond: 2}
	for i, tt := range []struct {
		endpoint string
		at       time.Duration
		want     bool
	}{
		{"a", 0, true},
		{"a", 0, true},
		{"a", 999 * time.Millisecond, false},
		{"b", 999 * time.Millisecond, true},
		{"a", time.Second, true},
		{"a", 0, true}, // the clock was set back
		{"a", time.Millisecond, true},
		{"a", 2 * time.Millisecond, false},
	} {
		if got := l.Allow(tt.endpoint, now.Add(tt.at)); got != tt.want {
			t.Errorf("%d: %s at %s: %v", i, tt.endpoint, tt.at, got)
		}
	}
	if new(diagnosis.Limiter).Allow("a", now) {
		t.Error("the zero value allows something")
	}
}

func TestBudget(t *testing.T) {
	const ms = time.Millisecond
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b := diagnosis.Budget{PerSecond: 5 * ms, Most: 200 * ms}
	for i, tt := range []struct {
		endpoint string
		at       time.Duration
		want     bool
		took     time.Duration // if it is looked into
	}{
		{"flooded", 0, true, 50 * ms},
		{"flooded", 1 * ms, true, 50 * ms},
		{"flooded", 2 * ms, true, 50 * ms}, // there was a little more than half, as time goes by
		{"flooded", 3 * ms, false, 0},      // half is left to the others
		{"other", 4 * ms, true, 40 * ms},   // one of which comes,
		{"flooded", 5 * ms, false, 0},      //
		{"third", 6 * ms, true, 30 * ms},   // and another one, which overdraws
		{"fourth", 7 * ms, false, 0},       // so that there is nothing
		{"fourth", 3 * time.Second, false, 0},
		{"fourth", 5 * time.Second, true, ms}, // until it has been earned
		{"flooded", 6 * time.Second, false, 0},
		{"flooded", 13 * time.Second, true, time.Hour}, // its last one is long ago; this one waited for a key
		{"fourth", 40 * time.Second, false, 0},
		{"fourth", 60 * time.Second, true, 0},
		{"fourth", 50 * time.Second, false, 0}, // it arrived before that one
	} {
		got := b.Allow(tt.endpoint, now.Add(tt.at))
		if got != tt.want {
			t.Errorf("%d: %s at %s: %v", i, tt.endpoint, tt.at, got)
		}
		if got {
			b.Spend(tt.endpoint, tt.took, now.Add(tt.at))
		}
	}
	if new(diagnosis.Budget).Allow("a", now) {
		t.Error("the zero value allows something")
	}
}

// However many endpoints are flooded, for however long, it is what is earned and not
// more.
func TestBudgetOfAFlood(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, endpoints := range []int{1, 200} {
		b := diagnosis.Budget{PerSecond: 5 * time.Millisecond, Most: 200 * time.Millisecond}
		const each = 8 * time.Millisecond
		total, now := time.Duration(0), began
		for n := 0; now.Before(began.Add(10 * time.Minute)); n++ {
			endpoint := strconv.Itoa(n % endpoints)
			now = now.Add(time.Millisecond)
			b.Allow(endpoint, now.Add(-10*time.Second)) // its body came slowly
			if b.Allow(endpoint, now) {
				now = now.Add(each)
				b.Spend(endpoint, each, now)
				total += each
			}
		}
		earned := b.Most + 600*b.PerSecond
		if total > earned+each || total < earned-b.Most {
			t.Errorf("%d endpoints: %s, and %s were earned", endpoints, total, earned)
		}
	}
}

// Whatever is sent, a diagnosis ends within its limits, proves nothing of what
// nobody signed, and says it in few printable characters.
func FuzzDiagnose(f *testing.F) {
	for i, id := range forged {
		v := mustLookup(f, id).Vectors[0]
		header := ""
		for name, value := range v.Header {
			header = name + ": " + value
		}
		f.Add(uint8(i), header, "https://example.com/a?b=c", []byte(v.Body))
	}
	f.Add(uint8(0), "X_Sig: b'%2B'", "http://[::1]:80//a%2f/?=&&a=%zz", []byte(`{"body":"eyJhIjoxfQ==","a":"\ud800"}`))
	f.Add(uint8(1), "X-Hub-Signature-256: sha256=\x00", "::", []byte(gzipped(gzipped("x"))))
	var endpoints []diagnosis.Endpoint
	for _, id := range forged {
		p := mustLookup(f, id)
		endpoints = append(endpoints, diagnosis.Endpoint{Name: p.ID, Provider: p.ID, Scheme: p.Scheme, Tolerance: p.MaxAge(), Secrets: []diagnosis.Secret{secret("", fuzzSecret(p))}})
	}
	f.Fuzz(func(t *testing.T, which uint8, line, address string, body []byte) {
		name, value, _ := strings.Cut(line, ": ")
		r := webhook.Request{Method: http.MethodPost, URL: address, Header: http.Header{http.CanonicalHeaderKey(name): {value}}, Body: body}
		l := diagnosis.Limits{Variants: 200, Bytes: 1 << 18}
		found := diagnosis.Diagnose(l, diagnosis.Delivery{Request: r, Received: time.Unix(1767225600, 0)}, endpoints[int(which)%len(endpoints)], diagnosis.Process{})
		if found.Proven || found.Tried > l.Variants {
			t.Fatalf("%+v", found)
		}
		text := found.Sentence + found.Remedy
		if len(text) > 1500 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) || bytes.Contains([]byte(text), []byte("no vector has this")) {
			t.Fatalf("%q", text)
		}
	})
}

// What a flood of forgeries costs for each one that is looked into.
func BenchmarkForgery(b *testing.B) {
	for name, size := range map[string]int{"2 KiB": 2 << 10, "256 KiB": 256 << 10, "4 MiB": 4 << 20} {
		b.Run(name, func(b *testing.B) {
			e := diagnosis.Endpoint{Name: "stripe", Provider: "stripe", Scheme: mustLookup(b, "stripe").Scheme, Tolerance: 5 * time.Minute, Secrets: []diagnosis.Secret{secret("", "whsec_example_stripe_secret")}}
			other := diagnosis.Endpoint{Name: "github", Provider: "github", Scheme: mustLookup(b, "github").Scheme, Secrets: []diagnosis.Secret{secret("", "another secret")}}
			item := `{"id":"evt_1","type":"charge.succeeded","name":"Zoë","n":[1,2,3]},`
			d := diagnosis.Delivery{Received: time.Unix(1767225600, 0), Request: webhook.Request{
				Method: http.MethodPost, URL: "https://example.com/in",
				Header: http.Header{"Stripe-Signature": {"t=1767225600,v1=" + strings.Repeat("ab", 32)}},
				Body:   []byte("[" + strings.Repeat(item, size/len(item)) + "0]"),
			}}
			for b.Loop() {
				if f := diagnosis.Diagnose(diagnosis.Limits{}, d, e, diagnosis.Process{Others: []diagnosis.Endpoint{other}}); f.Proven {
					b.Fatal(f)
				}
			}
		})
	}
}

// fuzzSecret is none of the vectors', so that nothing in a corpus is genuine.
func fuzzSecret(p *catalog.Provider) string {
	const text = "no vector has this one"
	switch form, _, _ := strings.Cut(string(p.Scheme.Key), " after "); webhook.KeyForm(form) {
	case webhook.KeyHex:
		return hex.EncodeToString([]byte(text))
	case webhook.KeyBase64, webhook.KeyWhsec:
		return base64.StdEncoding.EncodeToString([]byte(text))
	case webhook.KeyPublic:
		return "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
	default:
		return text
	}
}
