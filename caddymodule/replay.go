package caddymodule

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/diagnosis"
)

// replay marks a request that hookpass makes itself, of a delivery that it has
// kept. The key is in nobody else's reach.
type replay struct {
	by      delivery.Replayed
	arrived time.Time // the original

	// What has become of it: set when its exchange is closed.
	number uint64
	record delivery.Record
}

type replayKey struct{}

func replayOf(r *http.Request) *replay {
	mark, _ := r.Context().Value(replayKey{}).(*replay)
	return mark
}

// Replayed is what POST answers at /webhooks/deliveries/NUMBER/replay.
type Replayed struct {
	Number  uint64           `json:"number"` // of the new delivery
	Verdict delivery.Verdict `json:"verdict"`
	Reason  delivery.Reason  `json:"reason,omitempty"`
	Status  int              `json:"status,omitempty"` // the application's
}

// replayDelivery sends a kept delivery through its site again.
func replayDelivery(a *App, r *http.Request) (any, error) {
	kept, _, err := a.keptWhole(r)
	if err != nil {
		return nil, err
	}
	mark := &replay{by: delivery.ReplayedManual, arrived: kept.Whole.Arrived}
	if err := mark.send(kept.Whole); err != nil {
		return nil, apiError(http.StatusConflict, "delivery %d: %w", kept.Number, err)
	}
	return Replayed{mark.number, mark.record.Verdict, mark.record.Reason, mark.record.Status}, nil
}

// send has the running site handle a delivery as if it came now. Nobody waits for
// the answer's text, and nobody hangs up.
func (mark *replay) send(w *delivery.Whole) error {
	app, _ := caddy.ActiveContext().AppIfConfigured("http")
	sites, _ := app.(*caddyhttp.App)
	if sites == nil || sites.Servers[w.Server] == nil {
		return fmt.Errorf("it came to the server %q, which the configuration no longer has: let the sender send it again", w.Server)
	}
	r, err := again(context.WithValue(context.Background(), replayKey{}, mark), w)
	if err != nil {
		return err
	}
	answer := &unread{header: http.Header{}}
	mark.through(sites.Servers[w.Server], answer, r)
	if mark.number == 0 {
		return fmt.Errorf("no verify_webhook has seen it, as the site's routes have changed: they answered %d", answer.status)
	}
	return nil
}

// through ends where the application breaks off its answer, which Caddy takes for a
// reason to panic.
func (*replay) through(server http.Handler, w http.ResponseWriter, r *http.Request) {
	defer func() {
		if fault := recover(); fault != nil && fault != http.ErrAbortHandler { //nolint:errorlint // it is no error that anybody wraps
			caddy.Log().Named(appName).Error("a replay ended in a panic", zap.String("fault", fmt.Sprint(fault)))
		}
	}()
	server.ServeHTTP(w, r)
}

// unread is the writer of an answer of which only the status counts.
type unread struct {
	header http.Header
	status int
}

func (u *unread) Header() http.Header         { return u.header }
func (u *unread) Write(p []byte) (int, error) { return len(p), nil }

func (u *unread) WriteHeader(status int) {
	if u.status < http.StatusOK { // what went before was an interim answer
		u.status = status
	}
}

// Flush implements http.Flusher.
func (*unread) Flush() {}

// keptWhole returns the delivery of a path, and the endpoint that it came to.
func (a *App) keptWhole(r *http.Request) (delivery.Kept, *settings, error) {
	kept, err := keptAt(r)
	switch {
	case err != nil:
		return kept, nil, err
	case kept.Whole == nil && (a.Recent == nil || !a.Recent.Bodies):
		return kept, nil, apiError(http.StatusConflict, "delivery %d has no body: write bodies on into recent, for those to come", kept.Number)
	case kept.Whole == nil:
		return kept, nil, apiError(http.StatusConflict, "delivery %d has no body: %s", kept.Number, notWhole)
	}
	s := a.endpoint(kept.Whole.Endpoint)
	if s == nil {
		return kept, nil, apiError(http.StatusNotFound, "delivery %d came to endpoint %s, which the configuration no longer has", kept.Number, kept.Whole.Endpoint)
	}
	return kept, s, nil
}

// keptAt returns the delivery whose number is in the path.
func keptAt(r *http.Request) (delivery.Kept, error) {
	text := r.PathValue("number")
	for _, kept := range recents.Newest() {
		if strconv.FormatUint(kept.Number, 10) == text {
			return kept, nil
		}
	}
	return delivery.Kept{}, apiError(http.StatusNotFound, "no delivery %q is kept: GET %s tells which are", text, DeliveriesPath)
}

// diagnosing has room for one, as each takes a processor.
var diagnosing = make(chan struct{}, 1)

// diagnoseDelivery looks into a kept delivery, at its endpoint as it is now.
func diagnoseDelivery(a *App, r *http.Request) (any, error) {
	kept, s, err := a.keptWhole(r)
	if err != nil {
		return nil, err
	}
	if matches(kept, url.Values{"verdict": {string(delivery.VerdictHandshake)}}) { // which need not be signed
		return nil, apiError(http.StatusConflict, "delivery %d is a handshake, which was answered: there is nothing to look into", kept.Number)
	}
	select {
	case diagnosing <- struct{}{}:
		defer func() { <-diagnosing }()
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	arrived := kept.Whole.Arrived
	endpoint, process := a.described(s.name, arrived)
	return diagnosis.Diagnose(diagnosis.PatientLimits, diagnosis.Delivery{Request: s.asReceived(kept.Whole), Received: arrived}, endpoint, process), nil
}
