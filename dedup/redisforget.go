package dedup

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// Replicas tell each other what to forget by a map in Redis, which each reads with
// its upkeep. A field names a delivery or an endpoint, and holds the time until
// which commits of it do not count.
const (
	forgottenID       = "id"
	forgottenEndpoint = "endpoint"

	// forgottenFor is how long a delivery is in the map. Endpoints stay: keys with
	// their commits may be there still.
	forgottenFor = 24 * time.Hour
)

// Forget implements Store. Other replicas follow within a second or so. As with
// ForgetEndpoint, what a replica has committed whose clock is ahead may be left.
func (r *Redis) Forget(ctx context.Context, id ID) (known bool, err error) {
	if !r.gate.enter() {
		return false, ErrClosed
	}
	defer r.gate.leave()
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()

	// At this replica last, which would else learn again what the key still holds.
	until := r.local.barrier()
	err = r.announce(ctx, forgottenID, id, until)
	value, errGet := r.server.get(ctx, r.key(id))
	_, isDone := parseDone(value)
	if isDone {
		errGet = r.server.swap(ctx, value, pair{key: r.key(id)})
	}
	r.debts.forget(id, r.local.wall(until))
	known, errClosed := r.local.forget(id, until)
	return known || isDone, cmp.Or(errClosed, unavailable(cmp.Or(err, errGet)))
}

// ForgetEndpoint implements Store.
func (r *Redis) ForgetEndpoint(ctx context.Context, endpoint string) error {
	if !r.gate.enter() {
		return ErrClosed
	}
	defer r.gate.leave()
	ctx, cancel := context.WithTimeout(ctx, upkeepTimeout)
	defer cancel()
	id, until := endpointID(endpoint), r.local.barrier()
	err := r.announce(ctx, forgottenEndpoint, id, until)
	return cmp.Or(r.local.forgetEndpoint(id, until), unavailable(err))
}

func unavailable(cause error) error {
	if cause == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, cause)
}

// announce has all replicas forget what was committed until then.
func (r *Redis) announce(ctx context.Context, kind string, id ID, until time.Duration) error {
	r.hearing <- struct{}{}
	defer func() { <-r.hearing }()
	field, value := noteOn(kind, id), strconv.FormatInt(r.local.wall(until).UnixNano(), 10)
	if err := r.server.note(ctx, r.prefix+"forgotten", field, value); err != nil {
		return err
	}
	notes := map[string]string{}
	if heard := r.heard.Load(); heard != nil {
		maps.Copy(notes, *heard)
	}
	notes[field] = value
	r.heard.Store(&notes)
	return nil
}

func noteOn(kind string, id ID) string {
	return kind + ":" + base64.RawURLEncoding.EncodeToString(id[:])
}

// forgotten reports whether a commit was to be forgotten. Its key may be there
// nevertheless, written late or put back.
func (r *Redis) forgotten(id ID, d done) bool {
	heard := r.heard.Load()
	if heard == nil {
		return false
	}
	field := noteOn(forgottenID, id)
	_, _, until, ok := parseNote(field, (*heard)[field])
	return ok && !d.at.After(until)
}

// hearToForget forgets what other replicas were told to, and takes off the map
// what all of them must have heard of.
func (r *Redis) hearToForget() {
	r.hearing <- struct{}{}
	defer func() { <-r.hearing }()
	ctx, cancel := context.WithTimeout(context.Background(), upkeepTimeout)
	defer cancel()
	notes, err := r.server.allNotes(ctx, r.prefix+"forgotten")
	if err != nil {
		return // whether Redis is out shows elsewhere
	}
	before := r.heard.Swap(&notes)
	var outdated []string
	for field, value := range notes {
		kind, id, at, ok := parseNote(field, value)
		switch {
		case !ok || kind == forgottenID && time.Since(at) > forgottenFor:
			outdated = append(outdated, field)
			continue
		case before != nil && (*before)[field] == value:
			continue
		}
		// A Memory refuses to once it is closed, when nobody asks it any more.
		if until := r.local.monotonic(at); kind == forgottenEndpoint {
			_ = r.local.forgetEndpoint(id, until)
		} else {
			r.debts.forget(id, at)
			_, _ = r.local.forget(id, until)
		}
	}
	if len(outdated) > 0 {
		_ = r.server.unnote(ctx, r.prefix+"forgotten", outdated) // or the next time
	}
}

func parseNote(field, value string) (kind string, id ID, at time.Time, ok bool) {
	kind, name, _ := strings.Cut(field, ":")
	bytes, err := base64.RawURLEncoding.DecodeString(name)
	ns, err2 := strconv.ParseInt(value, 10, 64)
	ok = err == nil && err2 == nil && len(bytes) == copy(id[:], bytes) && len(bytes) == len(id)
	return kind, id, time.Unix(0, ns), ok
}
