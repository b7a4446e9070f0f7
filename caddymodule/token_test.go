package caddymodule

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// A delivery that carries its secret proves the sender and not the content, and
// the application is told so.
func TestTokensReachTheApplicationAsSuch(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, `
	route /token {
		verify_webhook {
			name by-token
			secret s3cr3t
			scheme token {
				signature header Authorization "Bearer {signature}"
				delivery_id body id
			}
		}
		reverse_proxy APP
	}
	route /basic {
		verify_webhook {
			name by-basic
			secret user:pass
			scheme basic
			dedup off
		}
		reverse_proxy APP
	}
`)
	for _, tt := range []struct {
		path, authorization string
		status              int
		challenge           string
	}{
		{"/token", "Bearer s3cr3t", 200, ""},
		{"/token", "Bearer guess", 401, ""},
		{"/token", "", 401, ""},
		{"/basic", "Basic dXNlcjpwYXNz", 200, ""},
		{"/basic", "Basic dXNlcjpndWVzcw==", 401, `Basic realm="webhooks", charset="UTF-8"`},
		{"/basic", "", 401, `Basic realm="webhooks", charset="UTF-8"`},
	} {
		before := len(app.calls())
		r, err := http.NewRequest(http.MethodPost, g.url(tt.path), strings.NewReader(`{"id":"1"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Hookpass-Verified", "signature")
		if tt.authorization != "" {
			r.Header.Set("Authorization", tt.authorization)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tt.status || resp.Header.Get("WWW-Authenticate") != tt.challenge {
			t.Errorf("%s %q: answered %d %q %s, %v", tt.path, tt.authorization, resp.StatusCode, resp.Header.Get("WWW-Authenticate"), text, err)
		}
		calls := app.calls()[before:]
		if passed := len(calls) == 1; passed != (tt.status == 200) {
			t.Errorf("%s %q: %d calls", tt.path, tt.authorization, len(calls))
		} else if passed && calls[0].header.Get("Hookpass-Verified") != "token" {
			t.Errorf("%s: verified by %q", tt.path, calls[0].header.Get("Hookpass-Verified"))
		}
	}
}
