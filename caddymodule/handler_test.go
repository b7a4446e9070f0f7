package caddymodule

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const (
	invalidBody   = `{"error":"Invalid signature"}`
	duplicateBody = `{"received":true,"duplicate":true}`
	ignoredBody   = `{"received":true,"ignored":true}`
)

const saltareSite = `
	verify_webhook saltare ` + testSecret + `
	reverse_proxy APP
`

func TestGenuineDeliveryReachesTheApplicationAsItWasSent(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	body := "{\"event\":\"task.created\", \"delivery_id\":\"d-1\",\n \"text\":\"caf\u00e9 \u2615 \\/ \\u00e9\"}\r\n"
	at := time.Now()
	g.send("/hook?a=1", event{body: body, at: at, spoil: func(r *http.Request) {
		r.Header["hookpass-verified"] = []string{"spoofed"}
		r.Header["Hookpass-Anything"] = []string{"spoofed"}
		r.Header["Hookpass_Event"] = []string{"spoofed"}
		r.Header["Hookpass!Event"] = []string{"spoofed"} // Apache httpd makes it HTTP_HOOKPASS_EVENT
		r.Header["Hookpassport"] = []string{"kept"}
		r.Header.Set("Connection", "Hookpass-Verified")
		r.Header.Set("X-Kept", "yes")
	}}).wants(t, 200, "handled")

	calls := app.calls()
	if len(calls) != 1 || calls[0].body != body {
		t.Fatalf("the application got %+v", calls)
	}
	for name, want := range map[string]string{
		"Hookpass-Provider":  "saltare",
		"Hookpass-Endpoint":  "saltare",
		"Hookpass-Event":     "task.created",
		"Hookpass-Delivery":  "d-1",
		"Hookpass-Timestamp": timestampText(at),
		"Hookpass-Verified":  "signature",
		"Hookpass-Anything":  "",
		"Hookpass_Event":     "",
		"Hookpass!Event":     "",
		"Hookpassport":       "kept",
		"X-Kept":             "yes",
	} {
		if got := strings.Join(calls[0].header.Values(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := calls[0].header.Get("X-Saltare-Signature"); got == "" {
		t.Error("the provider's own fields are gone")
	}
}

// Each row is a request that must not pass: the answer tells no more than it
// must, and the application sees nothing.
func TestRefusals(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		max_body 1KiB
	}
	reverse_proxy APP
`)
	good := event{id: "d-1", event: "task.created"}
	for _, tt := range []struct {
		name   string
		spoil  func(*http.Request)
		event  event
		status int
		says   string
		reason string
	}{
		{name: "no signature", spoil: drop("X-Saltare-Signature"), status: 401, says: invalidBody, reason: "signature_missing"},
		{name: "malformed signature", spoil: set("X-Saltare-Signature", "sha256=xyz"), status: 401, says: invalidBody, reason: "signature_malformed"},
		{name: "other secret", event: event{secret: "guess"}, status: 401, says: invalidBody, reason: "signature_mismatch"},
		{name: "no timestamp", spoil: drop("X-Saltare-Timestamp"), status: 401, says: invalidBody, reason: "timestamp_missing"},
		{name: "malformed timestamp", spoil: set("X-Saltare-Timestamp", "now"), status: 401, says: invalidBody, reason: "timestamp_malformed"},
		{name: "too old", event: event{at: time.Now().Add(-time.Hour)}, status: 401, says: invalidBody, reason: "timestamp_too_old"},
		{name: "too new", event: event{at: time.Now().Add(time.Hour)}, status: 401, says: invalidBody, reason: "timestamp_too_new"},
		{name: "GET", spoil: func(r *http.Request) { r.Method = http.MethodGet }, status: 405, says: `{"error":"Method not allowed"}`, reason: "method_not_allowed"},
		{name: "announced too large", event: event{body: strings.Repeat("x", 1025)}, status: 413, says: `{"error":"Body too large"}`, reason: "body_too_large"},
		{name: "too large in chunks", event: event{body: strings.Repeat("x", 1025)}, spoil: chunked, status: 413, says: `{"error":"Body too large"}`, reason: "body_too_large"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.event
			e.id, e.event = good.id, good.event
			e.spoil = tt.spoil
			a := g.send("/", e)
			a.wants(t, tt.status, tt.says)
			if a.header.Get("Content-Type") != "application/json" {
				t.Errorf("content type %q", a.header.Get("Content-Type"))
			}
			if allow := a.header.Get("Allow"); (allow == "POST") != (tt.status == 405) {
				t.Errorf("allow %q", allow)
			}
		})
	}
	// What was refused has left no trace: the genuine one passes.
	g.send("/", good).wants(t, 200, "handled")
	if n := len(app.calls()); n != 1 {
		t.Errorf("the application was called %d times", n)
	}
	reasons := map[string]bool{}
	for _, line := range g.lines() {
		reason, _ := line["reason"].(string)
		reasons[reason] = true
		if (line["verdict"] == "rejected") != (reason != "") {
			t.Errorf("verdict without reason, or the reverse: %v", line)
		}
	}
	if len(reasons) != 10 { // nine and that of the delivery that passed
		t.Errorf("logged reasons: %v", reasons)
	}
}

func drop(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }

func set(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func chunked(r *http.Request) { r.ContentLength = -1 }

func TestBodyOfTheLargestSizePasses(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		max_body 100KiB
	}
	reverse_proxy APP
`)
	sent := time.Now()
	for _, size := range []int{1, 511, 16 << 10, 16<<10 + 1, 100 << 10} {
		for _, spoil := range []func(*http.Request){nil, chunked} {
			e := event{id: "x", body: strings.Repeat("x", size), spoil: spoil}
			before := len(app.calls())
			// The chunked copy of the same bytes is a duplicate if signed in the
			// same second: each gets its own.
			e.at = sent.Add(-time.Duration(before) * time.Second)
			g.send("/", e).wants(t, 200, "handled")
			calls := app.calls()
			if last := calls[len(calls)-1]; last.body != e.body || last.length != int64(size) || last.coding != nil {
				t.Errorf("%d bytes arrived as %d with length %d, coding %v", size, len(last.body), last.length, last.coding)
			}
		}
	}
}

func TestEmptyBodyIsVerified(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook github `+testSecret+`
	reverse_proxy APP
`)
	empty := func(r *http.Request) {
		// HMAC-SHA256 over nothing, from: printf '' | openssl dgst -sha256 -hmac hunter2-test-secret
		r.Header.Set("X-Hub-Signature-256", "sha256=6e7c74a4eddc65757282496bae6a74c8e27ecab9632b20a60452c260016d2029")
		r.Body, r.ContentLength = http.NoBody, 0
	}
	g.send("/", event{provider: "github", id: "1", body: "x", spoil: empty}).wants(t, 200, "handled")
}

func TestDuplicateIsAnsweredAndNotForwarded(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	e := event{id: "d-1", event: "task.created"}
	g.send("/", e).wants(t, 200, "handled")
	g.send("/", e).wants(t, 200, duplicateBody)
	e.at = time.Now().Add(time.Minute) // a retry is signed anew
	g.send("/", e).wants(t, 200, duplicateBody)
	e.id = "d-2"
	g.send("/", e).wants(t, 200, "handled")
	if n := len(app.calls()); n != 2 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestFailedDeliveryLeavesNoTrace(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	e := event{id: "d-1", event: "task.created"}
	for _, status := range []int{500, 503, 404, 302, 304} {
		app.status(status)
		if a := g.send("/", e); a.status != status {
			t.Errorf("answered %d, want the application's %d", a.status, status)
		}
	}
	app.status(204)
	g.send("/", e).wants(t, 204, "")
	g.send("/", e).wants(t, 200, duplicateBody)
	if n := len(app.calls()); n != 6 {
		t.Errorf("the application was called %d times", n)
	}
}

func TestEndpointsRememberApart(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	route /a {
		verify_webhook saltare `+testSecret+`
		reverse_proxy APP
	}
	route /b {
		verify_webhook saltare `+testSecret+`
		reverse_proxy APP
	}
`)
	e := event{id: "d-1", event: "x"}
	g.send("/a", e).wants(t, 200, "handled")
	g.send("/b", e).wants(t, 200, "handled")
	g.send("/b", e).wants(t, 200, duplicateBody)
	if got := app.calls()[1].header.Get("Hookpass-Endpoint"); got != "saltare-2" {
		t.Errorf("the second endpoint is %q", got)
	}
}

