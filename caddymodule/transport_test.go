package caddymodule

import (
	"net/http"
	"strings"
	"testing"
)

const transportSite = `
	verify_webhook saltare ` + testSecret + `
	reverse_proxy APP {
		transport webhook
	}
`

func TestDeliveriesOverOurTransport(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, transportSite)
	for _, size := range []int{0, 10 << 10, 200 << 10} {
		e := event{id: "d", body: `{"delivery_id":"` + strings.Repeat("x", size) + `"}`}
		g.send("/", e).wants(t, 200, "handled")
		g.send("/", e).wants(t, 200, duplicateBody)
		last := app.calls()[len(app.calls())-1]
		if last.body != e.body || last.length != int64(len(e.body)) || last.coding != nil {
			t.Errorf("%d bytes arrived as %d, announced as %d, coded as %v", len(e.body), len(last.body), last.length, last.coding)
		}
		if last.header.Get("Hookpass-Verified") != "signature" {
			t.Errorf("arrived with %v", last.header)
		}
	}
}

// What the application does not answer leaves no trace, as with any transport.
func TestFailuresOverOurTransport(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, transportSite)
	for name, answer := range map[string]http.HandlerFunc{
		"an error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"half an answer": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusFound)
			panic(http.ErrAbortHandler)
		},
	} {
		app.answers(answer)
		if a := g.send("/", event{id: name}); a.status/100 == 2 {
			t.Errorf("%s: answered %d", name, a.status)
		}
	}
	app.status(200)
	for _, name := range []string{"an error", "no answer", "half an answer"} {
		g.send("/", event{id: name}).wants(t, 200, "")
	}
}

// In monitor mode what is too large goes on, too, and its length may be unknown.
func TestMonitoredBodyOfUnknownLengthOverOurTransport(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+` {
		mode monitor
		max_body 1KiB
	}
	reverse_proxy APP {
		transport webhook
	}
`)
	body := strings.Repeat("x", 100<<10)
	r := g.request("/", event{id: "1", body: body})
	r.ContentLength = -1
	g.do(r).wants(t, 200, "handled")
	if got := app.calls()[0].body; got != body {
		t.Errorf("%d bytes arrived", len(got))
	}
}

func TestOurTransportToNobody(t *testing.T) {
	g := serve(t, newApplication(t), strings.ReplaceAll(transportSite, "APP", freeAddress(t)))
	if a := g.send("/", event{id: "1"}); a.status != http.StatusBadGateway {
		t.Errorf("answered %d", a.status)
	}
}
