package caddymodule

import (
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

// Whether a handshake is proven like a delivery.
const (
	unsigned = false
	signed   = true
)

// takes reports whether the endpoint has any use for the method.
func (h *VerifyWebhook) takes(method string) bool {
	return method == http.MethodPost || slices.ContainsFunc(h.handshakes, func(r *webhook.Responder) bool {
		return r.Method == method
	})
}

// greet answers the provider's handshakes, here and without the application. It
// reports false if the request is none.
func (x *exchange) greet(proven bool) (greeted bool, err error) {
	for _, handshake := range x.h.handshakes {
		if handshake.Unsigned == proven || handshake.Method != x.r.Method {
			continue
		}
		if !proven && x.r.Method == http.MethodPost {
			// What has a signature is a delivery, whatever else it has.
			switch signed, err := x.hasSignature(); {
			case err != nil:
				return true, x.refuse(err)
			case signed:
				continue
			}
		}
		if !proven && handshake.InBody() {
			if err := x.readBody(); err != nil {
				return true, x.refuse(err)
			}
		}
		reply, err := handshake.Answer(&x.request)
		if err != nil {
			return true, x.refuse(err)
		}
		if reply != nil {
			if err := x.confirm(reply); err != nil {
				return true, x.refuse(err)
			}
			return true, x.withhold(delivery.VerdictHandshake, "", func() error { return x.write(reply) })
		}
	}
	return false, nil
}

// hasSignature reads the body only if that is where signatures are.
func (x *exchange) hasSignature() (bool, error) {
	_, err := x.h.verifier.VerifyHeader(&x.request, x.asOf)
	if err == nil && x.h.verifier.SignatureInBody() {
		if err := x.readBody(); err != nil {
			return false, err
		}
		_, err = x.h.verifier.Verify(&x.request, x.asOf)
	}
	return !errors.Is(err, webhook.ErrSignatureMissing), nil
}

// confirm makes the visit that an answer presupposes, if any. In monitor mode it is
// left to the application, which gets the question, too.
func (x *exchange) confirm(reply *webhook.Reply) error {
	if reply.Visit == "" || x.h.settings.mode == delivery.ModeMonitor {
		return nil
	}
	about := []zap.Field{zap.String("endpoint", x.h.settings.name), zap.String("event", x.delivery.Event)}
	if err := x.h.visit(reply.Visit); err != nil {
		x.h.logger.Error("a handshake was not confirmed, and the provider told to send it again", append(about, zap.Error(err))...)
		return err
	}
	x.h.logger.Info("a handshake was confirmed", about...)
	return nil
}

// readBody reads the body, once.
func (x *exchange) readBody() error {
	s := &x.h.settings
	if !x.body.whole {
		if err := x.body.read(x.w, x.r, s.maxBody, x.arrived.Add(s.read)); err != nil {
			return err
		}
	}
	x.request.Body = x.body.bytes
	return nil
}
