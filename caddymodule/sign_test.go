package caddymodule

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const (
	appSecret   = "whsec_YXBwbGljYXRpb24tc2VjcmV0LW9mLXRoaXMtdGVzdA=="
	otherSecret = "whsec_c2VjcmV0LW9mLXRoZS1wcm92aWRlci1vZi10aGlzLXRlc3Q="
)

// genuine fails the test unless the official library takes what arrived for ours.
func genuine(t *testing.T, secret string, a arrival) {
	t.Helper()
	library, err := official.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Verify([]byte(a.body), a.header); err != nil {
		t.Errorf("%v: %v", err, a.header)
	}
	for _, name := range []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"} {
		if values := a.header.Values(name); len(values) != 1 {
			t.Errorf("%s has the values %q", name, values)
		}
	}
}

func (a *application) only(t *testing.T) arrival {
	t.Helper()
	calls := a.calls()
	if len(calls) != 1 {
		t.Fatalf("the application got %+v", calls)
	}
	return calls[0]
}

func TestTheApplicationVerifiesOneScheme(t *testing.T) {
	for name, c := range map[string]struct {
		secret string // of the application, as its library takes it
		event  event
		id     string
	}{
		"another provider":       {appSecret, event{provider: "saltare", id: "d-1", event: "task.created"}, "d-1"},
		"Standard Webhooks":      {appSecret, event{provider: "standard-webhooks", secret: otherSecret, id: "msg_1", body: `{}`}, "msg_1"},
		"the provider's secret":  {otherSecret, event{provider: "standard-webhooks", secret: otherSecret, id: "msg_1", body: `{}`}, "msg_1"},
		"a secret that is text":  {"text of the application", event{provider: "saltare", id: "d-1"}, "d-1"},
		"a body beyond ASCII":    {appSecret, event{provider: "sally", id: "d-1", body: "{\"é\":\t\"☕ \\u00e9\"}\r\n"}, "d-1"},
		"the sender's own field": {appSecret, event{provider: "saltare", id: "d-1", spoil: impersonate}, "d-1"},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApplication(t)
			if c.event.secret == "" {
				c.event.secret = testSecret
			}
			g := serve(t, app, "verify_webhook "+c.event.provider+" "+c.event.secret+" {\n sign \""+c.secret+"\"\n}\nreverse_proxy APP")
			before := time.Now().Truncate(time.Second)
			c.event.at = before.Add(-2 * time.Minute)
			g.send("/", c.event).wants(t, 200, "handled")

			got := app.only(t)
			key := c.secret
			if !strings.HasPrefix(key, "whsec_") {
				key = base64.StdEncoding.EncodeToString([]byte(key))
			}
			genuine(t, key, got)
			if id := got.header.Get("Webhook-Id"); id != c.id {
				t.Errorf("the id is %q, want %q", id, c.id)
			}
			at, err := strconv.ParseInt(got.header.Get("Webhook-Timestamp"), 10, 64)
			if err != nil || at < before.Unix() || at > time.Now().Unix() {
				t.Errorf("it was signed at %d, %v, not when it was forwarded", at, err)
			}
			for name := range got.header {
				if strings.Contains(name, "_") {
					t.Errorf("the sender's %s is there", name)
				}
			}
		})
	}
}

// impersonate writes what only we may say, in every spelling.
func impersonate(r *http.Request) {
	for _, name := range []string{"Webhook-Id", "webhook-id", "Webhook_Id", "WEBHOOK_SIGNATURE", "webhook-timestamp", "Webhook-Signature"} {
		r.Header[name] = []string{"spoofed", "twice"}
	}
	r.Header.Set("Connection", "Webhook-Signature, Webhook-Id")
}

