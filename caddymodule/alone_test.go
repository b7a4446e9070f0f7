package caddymodule

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// handlerAlone returns a handler of Saltare's deliveries, and what makes requests
// for it as Caddy's server does.
func handlerAlone(tb testing.TB) (h *VerifyWebhook, prepare func(event) (http.ResponseWriter, *http.Request)) {
	tb.Helper()
	if err := caddy.Run(&caddy.Config{
		Admin:   &caddy.AdminConfig{Disabled: true},
		AppsRaw: caddy.ModuleMap{"webhooks": []byte(`{"delivery_log":{"output":{"output":"discard"}}}`)},
	}); err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(caddy.ActiveContext())
	tb.Cleanup(func() {
		cancel()
		if err := caddy.Stop(); err != nil {
			tb.Error(err)
		}
	})
	h = &VerifyWebhook{Provider: "saltare", Secrets: []Secret{{Value: testSecret}}}
	if err := h.Provision(ctx); err != nil {
		tb.Fatal(err)
	}
	server := new(caddyhttp.Server)
	return h, func(e event) (http.ResponseWriter, *http.Request) {
		r := signedRequest(tb, "http://localhost/", e)
		w := &discarded{header: http.Header{}}
		return w, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, server)
	}
}

// discarded is the writer of an answer that nobody reads.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) Write(b []byte) (int, error) { return len(b), nil }
func (d *discarded) WriteHeader(status int)      { d.status = status }

func (*discarded) SetReadDeadline(time.Time) error { return nil }

var handled = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
	_, err := io.Copy(io.Discard, r.Body)
	w.WriteHeader(http.StatusOK)
	return err
})
