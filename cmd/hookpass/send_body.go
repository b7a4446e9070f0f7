package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/hookpass/hookpass/webhook"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"

	defaultData  = `{"test":true}`
	defaultBatch = "[" + defaultData + "]"
	defaultForm  = "test=true"
)

// contentType is what the provider sends: a form if the scheme looks for fields
// of one, else JSON.
func contentType(scheme webhook.Scheme) string {
	for _, place := range []string{scheme.Signature, scheme.Timestamp, scheme.DeliveryID, scheme.EventType} {
		if strings.HasPrefix(place, "form ") {
			return formType
		}
	}
	if strings.Contains(scheme.Signed, "{form") {
		return formType
	}
	return jsonType
}

// sample is the body by default, in the provider's form: several events in an
// array if that is where the scheme looks for them.
func sample(scheme webhook.Scheme, contentType string) string {
	isBatch := func(place string) bool {
		return strings.HasPrefix(place, "body #.") || strings.HasPrefix(place, "body 0.")
	}
	switch {
	case contentType == formType:
		return defaultForm
	case isBatch(scheme.DeliveryID), isBatch(scheme.EventType):
		return defaultBatch
	default:
		return defaultData
	}
}

// body returns the bytes to send: the user's, and in them the id and the event
// type if that is where the scheme has them.
func (s *send) body(scheme webhook.Scheme, d *draft) (body []byte, err error) {
	path, isFile := strings.CutPrefix(s.data, "@")
	switch {
	case s.sample:
		return d.body, nil
	case isFile:
		body, err = os.ReadFile(path)
	case s.data == "-":
		body, err = io.ReadAll(s.input)
	case s.data == defaultData:
		body = []byte(sample(scheme, d.header.Get("Content-Type")))
	default:
		body = []byte(s.data)
	}
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if s.exact && s.data != defaultData {
		return body, nil
	}
	var kind string
	switch d.header.Get("Content-Type") {
	case jsonType:
		kind = "body "
	case formType:
		kind = "form "
	default:
		return body, nil
	}
	if s.stale && strings.HasPrefix(scheme.Timestamp, kind) {
		if err := withoutTimestamp(body, scheme.Timestamp); err != nil {
			return nil, fmt.Errorf("--stale: %w", err)
		}
	}
	var ids []string
	if strings.HasPrefix(scheme.DeliveryID, kind) {
		ids = parts(scheme.DeliveryID)
	}
	given := strings.SplitN(d.id, ".", len(ids))
	for i, id := range given {
		asked := ""
		if s.id != "" {
			asked = id
		}
		if body, err = withField(body, ids[i], asked, id); err != nil {
			return nil, fmt.Errorf("--id: %w", err)
		}
	}
	if strings.HasPrefix(scheme.EventType, kind) {
		if body, err = withField(body, scheme.EventType, s.event, d.event); err != nil {
			return nil, fmt.Errorf("--event: %w", err)
		}
	}
	// An id that lacks a part is none. What the event type has not made up for is
	// filled with all of the id.
	for _, id := range ids[len(given):] {
		if body, err = withField(body, id, "", d.id); err != nil {
			return nil, fmt.Errorf("--id: %w", err)
		}
	}
	return body, nil
}

// parts returns the places of which one in the body is made: itself, or several.
func parts(place string) []string {
	kind, names, _ := strings.Cut(place, " ")
	first, _, _ := strings.Cut(names, "|")
	if !strings.Contains(first, "+") {
		return []string{place}
	}
	var places []string
	for path := range strings.SplitSeq(first, "+") {
		places = append(places, kind+" "+path)
	}
	return places
}

// withoutTimestamp returns an error if body has a timestamp, which would be
// signed as it is.
func withoutTimestamp(body []byte, timestamp string) error {
	words := strings.Fields(timestamp) // the place's two, and the unit
	p, err := webhook.ParsePlace(words[0] + " " + words[1])
	if err != nil {
		return err
	}
	if has, err := p.Value(&webhook.Request{Body: body}); err != nil || has != "" {
		return fmt.Errorf("--data has a timestamp of its own, at %s: leave out one", words[1])
	}
	return nil
}

// withField returns body with a value at a place inside it, unless body has one
// there that is not in conflict with the asked.
func withField(body []byte, place, asked, value string) ([]byte, error) {
	p, err := webhook.ParsePlace(place)
	if err != nil {
		return nil, err
	}
	r := &webhook.Request{Body: body}
	has, err := p.Value(r)
	switch {
	case err != nil:
		return nil, err
	case has == "":
		err := p.Set(r, value)
		return r.Body, err
	case asked != "" && asked != has:
		return nil, fmt.Errorf("%q is there already, at %s: leave out one", has, place)
	}
	return body, nil
}
