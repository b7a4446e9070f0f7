package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/hookpass/hookpass/webhook"
)

const jsonType = "application/json"

// body returns the bytes to send: the user's, and in them the id and the event
// type if that is where the scheme has them.
func (s *send) body(scheme webhook.Scheme, d *draft) (body []byte, err error) {
	path, isFile := strings.CutPrefix(s.data, "@")
	switch {
	case isFile:
		body, err = os.ReadFile(path)
	case s.data == "-":
		body, err = io.ReadAll(s.input)
	default:
		body = []byte(s.data)
	}
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	if d.header.Get("Content-Type") != jsonType {
		return body, nil
	}
	if body, err = withField(body, scheme.DeliveryID, s.id, d.id); err != nil {
		return nil, fmt.Errorf("--id: %w", err)
	}
	if body, err = withField(body, scheme.EventType, s.event, d.event); err != nil {
		return nil, fmt.Errorf("--event: %w", err)
	}
	return body, nil
}

// withField returns body with a value at the given place, unless the place is
// not in the body, or body has one there that is not in conflict with the asked.
func withField(body []byte, place, asked, value string) ([]byte, error) {
	paths, inBody := strings.CutPrefix(place, "body ")
	if !inBody {
		return body, nil
	}
	if !gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject() {
		return nil, fmt.Errorf("it belongs to %s of the body, but --data is not a JSON object", paths)
	}
	p, err := webhook.ParsePlace(place)
	if err != nil {
		return nil, err
	}
	has, err := p.Value(&webhook.Request{Body: body})
	switch {
	case err != nil:
		return nil, err
	case has == "":
		path, _, _ := strings.Cut(paths, "|")
		return insert(body, strings.Split(path, "."), value)
	case asked != "" && asked != has:
		return nil, fmt.Errorf("--data has %q for it, at %s: leave out one", has, paths)
	}
	return body, nil
}

// insert adds a value to a JSON object at the path of names. It does so in the
// text, at the beginning of the innermost object that is there, so that all else
// stays as the user wrote it.
func insert(body []byte, names []string, value string) ([]byte, error) {
	at := bytes.IndexByte(body, '{')
	for n := len(names); n > 0; n-- {
		found := gjson.GetBytes(body, gjsonPath(names[:n]))
		if !found.Exists() {
			continue
		}
		if n == len(names) || !found.IsObject() {
			return nil, fmt.Errorf("it belongs to %s of the body, but --data has %s at %s",
				strings.Join(names, "."), found.Raw, strings.Join(names[:n], "."))
		}
		at, names = found.Index, names[n:]
		break
	}
	member := quote(value)
	for i, name := range slices.Backward(names) {
		member = quote(name) + ":" + member
		if i > 0 {
			member = "{" + member + "}"
		}
	}
	rest := body[at+1:]
	if bytes.TrimLeft(rest, " \t\r\n")[0] != '}' {
		member += ","
	}
	return slices.Concat(body[:at+1], []byte(member), rest), nil
}

func gjsonPath(names []string) string {
	var escaped []string
	for _, name := range names {
		escaped = append(escaped, gjson.Escape(name))
	}
	return strings.Join(escaped, ".")
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // never fails on a string
	return string(quoted)
}
