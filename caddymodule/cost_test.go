//go:build !race

package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// costs are the ways of a delivery through the handler, and how many objects it
// may allocate on them. What grows here is paid on each delivery: raise a number
// only for something that is worth it. (The race detector allocates, too.)
var costs = []struct {
	name   string
	event  func(n int) event
	status int
	most   float64
}{
	{"accepted", func(n int) event { return event{id: fmt.Sprint("accepted-", n)} }, 200, 30},
	{"duplicate", func(int) event { return event{id: "duplicate"} }, 200, 20},
	{"forged", func(n int) event { return event{secret: "guess", id: fmt.Sprint("forged-", n)} }, 401, 20},
	{"unsigned", func(int) event { return event{spoil: drop("X-Saltare-Signature")} }, 401, 20},
}

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

func TestAllocationsOfADelivery(t *testing.T) {
	h, prepare := handlerAlone(t)
	const runs = 200
	for _, tt := range costs {
		t.Run(tt.name, func(t *testing.T) {
			type exchange struct {
				w http.ResponseWriter
				r *http.Request
			}
			var waiting []exchange
			for n := range runs + 2 {
				w, r := prepare(tt.event(n))
				waiting = append(waiting, exchange{w, r})
			}
			next := func() {
				x := waiting[0]
				waiting = waiting[1:]
				if err := h.ServeHTTP(x.w, x.r, handled); err != nil {
					t.Fatal(err)
				}
				if got := x.w.(*discarded).status; got != tt.status {
					t.Fatalf("answered %d, want %d", got, tt.status)
				}
			}
			next() // the first of the duplicates is none
			if got := testing.AllocsPerRun(runs, next); got > tt.most {
				t.Errorf("%.0f objects are allocated, at most %.0f may be", got, tt.most)
			}
		})
	}
}

func BenchmarkDelivery(b *testing.B) {
	h, prepare := handlerAlone(b)
	for _, bb := range costs {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				b.StopTimer()
				w, r := prepare(bb.event(n))
				b.StartTimer()
				if err := h.ServeHTTP(w, r, handled); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
