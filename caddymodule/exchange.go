package caddymodule

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/dedup"
	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

// exchange is one request on its way through the handler.
type exchange struct {
	h    *VerifyWebhook
	w    http.ResponseWriter
	r    *http.Request
	next caddyhttp.Handler
	repl *caddy.Replacer

	arrived  time.Time
	asOf     time.Time       // when it has to be fresh: its arrival, or the original's
	replay   *replay         // nil: it comes from outside
	whole    *delivery.Whole // as it came; nil: bodies are not kept
	request  webhook.Request
	body     body
	delivery webhook.Delivery
	verified bool
	record   delivery.Record
	entered  bool
}

func (h *VerifyWebhook) newExchange(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) *exchange {
	now := time.Now()
	x := &exchange{
		h: h, w: w, r: r, next: next, arrived: now, asOf: now, replay: replayOf(r),
		repl:    r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer),
		request: h.signedRequest(r),
		record: delivery.Record{
			Time:     now,
			Endpoint: h.settings.name,
			Provider: h.settings.provider,
			Mode:     h.settings.mode,
			Remote:   clientAddress(r),
		},
	}
	if x.replay != nil {
		x.asOf, x.record.Replayed = x.replay.arrived, x.replay.by
	}
	x.entered = h.app.enter()
	h.meters.inFlight.Inc()
	stripOwnHeader(r.Header)
	x.whole = x.arrival()
	if server, ok := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); ok && server.Logs != nil {
		x.record.RequestID, _ = x.repl.GetString("http.request.uuid") // which puts it into the access log, too
	}
	x.repl.Map(x.placeholder)
	return x
}

// placeholder tells what is known so far. Caddy asks for what a configuration
// uses; to set them all for each delivery would cost more than its signature.
func (x *exchange) placeholder(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, "http.webhook.")
	if !ours {
		return nil, false
	}
	switch name {
	case "provider":
		return x.record.Provider, true
	case "endpoint":
		return x.record.Endpoint, true
	case "event":
		return x.delivery.Event, true
	case "delivery_id":
		return x.delivery.ID, true
	case "timestamp":
		return timestampText(x.delivery.Timestamp), true
	case "secret":
		return x.delivery.Secret, true
	case "verdict":
		return string(x.record.Verdict), true
	case "reason":
		return string(x.record.Reason), true
	case "replayed":
		return string(x.record.Replayed), true
	default:
		return nil, false
	}
}

// signedRequest is the request as the sender wrote it, before any rewrite.
func (h *VerifyWebhook) signedRequest(r *http.Request) webhook.Request {
	original := *r
	if before, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		original.Method, original.URL = before.Method, before.URL
	}
	return webhook.Request{
		Method: original.Method,
		URL:    h.publicURL(r) + original.URL.RequestURI(),
		Path:   original.URL.EscapedPath(),
		Query:  original.URL.RawQuery,
		Header: r.Header,
	}
}

// publicURL is the scheme and host under which the sender knows the endpoint.
// Forwarded fields count only where Caddy trusts the peer: anyone can send them.
func (h *VerifyWebhook) publicURL(r *http.Request) string {
	if h.settings.publicURL != "" {
		return h.settings.publicURL
	}
	return seenURL(r)
}

// seenURL is the same, as the request tells it.
func seenURL(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool); trusted {
		if forwarded := r.Header.Get("X-Forwarded-Proto"); forwarded == "http" || forwarded == "https" {
			scheme = forwarded
		}
		if forwarded := r.Header.Get("X-Forwarded-Host"); forwarded != "" {
			host = forwarded
		}
	}
	return scheme + "://" + host
}

func clientAddress(r *http.Request) string {
	if ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ip != "" {
		return ip
	}
	host, _, _ := net.SplitHostPort(r.RemoteAddr)
	return host
}

// timed adds the time that f takes to the time spent on verifying.
func (x *exchange) timed(f func()) {
	start := time.Now()
	f()
	x.record.Verify += time.Since(start)
}

// claim asks whether the delivery is the first of its kind. Only a verified one
// gets here, so that nobody else can occupy an id.
func (x *exchange) claim() (dedup.Outcome, error) {
	s := x.h.settings.dedup
	options := dedup.Options{Endpoint: x.h.settings.name, Window: s.window, Wait: s.wait, Lease: x.h.lease}
	if x.h.settings.mode == delivery.ModeMonitor {
		options.Wait = 0 // monitoring must not slow a copy down
	}
	if err := x.h.app.begin(); err != nil {
		return dedup.Outcome{}, err
	}
	id := x.dedupID()
	outcome, err := x.h.app.store.Begin(x.r.Context(), id, options)
	if err == nil && outcome.Kind == dedup.Forward && s.watched {
		outcome.Claim = x.watch(outcome.Claim, id, options)
	}
	return outcome, err
}

