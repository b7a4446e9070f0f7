// Package dedup decides whether a delivery goes to the application: at most
// one copy of it is ever there, and none after one was handled with success.
//
// # The life of a delivery
//
// A delivery has an [ID]. Before it is forwarded, [Store.Begin] claims that
// ID; the forward's outcome ends the claim:
//
//	free ──Begin──▶ in flight ──Commit──▶ remembered ──window over──▶ free
//	                    └──────Abort───▶ free
//
// Copies that arrive while the first is in flight wait, for as long as their
// caller allows, and learn its outcome: after a success they are duplicates,
// after a failure one of them takes over and the others wait on.
//
// # What a store promises
//
//   - At most one claim on an ID is open at any time.
//   - From the return of Commit until the window ends, or the store is told to
//     forget, no Begin on that ID answers [Forward].
//   - [Duplicate] is answered only for an ID that was committed within the
//     window: a sender is never told that a delivery arrived when it did not.
//   - An aborted claim leaves no trace.
//   - Memory is bounded, whatever arrives. A store that is full forgets the
//     oldest commit first, and counts it.
//
// # What it does not promise
//
// An application that answered with success just before this process died,
// before the commit, gets the delivery once more: no store can know of an
// outcome that was not reported to it. The window counts time that the process
// runs; a machine that sleeps remembers longer, never shorter.
package dedup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// ErrClosed is returned by Begin when the store has been closed.
var ErrClosed = errors.New("dedup: store is closed")

// ErrCapacity is returned when a store is to hold less than one delivery.
var ErrCapacity = errors.New("dedup: capacity must be at least 1")

// Store remembers deliveries. Its methods may be called concurrently.
type Store interface {
	// Begin claims id, or says why the delivery is not to be forwarded. Where
	// another copy is in flight it waits for that copy's outcome, at most
	// o.Wait and no longer than ctx lives. ctx bounds the wait and nothing
	// else: an id that is free is claimed even if ctx has ended.
	//
	// An error means that the store cannot tell, and wraps ErrClosed or the
	// store's own cause. The outcome is then empty.
	Begin(ctx context.Context, id ID, o Options) (Outcome, error)

	// Forget makes the store forget that id was committed, so that the next copy
	// is forwarded, and reports whether it had known. A claim in flight stays. An
	// error says that the delivery may still, or again, be taken for a duplicate.
	Forget(ctx context.Context, id ID) (known bool, err error)

	// ForgetEndpoint does the same for every delivery of the endpoint, as
	// Options name it, that has been committed so far.
	ForgetEndpoint(ctx context.Context, endpoint string) error

	// Close refuses further claims, sends waiting copies away with ErrClosed,
	// lets the claims in flight end until ctx does, and frees what the store
	// holds. It returns an error wrapping that of ctx if claims were still
	// open; they may be ended later, to no effect. Closing again returns
	// what the first Close returned, once it has.
	Close(ctx context.Context) error
}

// Options are what an endpoint wants of a Begin.
type Options struct {
	// Endpoint is the name that ForgetEndpoint knows the delivery's endpoint by.
	Endpoint string

	// Window is how long a success is remembered. It is compared with the age
	// of the commit each time the ID is looked up, so a shorter window applies
	// at once to what is already remembered; a longer one applies to later
	// commits. Zero or less remembers nothing: copies in flight are still kept
	// apart.
	Window time.Duration

	// Wait is how long to wait for a copy in flight. Zero or less: not at all.
	Wait time.Duration

	// Lease is how long a claim may be open, in a store that several processes
	// share: one that dies would else keep its deliveries from the others for
	// good. See Outcome.Deadline. Zero or less: DefaultLease.
	Lease time.Duration
}

// Kind tells what to do with a delivery. The zero Kind is none of them.
type Kind uint8

const (
	// Forward means that the delivery is the caller's to forward, under
	// Outcome.Claim.
	Forward Kind = iota + 1
	// Duplicate means that it was handled with success, at Outcome.At.
	Duplicate
	// Busy means that another copy is in flight and its outcome not known:
	// either the wait ended (or ctx did), or too many copies are waiting
	// already. The sender should try again later.
	Busy
)

func (k Kind) String() string {
	switch k {
	case Forward:
		return "forward"
	case Duplicate:
		return "duplicate"
	case Busy:
		return "busy"
	default:
		return "none"
	}
}

// Outcome is the answer of Begin.
type Outcome struct {
	Kind  Kind
	At    time.Time // of a Duplicate: when its first copy was committed
	Claim Claim     // of a Forward, else nil

	// Deadline is when a Forward must have ended, as another process may take the
	// delivery over soon after. Zero: none can.
	Deadline time.Time
}

// Claim is the right and the duty to forward one delivery and to report the
// outcome. The first call ends the claim, later calls do nothing, so that
//
//	defer claim.Abort()
//
// right after Begin covers every way out, a panic included. A claim that is
// never ended keeps its delivery away from the application for good.
type Claim interface {
	// Commit reports that the application handled the delivery. When it
	// returns, the delivery is remembered.
	Commit()
	// Abort reports that it did not: the next copy is forwarded.
	Abort()
}

// ID names a delivery. 128 bits of SHA-256 make an accidental collision
// negligible (1e-20 a year at 100 million deliveries a day) and a deliberate
// one infeasible; as the endpoint is part of it, a sender who found one would
// only lose deliveries of its own.
type ID [16]byte

// NewID returns the ID of a delivery at an endpoint. kind separates key spaces
// ("id" for a provider's delivery id, "content" for a digest of the body), so
// that nothing a sender puts into one can be mistaken for a key of another.
func NewID(endpoint, kind, id string) ID {
	// With its length before it, no part can run into the next one. Typical
	// keys fit into the array, which stays on the stack.
	var space [256]byte
	key := space[:0]
	for _, part := range [...]string{endpoint, kind, id} {
		key = binary.AppendUvarint(key, uint64(len(part)))
		key = append(key, part...)
	}
	sum := sha256.Sum256(key)
	return ID(sum[:len(ID{})])
}
