package webhook

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

type placeKind string

const (
	inHeader     placeKind = "header"
	inHeaderJSON placeKind = "header_json" // a member of JSON that a field has in base64
	inQuery      placeKind = "query"
	inForm       placeKind = "form"
	inMultipart  placeKind = "multipart"
	inBody       placeKind = "body"
	inClaim      placeKind = "claim" // of a token
	inSignature  placeKind = "signature"
)

// Place is where a value travels: "header X-Id", "query sig", "form token",
// "multipart json>data.id", which is in the JSON of a field, "body data.id",
// "claim jti". Names that a provider uses by turns are joined by "|".
//
// "header_json X-Sig>kid" is a member of the JSON object that a field holds in
// base64; what follows a dot there, as in a JSON Web Signature, is left aside.
//
// In a JSON path, "#" is each element of an array, as deliveries of several
// events have one: their different values are joined by ",". Paths joined by "+"
// make one value of several: "body object+action" is "ticket.created".
type Place struct {
	kind  placeKind
	names []string // canonical header names, field names, or JSON paths in gjson's syntax; none: the whole body
	whole bool     // a value of several that lacks one of them is none
}

// ParseID reads the place of an id, as ParsePlace does. Where it is made of several
// values, a request that lacks one has no id: what is left is that of others, too.
func ParseID(words string) (Place, error) {
	p, err := ParsePlace(words)
	p.whole = true
	return p, err
}

// ParsePlace reads a place. The error wraps [ErrScheme].
func ParsePlace(words string) (Place, error) {
	kind, rest, _ := strings.Cut(words, " ")
	p := Place{kind: placeKind(kind)}
	switch p.kind {
	case inHeader, inHeaderJSON, inQuery, inForm, inMultipart, inBody, inClaim:
	default:
		return Place{}, fmt.Errorf("%w: %q names no place: write header NAME, query NAME, form NAME, multipart NAME>JSON.PATH or body JSON.PATH, or claim NAME of a token", ErrScheme, words)
	}
	for name := range strings.SplitSeq(strings.TrimSpace(rest), "|") {
		if name == "" || strings.ContainsAny(name, " \t\"") || (p.kind == inBody || p.kind == inClaim) && !isJSONPath(name) {
			return Place{}, fmt.Errorf("%w: %q needs one name behind %q", ErrScheme, words, kind)
		}
		switch p.kind {
		case inHeaderJSON:
			field, path, _ := strings.Cut(name, ">")
			if field == "" || !isJSONPath(path) {
				return Place{}, fmt.Errorf("%w: %q needs a field and, behind a >, the path in its JSON", ErrScheme, words)
			}
			name = http.CanonicalHeaderKey(field) + ">" + jsonPath(path)
		case inHeader:
			name = http.CanonicalHeaderKey(name)
		case inBody, inClaim:
			name = jsonPath(name)
		case inMultipart:
			field, path, inside := strings.Cut(name, ">")
			if inside && !isJSONPath(path) || field == "" {
				return Place{}, fmt.Errorf("%w: %q needs a field and, behind a >, the path in its JSON", ErrScheme, words)
			}
			if inside {
				name = field + ">" + jsonPath(path)
			}
		}
		p.names = append(p.names, name)
	}
	return p, nil
}

func optionalPlace(word, text string, parse func(string) (Place, error)) (*Place, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no place is a valid answer: the provider sends none
	}
	p, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", word, err)
	}
	return &p, nil
}

// cutPlace splits "header X-Sig v1={signature}" behind the name.
func cutPlace(text string) (where, rest string) {
	kind, rest, _ := strings.Cut(text, " ")
	name, rest, _ := strings.Cut(rest, " ")
	return kind + " " + name, rest
}

// inHead reports whether the value is known before the body is read.
func (p Place) inHead() bool {
	return p.kind == inHeader || p.kind == inHeaderJSON || p.kind == inQuery
}

// fields are the names of the header fields that are read.
func (p Place) fields() []string {
	switch p.kind {
	case inHeader:
		return p.names
	case inHeaderJSON:
		var fields []string
		for _, name := range p.names {
			field, _, _ := strings.Cut(name, ">")
			fields = append(fields, field)
		}
		return fields
	default:
		return nil
	}
}

// inContent reports whether the value is part of the body, or of a token.
func (p Place) inContent() bool {
	return p.kind == inBody || p.kind == inForm || p.kind == inMultipart || p.kind == inClaim
}

