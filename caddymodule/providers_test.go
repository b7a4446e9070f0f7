package caddymodule

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReloadReadsTheProviderFilesAgain(t *testing.T) {
	const file = `
name: Acme
category: test
secret: In Acme's settings.
scheme:
  type: hmac
  algorithm: sha256
  signature: header FIELD sha256={signature}
  encoding: hex
  signed: "{timestamp}.{body}"
  timestamp: header X-Saltare-Timestamp
  delivery_id: body delivery_id
`
	const site = "verify_webhook acme " + testSecret + "\nreverse_proxy APP"
	dir := t.TempDir()
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "acme.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(strings.Replace(file, "FIELD", "X-Acme-Signature", 1))
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = "providers " + dir
	g.load(app, site)
	g.send("/", event{id: "1"}).wants(t, 401, `{"error":"Invalid signature"}`)

	write(strings.Replace(file, "FIELD", "X-Saltare-Signature", 1))
	g.unforced = true // as "hookpass reload" does it, for which it must not be the same configuration
	g.send("/", event{id: "1"}).wants(t, 401, `{"error":"Invalid signature"}`)
	g.load(app, site)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	if provider := app.calls()[0].header.Get("Hookpass-Provider"); provider != "acme" {
		t.Errorf("the provider is %q", provider)
	}

	write("name: Acme\n")
	if err := g.tryLoad(app, site); err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "acme.yaml")+": line 1: ") {
		t.Errorf("half a file: %v", err)
	}
	g.send("/", event{id: "2"}).wants(t, 200, "handled")
}