func TestEventFilter(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		events task.* message.posted
	}
	reverse_proxy APP
`)
	for i, tt := range []struct{ event, want string }{
		{"task.created", "handled"},
		{"message.posted", "handled"},
		{"message.read", ignoredBody},
		{"", ignoredBody},
	} {
		g.send("/", event{id: string(rune('a' + i)), event: tt.event}).wants(t, 200, tt.want)
	}
	// Ignored is not handled: once the endpoint takes the event, it passes.
	g.load(app, strings.ReplaceAll(saltareSite, testSecret, testSecret+" {\n\tevents *\n}"))
	g.send("/", event{id: "d", event: ""}).wants(t, 200, "handled")
	g.send("/", event{id: "c", event: "message.read"}).wants(t, 200, "handled")
}

func TestMatchPattern(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"a.b", "a.b", true},
		{"a.b", "a.bc", false},
		{"a.*", "a.b.c", true},
		{"a.*", "a.", true},
		{"a.*", "ab", false},
		{"*.deleted", "user.deleted", true},
		{"*.deleted", "user.deleted.x", false},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "aXcYb", false},
		{"a*a", "a", false},
		{"ab*ba", "aba", false},
		{"*", "x", true},
		{"**", "x", true},
		{"*x*", "x", true},
		{"", "x", false},
	} {
		if got := matchPattern(tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q on %q: %t", tt.pattern, tt.text, got)
		}
	}
}

func TestEventFilterTakesABatchForOneOfItsEvents(t *testing.T) {
	for _, tt := range []struct {
		patterns patterns
		events   string
		want     bool
	}{
		{nil, "", true},
		{patterns{"*"}, "", true},
		{patterns{"message.*"}, "", false},
		{patterns{"message.*"}, "follow,message.posted", true},
		{patterns{"message.*", "join"}, "follow,join", true},
		{patterns{"message.*"}, "follow,join", false},
		{patterns{"follow*join"}, "follow,join", false},
	} {
		if got := tt.patterns.match(tt.events); got != tt.want {
			t.Errorf("%q on %q: %t", tt.patterns, tt.events, got)
		}
	}
}

func TestSlackHandshakeIsAnsweredOnlyIfSigned(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook slack `+testSecret+`
	reverse_proxy APP
`)
	e := event{provider: "slack", body: `{"type":"url_verification","challenge":"3eZbrw1a"}`}
	a := g.send("/", e)
	a.wants(t, 200, "3eZbrw1a")
	if a.header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("content type %q", a.header.Get("Content-Type"))
	}
	e.secret = "guess"
	g.send("/", e).wants(t, 401, invalidBody)
	if len(app.calls()) != 0 {
		t.Error("the application was asked")
	}
	if lines := g.lines(); lines[0]["verdict"] != "handshake" || lines[1]["verdict"] != "rejected" {
		t.Errorf("logged %v", lines)
	}
}

