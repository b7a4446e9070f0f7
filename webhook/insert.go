package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Set writes a value at the place, under the first of its names. In a body,
// nothing else is changed; the error says what is in the way there.
func (p Place) Set(r *Request, value string) (err error) {
	field := url.Values{p.names[0]: {value}}.Encode()
	switch p.kind {
	case inHeader:
		r.Header.Set(p.names[0], value)
	case inQuery:
		r.Query = joinFields(r.Query, field)
	case inForm:
		r.Body = []byte(joinFields(string(r.Body), field))
	case inBody:
		r.Body, err = insert(r.Body, strings.Split(p.names[0], "."), value)
	}
	return err
}

func joinFields(encoded, field string) string {
	if encoded == "" {
		return field
	}
	return encoded + "&" + field
}

// insert adds a value to a JSON object at a path, which is in gjson's syntax. It
// does so in the text, at the beginning of the innermost object that is there,
// so that all else stays as it was written.
func insert(body []byte, path []string, value string) ([]byte, error) {
	at, missing := bytes.IndexByte(body, '{'), path
	if !gjson.ValidBytes(body) || !gjson.ParseBytes(body).IsObject() {
		return nil, fmt.Errorf("it belongs to %s of the body, which is not a JSON object", strings.Join(path, "."))
	}
	for n := len(path); n > 0; n-- {
		found := gjson.GetBytes(body, strings.Join(path[:n], "."))
		if !found.Exists() {
			continue
		}
		if n == len(path) || !found.IsObject() {
			return nil, fmt.Errorf("it belongs to %s of the body, which has %s at %s",
				strings.Join(path, "."), found.Raw, strings.Join(path[:n], "."))
		}
		at, missing = found.Index, path[n:]
		break
	}
	member := quote(value)
	for i, name := range slices.Backward(missing) {
		member = quote(unescape(name)) + ":" + member
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
