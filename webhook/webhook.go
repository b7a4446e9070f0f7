// Package webhook tells a genuine webhook delivery from a forged one.
//
// A [Scheme] describes, in a few words, how a provider authenticates its
// deliveries: which digest, what exactly it covers, where the signature and
// the timestamp travel and how they are written. A [Verifier] is a scheme
// together with the secrets of one endpoint. The package is pure: bytes and a
// clock reading in, a verdict out. It does no I/O and starts no goroutine.
//
// # What a nil error from Verify means
//
// The holder of one of the configured secrets produced exactly the bytes that
// the scheme signs, and, where the scheme signs a timestamp and a tolerance is
// set, did so recently. Anything else, from a missing header to a signature of
// the wrong length, is an error that wraps one of the sentinels below.
//
// # What it does not mean
//
// Header fields that the scheme does not sign, such as GitHub's delivery id,
// are as the sender wrote them. A verified delivery may be a copy of an earlier
// one: recognising copies is not this package's work.
package webhook

import (
	"errors"
	"net/http"
	"time"
)

// One error for each cause of a refusal. Errors returned by [Verifier.Verify]
// and [Verifier.VerifyHeader] wrap exactly one of them.
var (
	// ErrSignatureMissing is returned when the signature is absent or empty.
	ErrSignatureMissing = errors.New("signature missing")

	// ErrSignatureMalformed is returned when a signature is present but not
	// written as the scheme says, or when values that should be single conflict.
	ErrSignatureMalformed = errors.New("signature malformed")

	// ErrSignatureMismatch is returned when no signature matches under any secret.
	ErrSignatureMismatch = errors.New("signature does not match")

	// ErrTimestampMissing is returned when the scheme has a timestamp and the
	// delivery has none.
	ErrTimestampMissing = errors.New("timestamp missing")

	// ErrTimestampMalformed is returned when the timestamp is not written in the
	// scheme's unit, or is given more than once with different values.
	ErrTimestampMalformed = errors.New("timestamp malformed")

	// ErrTimestampTooOld is returned when the timestamp is older than the tolerance.
	ErrTimestampTooOld = errors.New("timestamp too old")

	// ErrKeyUntrusted is returned when the key that a delivery names is not the
	// provider's: its URL is another one, or nothing is published under its id.
	ErrKeyUntrusted = errors.New("key not trusted")

	// ErrKeyUnavailable is returned when a published key cannot be had now. The
	// same delivery may pass later.
	ErrKeyUnavailable = errors.New("key unavailable")

	// ErrClaimsInvalid is returned when a token is genuine but not for here and
	// now: its issuer, audience, expiry or another claim does not hold.
	ErrClaimsInvalid = errors.New("claims invalid")

	// ErrTimestampTooNew is returned when the timestamp is further in the future
	// than the tolerance, or than [MaxFuture], whichever is less.
	ErrTimestampTooNew = errors.New("timestamp too new")
)

// DefaultTolerance is how old a signed timestamp may be where neither the user
// nor the provider says otherwise: the value that most providers document.
const DefaultTolerance = 5 * time.Minute

// MaxFuture bounds how far in the future a timestamp may lie, however long the
// tolerance. A long tolerance is for old retries; only a wrong clock explains a
// timestamp from the future, and a pre-dated delivery would outlive its window.
const MaxFuture = 5 * time.Minute

// Request is the part of an HTTP request that a signature can cover.
type Request struct {
	Method string
	URL    string // as the sender addressed it: scheme, host, path and query
	Path   string // escaped, as in the request line
	Query  string // without the question mark
	Header http.Header
	Body   []byte // as received, never decoded

	claims []byte // of the token that proves the request, once it does
}

// Delivery is what a request says of itself. When it accompanies an error, its
// fields are the sender's unproven claims.
type Delivery struct {
	ID        string    // the provider's id for idempotency; empty if it sent none
	Event     string    // the event type; empty if it sent none
	Timestamp time.Time // zero if the scheme has none
	Secret    string    // label of the secret that matched; empty if none did, or if the key was fetched
}
