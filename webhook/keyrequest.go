package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// KeyRequest is how a [KeySource] asks for keys. Requests that are equal have the
// same answer.
type KeyRequest struct {
	URL    string // https
	Path   string // of the keys in a JSON answer, in gjson's syntax; empty: the answer is all keys
	Body   string // JSON to post; empty: it is a GET
	Bearer string // the bearer token to show; empty: none, or what TokenURL gives

	// Where a bearer token is had first, with the client's credentials as in RFC 6749
	// section 4.4; empty: none is needed.
	TokenURL, ClientID, ClientSecret, Scope string
}

// Format hides the credentials under every verb.
func (r KeyRequest) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.URL) }

// access is what a source of keys wants to know of who asks.
type access struct {
	kind   string     // bearer, json, oauth or empty
	names  []string   // json: of the members
	values []template // nil: the id of the key
	byID   bool       // json: that id is one of the values
}

// keyIDText stands for the id of the key that a delivery names.
const keyIDText = "{key_id}"

// parseAccess reads "bearer {with:api_key}", "json key_id={key_id} secret={with:secret}"
// or "oauth https://example.com/token {with:client_id} {with:client_secret} scope".
func parseAccess(text string) (a access, err error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return access{}, nil
	}
	a.kind, words = words[0], words[1:]
	usage := fmt.Errorf(`%w: key_request %q: write "bearer TOKEN", "json NAME=VALUE ..." or "oauth TOKEN-URL CLIENT-ID CLIENT-SECRET SCOPE"`, ErrScheme, text)
	if wants := map[string]int{"bearer": 1, "json": max(1, len(words)), "oauth": 4}[a.kind]; len(words) != wants {
		return access{}, usage
	}
	for _, word := range words {
		if a.kind == "json" {
			name, value, _ := strings.Cut(word, "=")
			if name == "" || value == "" {
				return access{}, usage
			}
			a.names, word = append(a.names, name), value
		}
		if a.kind == "json" && word == keyIDText {
			a.byID, a.values = true, append(a.values, nil)
			continue
		}
		value, err := parseOwnText("key_request", word)
		if err != nil {
			return access{}, err
		}
		a.values = append(a.values, value)
	}
	if a.kind == "oauth" && !isHTTPS(a.values[0].text()) {
		return access{}, fmt.Errorf("%w: key_request %q: the address that gives tokens is no https URL", ErrScheme, text)
	}
	return a, nil
}

// fill returns how to ask for the keys at an address. It is a function, as what fmt
// prints of it holds no credentials.
func (a access) fill(path string, with map[string]string) (func(address, id string) KeyRequest, error) {
	var texts []string
	for _, value := range a.values {
		filled, err := value.fill(with)
		if err != nil {
			return nil, err
		}
		texts = append(texts, filled.text())
	}
	if a.kind == "oauth" && !isHTTPS(texts[0]) {
		return nil, fmt.Errorf("%w: key_request has no https URL: correct the with parameters", ErrScheme)
	}
	return func(address, id string) KeyRequest {
		r := KeyRequest{URL: address, Path: path}
		switch a.kind {
		case "bearer":
			r.Bearer = texts[0]
		case "json":
			members := map[string]string{}
			for i, name := range a.names {
				if members[name] = texts[i]; a.values[i] == nil {
					members[name] = id
				}
			}
			body, _ := json.Marshal(members) // never fails on strings
			r.Body = string(body)
		case "oauth":
			r.TokenURL, r.ClientID, r.ClientSecret, r.Scope = texts[0], texts[1], texts[2], texts[3]
		}
		return r
	}, nil
}

// parseOwnText reads a text in which nothing is the sender's choice.
func parseOwnText(word, text string) (template, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return nil, err
	}
	for _, s := range t {
		if s.kind != segmentLiteral && s.kind != segmentWith {
			return nil, fmt.Errorf("%w: %s %q: only {with:NAME} can be a part of it: the rest would be the sender's choice", ErrScheme, word, text)
		}
	}
	return t, nil
}

// text is that of a template of parseOwnText once it is filled.
func (t template) text() string {
	var b strings.Builder
	for _, s := range t {
		b.WriteString(s.text)
	}
	return b.String()
}
