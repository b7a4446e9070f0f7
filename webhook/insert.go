package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Set writes a value at the place, under the first of its names. In a body,
// nothing else is changed; the error says what is in the way there. Of an array,
// the first element gets it; of several paths joined by "+", each gets what is
// between two dots, and the last one all the rest.
func (p Place) Set(r *Request, value string) (err error) {
	field := url.Values{p.names[0]: {value}}.Encode()
	switch p.kind {
	case inHeader:
		r.Header.Set(p.names[0], value)
	case inHeaderJSON:
		field, path, _ := strings.Cut(p.names[0], ">")
		object, _ := decodeBase64(r.Header.Get(field))
		if len(object) == 0 {
			object = []byte("{}")
		}
		if object, err = insert(object, strings.Split(path, "."), quote(value)); err == nil {
			r.Header.Set(field, base64.StdEncoding.EncodeToString(object))
		}
	case inQuery:
		r.Query = joinFields(r.Query, field)
		address, _, _ := strings.Cut(r.URL, "?")
		r.URL = address + "?" + r.Query
	case inForm:
		r.Body = []byte(joinFields(string(r.Body), field))
	case inBody:
		paths := strings.Split(p.names[0], "+")
		for i, part := range strings.SplitN(value, ".", len(paths)) {
			if r.Body, err = insert(r.Body, strings.Split(paths[i], "."), quote(part)); err != nil {
				return err
			}
		}
	}
	return err
}

func joinFields(encoded, field string) string {
	if encoded == "" {
		return field
	}
	return encoded + "&" + field
}

// insert adds a member to a JSON document at a path, which is in gjson's syntax;
// the member's value is JSON, too. It does so in the text, at the beginning of
// the innermost object or array that is there, so that all else stays as it was
// written.
func insert(body []byte, path []string, member string) ([]byte, error) {
	where := strings.Join(path, ".")
	path = slices.Clone(path)
	for i, name := range path {
		if name == "#" {
			path[i] = "0"
		}
	}
	at, missing, found := bytes.IndexAny(body, "{["), path, gjson.ParseBytes(body)
	if !gjson.ValidBytes(body) || !holds(found, path[0]) {
		return nil, fmt.Errorf("it belongs to %s of the body, which is not a JSON %s", where, container(path[0]))
	}
	for n := len(path); n > 0; n-- {
		found = gjson.GetBytes(body, strings.Join(path[:n], "."))
		if !found.Exists() {
			continue
		}
		if n == len(path) || !holds(found, path[n]) {
			return nil, fmt.Errorf("it belongs to %s of the body, which has %s at %s",
				where, found.Raw, strings.Join(path[:n], "."))
		}
		at, missing = found.Index, path[n:]
		break
	}
	for i, name := range slices.Backward(missing) {
		inArray := container(name) == "array"
		if !inArray {
			member = quote(unescape(name)) + ":" + member
		}
		switch {
		case i > 0 && inArray:
			member = "[" + member + "]"
		case i > 0:
			member = "{" + member + "}"
		}
	}
	rest := body[at+1:]
	if !strings.ContainsRune("}]", rune(bytes.TrimLeft(rest, " \t\r\n")[0])) {
		member += ","
	}
	return slices.Concat(body[:at+1], []byte(member), rest), nil
}

// container names what has a member of this name: of an array, only the first
// element is ever missing.
func container(name string) string {
	if name == "0" {
		return "array"
	}
	return "object"
}

func holds(v gjson.Result, name string) bool {
	if container(name) == "array" {
		return v.IsArray()
	}
	return v.IsObject()
}

// unescape undoes gjson.Escape.
func unescape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '\\' && i+1 < len(name) {
			i++
		}
		b.WriteByte(name[i])
	}
	return b.String()
}

func quote(text string) string {
	quoted, _ := json.Marshal(text) // never fails on a string
	return string(quoted)
}
