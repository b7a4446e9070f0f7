// Package delivery holds the record of a webhook delivery: what arrived, what
// became of it and why, and the log that keeps one line of each.
//
// A [Record] has no room for a payload, a signature, a token or a secret, so
// none of them can reach a log file through this package.
package delivery

import "time"

// Verdict is what became of a delivery. The set is closed: verdicts are metric
// labels, so a new one is a change to the contract.
type Verdict string

const (
	// VerdictForwarded means that the application answered 2xx.
	VerdictForwarded Verdict = "forwarded"
	// VerdictFailed means that the application was asked and did not answer 2xx.
	VerdictFailed Verdict = "failed"
	// VerdictDuplicate means that an earlier copy was forwarded, so this one was
	// acknowledged in the application's place.
	VerdictDuplicate Verdict = "duplicate"
	// VerdictBusy means that another copy was still at the application, so the
	// sender was asked to come again.
	VerdictBusy Verdict = "busy"
	// VerdictIgnored means that a genuine delivery was acknowledged and not
	// forwarded, as the endpoint does not take events of its type.
	VerdictIgnored Verdict = "ignored"
	// VerdictHandshake means that it was a challenge of the provider, answered in
	// the application's place.
	VerdictHandshake Verdict = "handshake"
	// VerdictRejected means that it was refused; the [Reason] says why.
	VerdictRejected Verdict = "rejected"
)

// Reason is why a delivery was rejected. It is empty for every other verdict.
// The set is closed, for the same cause as that of [Verdict].
type Reason string

const (
	// ReasonSignatureMissing means that there is no signature where the provider
	// puts it.
	ReasonSignatureMissing Reason = "signature_missing"
	// ReasonSignatureMalformed means that the signature is not written as the
	// provider writes it.
	ReasonSignatureMalformed Reason = "signature_malformed"
	// ReasonSignatureMismatch means that the signature is well-formed and no
	// configured secret accounts for it.
	ReasonSignatureMismatch Reason = "signature_mismatch"
	// ReasonTimestampMissing means that there is no timestamp where the provider
	// puts it.
	ReasonTimestampMissing Reason = "timestamp_missing"
	// ReasonTimestampMalformed means that the timestamp is not written as the
	// provider writes it.
	ReasonTimestampMalformed Reason = "timestamp_malformed"
	// ReasonTimestampTooOld means that it was signed longer ago than the
	// tolerance.
	ReasonTimestampTooOld Reason = "timestamp_too_old"
	// ReasonTimestampTooNew means that it was signed further in the future than
	// the tolerance.
	ReasonTimestampTooNew Reason = "timestamp_too_new"
	// ReasonBodyTooLarge means that the body exceeds the endpoint's limit.
	ReasonBodyTooLarge Reason = "body_too_large"
	// ReasonBodyUnreadable means that the body broke off, or did not arrive in
	// time.
	ReasonBodyUnreadable Reason = "body_unreadable"
	// ReasonMethodNotAllowed means that the provider never delivers with this
	// method.
	ReasonMethodNotAllowed Reason = "method_not_allowed"
	// ReasonKeyUnavailable means that a key or certificate could not be had, or is
	// not trusted.
	ReasonKeyUnavailable Reason = "key_unavailable"
	// ReasonClaimsInvalid means that a token's issuer, audience, expiry or other
	// claim does not hold.
	ReasonClaimsInvalid Reason = "claims_invalid"
	// ReasonOverloaded means that the budget of buffered bytes was spent.
	ReasonOverloaded Reason = "overloaded"
)

// Mode is how an endpoint acts on its verdicts.
type Mode string

const (
	// ModeEnforce withholds what is not genuine. It is the default.
	ModeEnforce Mode = "enforce"
	// ModeMonitor withholds nothing; the verdict tells what would have been.
	ModeMonitor Mode = "monitor"
)

// Replayed is who had a delivery handled again; empty: nobody. The set is closed.
type Replayed string

const (
	// ReplayedManual means that somebody asked for it: no sender sent it.
	ReplayedManual Replayed = "manual"
	// ReplayedSuspected means that the sender sent what was handled before, under
	// another id, which the provider does not sign.
	ReplayedSuspected Replayed = "suspected"
)

// Record tells of one delivery. A field's zero value means that the fact is
// not known or does not apply, and leaves the field out of the log line.
type Record struct {
	// Time is when the delivery arrived. Logged as time, in UTC, to the
	// millisecond.
	Time time.Time
	// Endpoint is the name of the endpoint that the delivery came to.
	Endpoint string
	// Provider is the catalogue's id of the sender.
	Provider string
	// DeliveryID is the provider's id of the delivery. Sent text: only its first
	// 256 bytes are logged.
	DeliveryID string
	// Event is the provider's type of the event. Sent text: only its first 256
	// bytes are logged.
	Event string
	// Verdict is what became of the delivery.
	Verdict Verdict
	// Reason is why it was rejected.
	Reason Reason
	// Mode is the endpoint's mode.
	Mode Mode
	// Replayed is who had it handled again, or may have.
	Replayed Replayed
	// Secret is the label of the secret that the signature was made with: its
	// name in the configuration, never the secret.
	Secret string
	// TimestampAge is how long before its arrival the delivery says it was
	// signed; negative where the sender's clock is ahead. It means something only
	// with TimestampKnown. Logged as timestamp_age_ms.
	TimestampAge time.Duration
	// TimestampKnown tells that TimestampAge was read, as zero is an age too.
	TimestampKnown bool
	// BodyBytes is how many bytes of the body were read.
	BodyBytes int64
	// Verify is the time spent on verifying. Logged as verify_us, in whole
	// microseconds.
	Verify time.Duration
	// Forward is how long the application took. Logged as forward_ms, in whole
	// milliseconds.
	Forward time.Duration
	// Status is the HTTP status that the application answered with.
	Status int
	// Remote is the address of the client.
	Remote string
	// RequestID is the server's id of the request, which joins the record to the
	// access log.
	RequestID string
	// TraceID is the id of the trace that the request is a part of, in hex.
	TraceID string
	// Hint is what went wrong with a rejected delivery, and what to do about it.
	// Only its first 1024 bytes are logged.
	Hint string
}