// A secret being rolled: both are accepted, and the log tells which matched.
func TestRotation(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare {
		secret new-secret current
		secret old-secret previous
	}
	header X-Matched {http.webhook.secret}
	reverse_proxy APP
`)
	g.send("/", event{id: "1", secret: "old-secret"}).wants(t, 200, "handled")
	g.send("/", event{id: "2", secret: "new-secret"}).wants(t, 200, "handled")
	g.send("/", event{id: "3", secret: "older-secret"}).wants(t, 401, invalidBody)
	lines := g.lines()
	for i, want := range []any{"previous", "current", nil} {
		if lines[i]["secret"] != want {
			t.Errorf("line %d: matched %v, want %v", i, lines[i]["secret"], want)
		}
	}
}

func TestMonitorWithholdsNothing(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		mode monitor
		max_body 64
		events task.*
	}
	reverse_proxy APP
`)
	large := strings.Repeat("x", 20<<10)
	for _, tt := range []struct {
		event             event
		verdict, reason   any
		verified, arrives string
	}{
		{event: event{id: "1", event: "task.a"}, verdict: "forwarded", verified: "signature"},
		{event: event{id: "1", event: "task.a"}, verdict: "duplicate", verified: "signature"},
		{event: event{id: "2", event: "other"}, verdict: "ignored", verified: "signature"},
		{event: event{id: "1", event: "task.a", secret: "guess"}, verdict: "rejected", reason: "signature_mismatch", verified: "none"},
		{event: event{id: "1", event: "task.a", spoil: drop("X-Saltare-Signature")}, verdict: "rejected", reason: "signature_missing", verified: "none"},
		{event: event{body: large}, verdict: "rejected", reason: "body_too_large", verified: "none"},
		{event: event{body: large, spoil: chunked}, verdict: "rejected", reason: "body_too_large", verified: "none"},
		{event: event{spoil: func(r *http.Request) { r.Method = "PUT" }}, verdict: "rejected", reason: "method_not_allowed", verified: "none"},
	} {
		r := g.request("/", tt.event)
		r.Header.Set("Hookpass-Verified", "spoofed")
		want, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(want))
		g.do(r).wants(t, 200, "handled")
		calls := app.calls()
		last := calls[len(calls)-1]
		if last.body != string(want) {
			t.Errorf("%v %v: %d of %d bytes arrived", tt.verdict, tt.reason, len(last.body), len(want))
		}
		if got := last.header.Get("Hookpass-Verified"); got != tt.verified {
			t.Errorf("%v %v: verified %q, want %q", tt.verdict, tt.reason, got, tt.verified)
		}
		if (last.header.Get("Hookpass-Delivery") != "") != (tt.verified == "signature") {
			t.Errorf("%v: an unproven id is passed on", tt.verdict)
		}
	}
	app.status(500)
	if a := g.send("/", event{id: "9", event: "task.a"}); a.status != 500 {
		t.Errorf("answered %d", a.status)
	}
	want := []string{"forwarded", "duplicate", "ignored", "rejected", "rejected", "rejected", "rejected", "rejected", "failed"}
	for i, line := range g.lines() {
		if line["verdict"] != want[i] || line["mode"] != "monitor" {
			t.Errorf("line %d: %v, want %s", i, line, want[i])
		}
	}
}

