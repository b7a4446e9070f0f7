package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

// cannotBeSent tells whose deliveries the user has nothing to sign with: those whose
// keys are fetched from the provider. Nor can the signature be in a multipart body.
func cannotBeSent(s webhook.Scheme) bool {
	return s.Keys != "" || strings.HasPrefix(s.Signature, "multipart ")
}

// sendable returns the providers whose deliveries can be sent.
func sendable(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(catalog.IDs(), func(id string) bool { return cannotBeSent(lookup(t, id).Scheme) })
}

// No secret helps, so that it is not asked for, nor a random one blamed.
func TestWhatCannotBeSentIsSaidFirst(t *testing.T) {
	for _, id := range catalog.IDs() {
		if !cannotBeSent(lookup(t, id).Scheme) {
			continue
		}
		for _, flags := range [][]string{{}, {"--forge"}, {"--secret", "x"}, {"--test-key", "x"}} {
			output, err := run(append(flags, "--to", "http://localhost", id)...)
			if !errors.Is(err, webhook.ErrScheme) || !strings.Contains(err.Error(), id+": scheme: cannot sign: ") {
				t.Errorf("%s %v: %v", id, flags, err)
			}
			if output != "" {
				t.Errorf("%s %v printed %s", id, flags, output)
			}
		}
	}
}

func TestEveryProvidersDeliveriesAreAccepted(t *testing.T) {
	for _, id := range sendable(t) {
		t.Run(id, func(t *testing.T) {
			p := lookup(t, id)
			e, flags := endpointOf(t, p)
			if output, err := run(append(flags, "--id", "d-1", "--event", "task.created", id)...); err != nil {
				t.Fatalf("%v\n%s", err, output)
			}
			got := e.next(t)
			want := webhook.Delivery{Event: wanted(p.Scheme.EventType, "task.created")}
			var ids []string
			for i, part := range parts(p.Scheme.DeliveryID) {
				id := wanted(p.Scheme.DeliveryID, "d-1")
				if i > 0 && part == p.Scheme.EventType {
					id = want.Event
				}
				ids = append(ids, id)
			}
			want.ID = strings.Join(ids, ".")
			if got.err != nil || got.delivery.ID != want.ID || got.delivery.Event != want.Event {
				t.Errorf("got %+v, %v; want %+v", got.delivery, got.err, want)
			}
			if p.MaxAge() > 0 && !got.delivery.Timestamp.Equal(arrival) {
				t.Errorf("timestamp %s, want %s", got.delivery.Timestamp, arrival)
			}
			if sent := got.request.Header.Get("Content-Type"); sent != contentType(p.Scheme) {
				t.Errorf("content type %q", sent)
			}
			if p.Scheme.Signature == "body" {
				return // it is a token
			}
			if sent := string(got.request.Body); contentType(p.Scheme) == jsonType && !json.Valid(got.request.Body) || !strings.Contains(sent, "test") {
				t.Errorf("body %s", sent)
			}
		})
	}
}

// wanted is what is found where the scheme has a place, and nothing where not.
func wanted(place, value string) string {
	if place == "" {
		return ""
	}
	return value
}

func TestForgedDeliveriesOfEveryProviderDoNotMatch(t *testing.T) {
	for _, id := range sendable(t) {
		t.Run(id, func(t *testing.T) {
			e, flags := endpointOf(t, lookup(t, id))
			if _, err := run(append(flags, "--forge", id)...); !errors.Is(err, errRefused) {
				t.Errorf("the command says %v", err)
			}
			if got := e.next(t); !errors.Is(got.err, webhook.ErrSignatureMismatch) {
				t.Errorf("the endpoint says %v", got.err)
			}
		})
	}
}

func TestStaleDeliveriesOfEveryProviderAreTooOld(t *testing.T) {
	for _, id := range sendable(t) {
		t.Run(id, func(t *testing.T) {
			p := lookup(t, id)
			e, flags := endpointOf(t, p)
			_, err := run(append(flags, "--stale", id)...)
			if p.MaxAge() == 0 {
				if err == nil || !strings.Contains(err.Error(), "--stale: "+id+" signs no timestamp") {
					t.Errorf("without a timestamp the command says %v", err)
				}
				return
			}
			if !errors.Is(err, errRefused) {
				t.Errorf("the command says %v", err)
			}
			if got := e.next(t); !errors.Is(got.err, webhook.ErrTimestampTooOld) {
				t.Errorf("the endpoint says %v", got.err)
			}
		})
	}
}
