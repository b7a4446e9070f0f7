package caddymodule

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// A signature by RFC 9421 covers the address as the sender knows it: the one that
// public_url says, or the one of the request, whatever a site makes of its path.
func TestMessageSignaturesCoverTheSendersAddress(t *testing.T) {
	app := newApplication(t)
	const secret = "c2VjcmV0IG9mIGEgc2VuZGVy"
	g := serve(t, app, `
	handle_path /known/* {
		verify_webhook http-message-signatures `+secret+` {
			name known
			public_url https://hooks.example.com
		}
		reverse_proxy APP
	}
	handle_path /direct/* {
		verify_webhook http-message-signatures `+secret+` {
			name direct
		}
		reverse_proxy APP
	}
`)
	provider, err := catalog.Lookup("http-message-signatures")
	if err != nil {
		t.Fatal(err)
	}
	key, err := webhook.ParseSecret("", secret, provider.Scheme.Key)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := webhook.NewSigner(provider.Scheme, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, signed, sent string
		status             int
	}{
		{"public_url", "https://hooks.example.com/known/in?tenant=7&x=%C3%A9", "/known/in?tenant=7&x=%C3%A9", 200},
		{"another host", "https://other.example.com/known/in", "/known/in", 401},
		{"another path", "https://hooks.example.com/known/in", "/known/other", 401},
		{"a query more", "https://hooks.example.com/known/in", "/known/in?admin=1", 401},
		{"the request's own address", g.url("/direct/in"), "/direct/in", 200},
		{"not the request's own address", "https://hooks.example.com/direct/in", "/direct/in", 401},
	} {
		signed := &webhook.Request{Method: http.MethodPost, URL: tt.signed, Header: http.Header{}, Body: []byte(`{"case":"` + tt.name + `"}`)}
		if err := signer.Sign(signed, "", "", time.Now()); err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, g.url(tt.sent), bytes.NewReader(signed.Body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = signed.Header
		before := len(app.calls())
		if answer := g.do(r); answer.status != tt.status || len(app.calls())-before != map[int]int{200: 1}[tt.status] {
			t.Errorf("%s: answered %d %s, %d calls", tt.name, answer.status, answer.body, len(app.calls())-before)
		}
	}
}