func TestDedupKeys(t *testing.T) {
	for _, tt := range []struct {
		name, dedup string
		second      event // after {id: "1", body: "{}"}, sent to SALLY, whose id is not signed
		want        string
	}{
		{"provider: same id", "", event{id: "1", body: "{}"}, duplicateBody},
		{"provider: other id, same body", "", event{id: "2", body: "{}"}, "handled"},
		{"content: other id, same body", "dedup {\n key content\n}", event{id: "2", body: "{}"}, duplicateBody},
		{"content: same id, other body", "dedup {\n key content\n}", event{id: "1", body: "[]"}, "handled"},
		{"header: same value", "dedup {\n key header X-Key\n}", event{id: "2", body: "[]", spoil: set("X-Key", "k")}, duplicateBody},
		{"header: other value", "dedup {\n key header X-Key\n}", event{id: "1", body: "{}", spoil: set("X-Key", "l")}, "handled"},
		{"off", "dedup off", event{id: "1", body: "{}"}, "handled"},
		{"zero wait", "dedup {\n wait 0s\n}", event{id: "1", body: "{}"}, duplicateBody},
	} {
		t.Run(tt.name, func(t *testing.T) {
			app := newApplication(t)
			g := serve(t, app, "verify_webhook sally "+testSecret+" {\n"+tt.dedup+"\n}\nreverse_proxy APP\n")
			first := event{provider: "sally", id: "1", body: "{}", spoil: set("X-Key", "k"), at: time.Now()}
			g.send("/", first).wants(t, 200, "handled")
			tt.second.provider = "sally"
			tt.second.at = first.at
			g.send("/", tt.second).wants(t, 200, tt.want)
		})
	}
}