// values returns every value found, at most one for a body path.
func (p Place) values(r *Request) []string {
	switch p.kind {
	case inHeader:
		if len(p.names) == 1 {
			return r.Header[p.names[0]]
		}
		var all []string
		for _, name := range p.names {
			all = append(all, r.Header[name]...)
		}
		return all
	case inHeaderJSON:
		return p.headerJSONValues(r)
	case inQuery:
		return fieldValues(r.Query, p.names)
	case inForm:
		return fieldValues(string(r.Body), p.names)
	case inMultipart:
		var all []string
		for _, name := range p.names {
			all = append(all, multipartValues(r, name, p.whole)...)
		}
		return all
	case inBody:
		if len(p.names) == 0 {
			return []string{string(r.Body)}
		}
		for _, path := range p.names {
			if v := jsonValue(r.Body, path, p.whole); v != "" {
				return []string{v}
			}
		}
	case inClaim:
		for _, path := range p.names {
			if v := jsonValue(r.claims, path, p.whole); v != "" {
				return []string{v}
			}
		}
	}
	return nil
}

// isOfElements reports whether the place is in each element of an array.
func (p Place) isOfElements() bool {
	return p.kind == inBody && len(p.names) == 1 && strings.Contains("."+p.names[0], ".#.")
}

// elementValues returns the different values of the elements at such a place, and
// whether each of them has one.
func (p Place) elementValues(r *Request) (values []string, every bool) {
	path, rest, _ := strings.Cut("."+p.names[0], ".#.")
	array := gjson.ParseBytes(r.Body)
	if path != "" {
		array = array.Get(path[1:])
	}
	if !array.IsArray() {
		return nil, false
	}
	for _, element := range array.Array() {
		v := jsonText(element.Get(rest), false)
		if v == "" {
			return values, false
		}
		if !slices.Contains(values, v) {
			values = append(values, v)
		}
		if len(values) > maxSignatures {
			break // refused, however many there are
		}
	}
	return values, len(values) > 0
}

var errConflict = errors.New("given more than once, with different values")

// Value returns the one value at the place, or "" if there is none, and an
// error if there are several that differ. Repeating the same value is harmless.
func (p Place) Value(r *Request) (string, error) {
	values := p.values(r)
	if len(values) == 0 {
		return "", nil
	}
	for _, v := range values[1:] {
		if v != values[0] {
			return "", errConflict
		}
	}
	return values[0], nil
}

func fieldValues(encoded string, names []string) []string {
	fields, err := url.ParseQuery(encoded)
	if err != nil {
		return nil
	}
	var all []string
	for _, name := range names {
		all = append(all, fields[name]...)
	}
	return all
}

func isJSONPath(name string) bool {
	for path := range strings.SplitSeq(name, "+") {
		if slices.Contains(strings.Split(path, "."), "") || strings.HasSuffix("."+path, ".#") {
			return false
		}
	}
	return true
}

// jsonPath turns "data.0.id" into gjson's syntax, with every character that
// means something more to gjson taken literally.
func jsonPath(dotted string) string {
	paths := strings.Split(dotted, "+")
	for i, path := range paths {
		parts := strings.Split(path, ".")
		for j, part := range parts {
			if part != "#" {
				parts[j] = gjson.Escape(part)
			}
		}
		paths[i] = strings.Join(parts, ".")
	}
	return strings.Join(paths, "+")
}

// jsonValue returns the text at a path of jsonPath, or at several: if whole, none
// where one of them is missing.
func jsonValue(body []byte, path string, whole bool) string {
	path, others, several := strings.Cut(path, "+")
	text := jsonText(gjson.GetBytes(body, path), strings.Contains("."+path, ".#."))
	if !several {
		return text
	}
	switch other := jsonValue(body, others, whole); {
	case whole && (text == "" || other == ""):
		return ""
	case text == "":
		return other
	case other == "":
		return text
	default:
		return text + "." + other
	}
}

// jsonText returns a string's text, and a number or boolean as it is written,
// so that an id beyond 2^53 keeps its digits. Null, objects and arrays count as
// absent, except for the array that gjson makes of each element's value.
func jsonText(v gjson.Result, each bool) string {
	switch {
	case v.Type == gjson.String:
		return v.Str
	case v.Type == gjson.Number, v.IsBool():
		return v.Raw
	case each && v.IsArray():
		var texts []string
		seen := map[string]bool{}
		for _, element := range v.Array() {
			if text := jsonText(element, true); text != "" && !seen[text] {
				seen[text] = true
				texts = append(texts, text)
			}
		}
		return strings.Join(texts, ",")
	default:
		return ""
	}
}
