package caddymodule

import (
	"errors"
	"net/http"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

var errMethod = errors.New("method not allowed")

// refusal is what a cause means to the sender and to the log. The sender of a
// delivery that could not be proven learns nothing but that.
type refusal struct {
	cause  error
	status int
	reason delivery.Reason
	says   string
}

const invalid = "Invalid signature"

var refusals = []refusal{
	{webhook.ErrSignatureMissing, http.StatusUnauthorized, delivery.ReasonSignatureMissing, invalid},
	{webhook.ErrSignatureMalformed, http.StatusUnauthorized, delivery.ReasonSignatureMalformed, invalid},
	{webhook.ErrSignatureMismatch, http.StatusUnauthorized, delivery.ReasonSignatureMismatch, invalid},
	{webhook.ErrTimestampMissing, http.StatusUnauthorized, delivery.ReasonTimestampMissing, invalid},
	{webhook.ErrTimestampMalformed, http.StatusUnauthorized, delivery.ReasonTimestampMalformed, invalid},
	{webhook.ErrTimestampTooOld, http.StatusUnauthorized, delivery.ReasonTimestampTooOld, invalid},
	{webhook.ErrTimestampTooNew, http.StatusUnauthorized, delivery.ReasonTimestampTooNew, invalid},
	// Nothing that the sender repeats can make a key trusted, but one that could
	// not be fetched may be had by the next attempt, which 401 would end for some.
	{webhook.ErrKeyUntrusted, http.StatusUnauthorized, delivery.ReasonKeyUnavailable, invalid},
	{webhook.ErrKeyUnavailable, http.StatusServiceUnavailable, delivery.ReasonKeyUnavailable, "Unavailable, try again"},
	{webhook.ErrClaimsInvalid, http.StatusUnauthorized, delivery.ReasonClaimsInvalid, invalid},
	{errMethod, http.StatusMethodNotAllowed, delivery.ReasonMethodNotAllowed, "Method not allowed"},
	{errBodyTooLarge, http.StatusRequestEntityTooLarge, delivery.ReasonBodyTooLarge, "Body too large"},
	{errBodyTimeout, http.StatusRequestTimeout, delivery.ReasonBodyUnreadable, "Body did not arrive in time"},
	{errBodyUnreadable, http.StatusBadRequest, delivery.ReasonBodyUnreadable, "Body could not be read"},
	{errOverloaded, http.StatusServiceUnavailable, delivery.ReasonOverloaded, "Overloaded, try again"},
}

// Reason returns the reason that the delivery log has for an error of a
// [webhook.Verifier].
func Reason(err error) delivery.Reason { return refusalFor(err).reason }

// refusalFor returns how to refuse for err. A cause that is not in the table is
// a fault of ours: it is refused, too, and the sender may try again.
func refusalFor(err error) refusal {
	for _, r := range refusals {
		if errors.Is(err, r.cause) {
			return r
		}
	}
	return refusal{err, http.StatusServiceUnavailable, delivery.ReasonOverloaded, "Unavailable, try again"}
}
