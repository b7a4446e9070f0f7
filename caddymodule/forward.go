package caddymodule

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/hookpass/hookpass/dedup"
	"github.com/hookpass/hookpass/delivery"
)

// errNoApplication is returned when nothing behind the handler answered. Caddy
// would answer 200 with an empty body, and the delivery would be lost.
var errNoApplication = errors.New("nothing behind verify_webhook answered: add reverse_proxy")

// forward lets a verified delivery go to the application.
func (x *exchange) forward(claimed dedup.Outcome) error {
	// Until the application has said otherwise: also a panic ends as failed.
	x.decide(delivery.VerdictFailed, "")
	return x.handOver(claimed)
}

// handOver calls the handlers behind this one. The sender hanging up does not
// cancel them: their outcome counts, and a sender less patient than the
// application is slow would otherwise never get an event through.
func (x *exchange) handOver(claimed dedup.Outcome) error {
	start := time.Now()
	x.setOwnHeader()
	if err := x.sign(start); err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	x.body.restore(x.w, x.r)
	deadline := start.Add(x.h.settings.forward)
	if d := claimed.Deadline; !d.IsZero() && d.Before(deadline) {
		deadline = d // another replica takes the delivery over soon after
	}
	ctx, cancel := context.WithDeadline(context.WithoutCancel(x.r.Context()), deadline)
	defer cancel()
	observer := &observer{ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: x.w}}
	observer.answered = func(status int) {
		if x.record.Verdict == delivery.VerdictFailed && status/100 == 2 {
			// At the header, before the sender sees a byte of it: a broken
			// connection does not undo what the application has done.
			if claimed.Claim != nil {
				claimed.Claim.Commit()
			}
			x.decide(delivery.VerdictForwarded, "")
		}
	}
	defer func() { x.record.Forward, x.record.Status = time.Since(start), observer.status }()

	err := x.next.ServeHTTP(observer, x.r.WithContext(ctx))
	if err == nil && observer.status == 0 {
		return caddyhttp.Error(http.StatusBadGateway, errNoApplication)
	}
	return err
}

// observer sees the final status of an answer.
type observer struct {
	*caddyhttp.ResponseWriterWrapper
	status   int
	answered func(status int)
}

func (o *observer) WriteHeader(status int) {
	if o.status == 0 && status >= http.StatusOK { // not an interim answer
		o.status = status
		o.answered(status)
	}
	o.ResponseWriterWrapper.WriteHeader(status)
}

func (o *observer) Write(b []byte) (int, error) {
	o.implicitHeader()
	return o.ResponseWriterWrapper.Write(b)
}

func (o *observer) ReadFrom(r io.Reader) (int64, error) {
	o.implicitHeader()
	return o.ResponseWriterWrapper.ReadFrom(r)
}

func (o *observer) implicitHeader() {
	if o.status == 0 {
		o.WriteHeader(http.StatusOK)
	}
}

const ownPrefix = "Hookpass-"

// stripOwnHeader removes what only we may say. Many applications read an underscore
// as a dash, and some, as CGI has it, any sign that is neither letter nor digit.
func stripOwnHeader(header http.Header) {
	for name := range header {
		if len(name) < len(ownPrefix) || !strings.EqualFold(name[:len(ownPrefix)-1], ownPrefix[:len(ownPrefix)-1]) {
			continue
		}
		end := name[len(ownPrefix)-1]
		if letter := end | 0x20; (letter < 'a' || letter > 'z') && (end < '0' || end > '9') {
			delete(header, name)
		}
	}
}

func (x *exchange) setOwnHeader() {
	header := x.r.Header
	// A field named in Connection is dropped by the next proxy, ours included,
	// and a webhook upgrades to nothing.
	delete(header, "Connection")
	delete(header, "Upgrade")
	values := make([]string, 0, 7) // one allocation for all fields
	set := func(name, value string) {
		// What is no header value, or would be refused for its length, is left out.
		if value != "" && len(value) <= maxHeaderValue && httpguts.ValidHeaderFieldValue(value) {
			values = append(values, value)
			header[name] = values[len(values)-1 : len(values) : len(values)]
		}
	}
	set("Hookpass-Provider", x.h.settings.provider)
	set("Hookpass-Endpoint", x.h.settings.name)
	set("Hookpass-Replay", string(x.record.Replayed))
	if !x.verified {
		set("Hookpass-Verified", "none")
		return
	}
	set("Hookpass-Verified", string(x.h.settings.proof))
	set("Hookpass-Event", x.delivery.Event)
	set("Hookpass-Delivery", x.delivery.ID)
	set("Hookpass-Timestamp", timestampText(x.delivery.Timestamp))
}

const maxHeaderValue = 1024
