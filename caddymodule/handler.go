package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/hookpass/hookpass/dedup"
	"github.com/hookpass/hookpass/delivery"
)

// ServeHTTP is the way of a delivery, from top to bottom. In monitor mode every
// exit forwards, and only the verdict is what it would have been.
func (h *VerifyWebhook) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	x := h.newExchange(w, r, next)
	defer x.close() // releases the body, logs and counts, whatever happens below

	if err := x.verify(); err != nil {
		return x.refuse(err)
	}
	for _, handshake := range h.settings.handshakes {
		if answer, asked := handshake.Answer(&x.request); asked {
			return x.answer(delivery.VerdictHandshake, answer)
		}
	}
	if !h.settings.events.match(x.delivery.Event) {
		return x.answer(delivery.VerdictIgnored, `{"received":true,"ignored":true}`)
	}
	if h.settings.dedup.off {
		return x.forward(nil)
	}

	outcome, err := x.claim()
	if err != nil {
		return x.refuse(err)
	}
	switch outcome.Kind {
	case dedup.Duplicate:
		return x.answer(delivery.VerdictDuplicate, `{"received":true,"duplicate":true}`)
	case dedup.Busy:
		return x.busy()
	}
	defer outcome.Claim.Abort() // without effect once the application has answered 2xx
	return x.forward(outcome.Claim)
}

// verify checks everything that the head of the request tells before it reads
// the body, so that a forger need not be listened to.
func (x *exchange) verify() (err error) {
	if x.r.Method != http.MethodPost {
		return errMethod
	}
	x.timed(func() { x.delivery, err = x.h.verifier.VerifyHeader(&x.request, x.arrived) })
	if err != nil {
		return err
	}
	s := &x.h.settings
	if err := x.body.read(x.w, x.r, s.maxBody, s.read); err != nil {
		return err
	}
	x.request.Body = x.body.bytes
	x.timed(func() { x.delivery, err = x.h.verifier.Verify(&x.request, x.arrived) })
	x.verified = err == nil
	return err
}