// Where a provider sends no id, copies are told by the body, unless genuine
// deliveries look alike.
func TestProvidersWithoutAnID(t *testing.T) {
	for provider, want := range map[string]string{"paystack": duplicateBody, "dropbox": "handled"} {
		app := newApplication(t)
		g := serve(t, app, "verify_webhook "+provider+" "+testSecret+"\nreverse_proxy APP\n")
		g.send("/", event{provider: provider, body: "{}"}).wants(t, 200, "handled")
		g.send("/", event{provider: provider, body: "{}"}).wants(t, 200, want)
		g.send("/", event{provider: provider, body: `{"a":1}`}).wants(t, 200, "handled")
	}
}

// Leaving out the id that the signature does not cover must not let a captured
// delivery pass once more.
func TestCopyWithoutItsIDIsKnownByWhatIsSigned(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, "verify_webhook sally "+testSecret+"\nreverse_proxy APP\n")
	at := time.Now()
	e := event{provider: "sally", body: "{}", at: at}
	g.send("/", e).wants(t, 200, "handled")
	g.send("/", e).wants(t, 200, duplicateBody)
	e.at = at.Add(-time.Second)
	g.send("/", e).wants(t, 200, "handled")
}

func TestRefusalsGoToHandleErrorsWhereTheSiteHasIt(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite+`
	handle_errors {
		respond "sorry: {err.message} {err.status_code} {http.webhook.verdict} {http.webhook.reason}"
	}
`)
	g.send("/", event{secret: "guess"}).wants(t, 401, "sorry: Invalid signature 401 rejected signature_mismatch")
}

func TestPlaceholders(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		name prod
	}
	respond "{http.webhook.provider} {http.webhook.endpoint} {http.webhook.event} {http.webhook.delivery_id} {http.webhook.timestamp} {http.webhook.secret}" 202
`)
	at := time.Now()
	g.send("/", event{id: "d-1", event: "task.created", at: at}).wants(t, 202, "saltare prod task.created d-1 "+timestampText(at)+" 1")
}

func TestLogLine(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite+"log {\n output discard\n}\n")
	g.send("/", event{id: "d-1", event: "task.created"})
	lines := g.lines()
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	for name, want := range map[string]any{
		"endpoint": "saltare", "provider": "saltare", "delivery_id": "d-1", "event": "task.created", "verdict": "forwarded",
		"reason": nil, "mode": "enforce", "secret": "1", "status": 200.0, "remote": "127.0.0.1", "body_bytes": 44.0,
	} {
		if got := lines[0][name]; got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"time", "timestamp_age_ms", "request_id"} {
		if lines[0][name] == nil {
			t.Errorf("no %s in %v", name, lines[0])
		}
	}
	text := string(readFile(t, g.log.path))
	for _, leak := range []string{testSecret, "sha256=", `"event":"task.created","delivery_id"`} {
		if strings.Contains(text, leak) {
			t.Errorf("the log holds %q", leak)
		}
	}
}
