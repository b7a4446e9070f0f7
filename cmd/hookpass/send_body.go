package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookpass/hookpass/webhook"
)

const (
	jsonType = "application/json"
	formType = "application/x-www-form-urlencoded"

	defaultData = `{"data":{"test":true}}`
	defaultForm = "test=true"
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

// body returns the bytes to send: the user's, and in them the id and the event
// type if that is where the scheme has them.
func (s *send) body(scheme webhook.Scheme, d *draft) (body []byte, err error) {
	path, isFile := strings.CutPrefix(s.data, "@")
	switch {
	case isFile:
		body, err = os.ReadFile(path)
	case s.data == "-":
		body, err = io.ReadAll(s.input)
	case s.data == defaultData && d.header.Get("Content-Type") == formType:
		body = []byte(defaultForm)
	default:
		body = []byte(s.data)
	}
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
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
	if strings.HasPrefix(scheme.DeliveryID, kind) {
		if body, err = withField(body, scheme.DeliveryID, s.id, d.id); err != nil {
			return nil, fmt.Errorf("--id: %w", err)
		}
	}
	if strings.HasPrefix(scheme.EventType, kind) {
		if body, err = withField(body, scheme.EventType, s.event, d.event); err != nil {
			return nil, fmt.Errorf("--event: %w", err)
		}
	}
	return body, nil
}

// composed reports whether a value is made of several, which it does not tell.
func composed(place string) bool {
	_, names, _ := strings.Cut(place, " ")
	return strings.Contains(names, "+") || slices.Contains(strings.Split(names, "."), "#")
}

// withField returns body with a value at a place inside it, unless body has one
// there that is not in conflict with the asked.
func withField(body []byte, place, asked, value string) ([]byte, error) {
	kind, names, _ := strings.Cut(place, " ")
	if kind == "body" && (!gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject()) {
		return nil, fmt.Errorf("it belongs to %s of the body, but --data is not a JSON object", names)
	}
	if composed(place) {
		if asked != "" {
			return nil, fmt.Errorf("it is made of several values of the body, %s: write them into --data", names)
		}
		return body, nil
	}
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
		return nil, fmt.Errorf("--data has %q for it, at %s: leave out one", has, names)
	}
	return body, nil
}