// A retry is known by the id of the attempt before, also where the provider has
// none that a field could carry.
func TestAnIDIsTheSameOnEveryAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint      string
		first, second event
		same          bool
		id            string // begins so
	}{
		"the provider's":                 {"saltare SECRET {", event{id: "d-1"}, event{id: "d-1"}, true, "d-1"},
		"none: the body":                 {"paystack SECRET {\n", event{provider: "paystack", body: `{"a":1}`}, event{provider: "paystack", body: `{"a":1}`}, true, "hookpass_"},
		"none, and another body":         {"paystack SECRET {\n", event{provider: "paystack", body: `{"a":1}`}, event{provider: "paystack", body: `{"a":2}`}, false, "hookpass_"},
		"none, and no deduplication":     {"paystack SECRET {\n dedup off\n", event{provider: "paystack", body: `{"a":1}`}, event{provider: "paystack", body: `{"a":1}`}, true, "hookpass_"},
		"one with a dot":                 {"saltare SECRET {", event{id: "a.1767225600"}, event{id: "a.1767225600"}, true, "hookpass_"},
		"one with a blank":               {"saltare SECRET {", event{id: "a b"}, event{id: "a b"}, true, "hookpass_"},
		"one beyond ASCII":               {"saltare SECRET {", event{id: "ä"}, event{id: "ä"}, true, "hookpass_"},
		"one that is too long":           {"saltare SECRET {", event{id: strings.Repeat("x", 2000)}, event{id: strings.Repeat("x", 2000)}, true, "hookpass_"},
		"others that are too long":       {"saltare SECRET {", event{id: strings.Repeat("x", 2000)}, event{id: strings.Repeat("x", 2001)}, false, "hookpass_"},
		"a field that deduplication has": {"paystack SECRET {\n dedup {\n key header Webhook-Id\n }\n", event{provider: "paystack", body: `{"a":1}`, spoil: set("Webhook-Id", "1")}, event{provider: "paystack", body: `{"a":1}`, spoil: set("Webhook-Id", "2")}, false, "hookpass_"},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApplication(t)
			app.status(503)
			g := serve(t, app, "verify_webhook "+strings.Replace(c.endpoint, "SECRET", testSecret, 1)+"\n sign "+appSecret+"\n}\nreverse_proxy APP")
			c.second.at = time.Now().Add(time.Minute) // signed anew
			for _, e := range []event{c.first, c.second} {
				e.event = "x"
				if got := g.send("/", e); got.status != 503 {
					t.Fatalf("answered %+v", got)
				}
			}
			calls := app.calls()
			if len(calls) != 2 {
				t.Fatalf("the application got %+v", calls)
			}
			var ids []string
			for _, call := range calls {
				genuine(t, appSecret, call)
				ids = append(ids, call.header.Get("Webhook-Id"))
			}
			if (ids[0] == ids[1]) != c.same || !strings.HasPrefix(ids[0], c.id) {
				t.Errorf("the ids are %q", ids)
			}
		})
	}
}

// Nothing is withheld in monitor mode, but the application can tell what it would
// not have got.
func TestWhatIsNotProvenIsNotSigned(t *testing.T) {
	for name, e := range map[string]event{
		"forged":                  {secret: "guess", id: "d-1"},
		"forged with our fields":  {secret: "guess", id: "d-1", spoil: impersonate},
		"too old":                 {id: "d-1", at: time.Now().Add(-time.Hour)},
		"unsigned":                {id: "d-1", spoil: drop("X-Saltare-Signature")},
		"another provider's":      {provider: "standard-webhooks", secret: appSecret, id: "msg_1", body: `{}`},
		"too large to be read on": {id: "d-1", body: strings.Repeat("x", 2000)},
	} {
		t.Run(name, func(t *testing.T) {
			app := newApplication(t)
			g := serve(t, app, "verify_webhook saltare "+testSecret+" {\n mode monitor\n max_body 1KiB\n sign "+appSecret+"\n}\nreverse_proxy APP")
			g.send("/", e).wants(t, 200, "handled")
			got := app.only(t)
			if got.header.Get("Hookpass-Verified") != "none" {
				t.Errorf("it was proven: %v", got.header)
			}
			for field := range got.header {
				if strings.HasPrefix(strings.ToLower(field), "webhook") {
					t.Errorf("%s is %q", field, got.header[field])
				}
			}
		})
	}
	t.Run("but what is proven is, a copy too", func(t *testing.T) {
		app := newApplication(t)
		g := serve(t, app, "verify_webhook saltare "+testSecret+" {\n mode monitor\n sign "+appSecret+"\n}\nreverse_proxy APP")
		for range 2 {
			g.send("/", event{id: "d-1"}).wants(t, 200, "handled")
		}
		for _, call := range app.calls() {
			genuine(t, appSecret, call)
		}
	})
}
