package caddymodule

import (
	"net/http"
	"strings"
	"testing"
)

// A newcomer's way: the secret is known only once the webhook is made, for which
// the endpoint has to be there.
func TestAsanaWebhookIsCreated(t *testing.T) {
	const made, another, planted = "b537207f20cbfa02357cf448134da559e8bd39d61597dcd5631b8012eae53e81", "9d3c1f00c2", "0badc0de0badc0de0badc0de0badc0de"
	const events = `{"events":[{"action":"changed"}]}`
	app := newApplication(t)
	g := serve(t, app, "verify_webhook asana "+testSecret+"\nreverse_proxy APP") // a random one at first
	handshake := func(secret, body string, header ...string) answer {
		return g.question("POST", "/", body, append(header, "X-Hook-Secret", secret)...)
	}
	wants := func(a answer, status int, body, secret string) {
		t.Helper()
		a.wants(t, status, body)
		if got := a.header.Get("X-Hook-Secret"); got != secret {
			t.Errorf("answered with the secret %q, want %q", got, secret)
		}
	}
	delivery := func(secret string) event { return event{provider: "asana", secret: secret, body: events} }

	wants(handshake(made, "{}"), 200, "", made)
	wants(g.send("/", delivery(made)), 401, invalidBody, "")

	g.load(app, "verify_webhook asana {\n secret "+made+"\n secret "+another+"\n}\nreverse_proxy APP")
	wants(g.send("/", delivery(made)), 200, "handled", "")
	wants(handshake(another, "{}"), 200, "", another) // of a second webhook at the same endpoint
	second := delivery(another)
	second.body = `{"events":[]}`
	wants(g.send("/", second), 200, "handled", "")

	// A stranger gets back what he sent, and nothing comes of it.
	wants(handshake(planted, "{}"), 200, "", planted)
	wants(g.send("/", delivery(planted)), 401, invalidBody, "")
	for name, secret := range map[string]string{
		"long":    strings.Repeat("a", 257),
		"several": "a, b",
		"markup":  "<script>",
		"foreign": "gr\xfcn",
	} {
		if a := handshake(secret, "{}"); a.status != 401 || a.header.Get("X-Hook-Secret") != "" {
			t.Errorf("%s: answered %+v", name, a)
		}
	}
	// Nor does a delivery become a handshake, which would be answered and lost.
	both := delivery(made)
	both.body = `{"events":[{"action":"added"}]}`
	both.spoil = func(r *http.Request) { r.Header.Set("X-Hook-Secret", planted) }
	wants(g.send("/", both), 200, "handled", "")

	if n := len(app.calls()); n != 3 {
		t.Errorf("the application was called %d times", n)
	}
	g.lines() // are written once this returns
	logs := string(readFile(t, g.caddyLog())) + string(readFile(t, g.log.path))
	for _, secret := range []string{made, another, planted} {
		if strings.Contains(logs, secret) {
			t.Errorf("a log has %s", secret)
		}
	}
}
