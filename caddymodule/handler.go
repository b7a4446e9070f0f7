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

	if greeted, err := x.greet(unsigned); greeted {
		return err
	}
	if err := x.verify(); err != nil {
		return x.refuse(err)
	}
	if greeted, err := x.greet(signed); greeted {
		return err
	}
	if r.Method != http.MethodPost {
		return x.refuse(errMethod)
	}
	if !h.settings.events.match(x.delivery.Event) {
		return x.answer(delivery.VerdictIgnored, `{"received":true,"ignored":true}`)
	}
	if h.settings.dedup.off {
		return x.forward(dedup.Outcome{})
	}

	outcome, err := x.claim()
	if err != nil {
		return x.refuse(err)
	}
	switch {
	case outcome.Kind == dedup.Busy:
		return x.busy()
	case outcome.Kind == dedup.Duplicate && x.replay != nil:
		return x.forward(dedup.Outcome{}) // as somebody asks for it
	case outcome.Kind == dedup.Duplicate:
		return x.answer(delivery.VerdictDuplicate, `{"received":true,"duplicate":true}`)
	}
	defer outcome.Claim.Abort() // without effect once the application has answered 2xx
	return x.forward(outcome)
}

// verify checks everything that the head of the request tells before it reads
// the body, so that a forger need not be listened to.
func (x *exchange) verify() (err error) {
	if !x.h.takes(x.r.Method) {
		return errMethod
	}
	x.timed(func() { x.delivery, err = x.h.verifier.VerifyHeader(&x.request, x.asOf) })
	if err != nil {
		return err
	}
	if err := x.readBody(); err != nil {
		return err
	}
	x.timed(func() { x.delivery, err = x.h.verifier.Verify(&x.request, x.asOf) })
	x.verified = err == nil
	return err
}