// dedupID names the delivery for deduplication.
func (x *exchange) dedupID() dedup.ID {
	endpoint := x.h.settings.name
	var id string
	switch key := x.h.settings.dedup.key; key.kind {
	case keyContent:
		digest := sha256.Sum256(x.request.Body)
		return dedup.NewID(endpoint, keyContent, string(digest[:]))
	case keyPlace:
		id, _ = key.place.Value(&x.request) // conflicting values are no id
	default:
		id = x.delivery.ID
	}
	if id != "" {
		return dedup.NewID(endpoint, "id", id)
	}
	return x.contentID()
}

// contentID names the delivery by what the signature vouches for, so that leaving
// out an unsigned id does not let a copy pass.
func (x *exchange) contentID() dedup.ID {
	digest := sha256.New()
	_, _ = io.WriteString(digest, strconv.FormatInt(x.delivery.Timestamp.UnixNano(), 10)+"\n")
	_, _ = digest.Write(x.request.Body)
	return dedup.NewID(x.h.settings.name, "unnamed", string(digest.Sum(nil)))
}

// decide notes what became of the delivery.
func (x *exchange) decide(verdict delivery.Verdict, reason delivery.Reason) {
	x.record.Verdict, x.record.Reason = verdict, reason
}

func timestampText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return strconv.FormatInt(at.Unix(), 10)
}

// withhold ends the exchange with respond, or, in monitor mode, lets it go on to
// the application all the same. It does not where nobody but us has sent it again.
func (x *exchange) withhold(verdict delivery.Verdict, reason delivery.Reason, respond func() error) error {
	x.decide(verdict, reason)
	if x.h.settings.mode == delivery.ModeMonitor && x.replay == nil {
		return x.handOver(dedup.Outcome{})
	}
	return respond()
}

// refuse ends the exchange of a delivery that did not pass.
func (x *exchange) refuse(err error) error {
	refusal := refusalFor(err)
	if handshake := (*webhook.HandshakeError)(nil); errors.As(err, &handshake) && handshake.Status != 0 {
		refusal.status = handshake.Status
	}
	return x.withhold(delivery.VerdictRejected, refusal.reason, func() error {
		return x.error(refusal.status, refusal.says)
	})
}

// busy ends the exchange of a copy whose first is still at the application.
func (x *exchange) busy() error {
	return x.withhold(delivery.VerdictBusy, "", func() error {
		return x.error(http.StatusServiceUnavailable, "Another copy is being handled, try again")
	})
}

// answer ends the exchange of a genuine delivery that the application need not
// see, with what the provider wants to read, if it does.
func (x *exchange) answer(verdict delivery.Verdict, text string) error {
	return x.withhold(verdict, "", func() error {
		if received := x.h.settings.received; received != (catalog.Received{}) {
			reply := &webhook.Reply{Status: cmp.Or(received.Status, http.StatusOK), Body: received.Text}
			if reply.Body != "" {
				reply.Header = map[string]string{"Content-Type": "text/plain; charset=utf-8"}
			}
			return x.write(reply)
		}
		return x.writeJSON(http.StatusOK, text)
	})
}

// close ends every exchange, also one that panicked.
func (x *exchange) close() {
	r := &x.record
	r.BodyBytes = int64(x.body.size)
	r.DeliveryID, r.Event, r.Secret = x.delivery.ID, x.delivery.Event, x.delivery.Secret
	if !x.delivery.Timestamp.IsZero() {
		r.TimestampAge, r.TimestampKnown = x.asOf.Sub(x.delivery.Timestamp), true
	}
	x.trace()
	if x.replay != nil || !x.h.app.hints.offer(x) {
		x.h.app.log.Write(*r)
		x.keep()
		x.body.release()
	}
	x.body.bytes, x.request.Body = nil, nil
	x.count()
	if x.entered {
		if err := x.h.app.leave(); err != nil {
			x.h.logger.Error("closing what an old configuration used", zap.Error(err))
		}
	}
}

// keep keeps the delivery, unless too many have come.
func (x *exchange) keep() {
	limiter := &x.h.app.hints.keepPassed
	if x.record.Verdict == delivery.VerdictRejected {
		limiter = &x.h.app.hints.keep
	}
	if x.replay == nil && !limiter.Allow(x.record.Endpoint, x.arrived) {
		return
	}
	number := recents.Keep(&x.record, keepable(&x.request, x.h.masked, x.whole, x.headOnly()))
	if x.replay != nil {
		x.replay.number, x.replay.record = number, x.record
	}
}
