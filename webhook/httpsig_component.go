package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/dunglas/httpsfv"
)

// component is a part of a request that a signature covers (RFC 9421 section 2).
type component struct {
	name  string // of a header field in lower case, or of a derived component
	param string // of @query-param: the parameter's name, encoded
}

// targetParts are what components say of the target URI. What is not a part of
// something more stands for itself.
var targetParts = map[string][]string{
	"@target-uri":     {"@scheme", "@authority", "@path", "@query"},
	"@request-target": {"@path", "@query"},
}

// nameCharacters are those of a field's name (RFC 9110 section 5.6.2), without
// capitals, and the @ of a derived component.
const nameCharacters = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~@"

var derived = []string{"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query"}

// parseComponent refuses what it cannot build the value of: parameters that
// change it (sf, key, bs), that take it from elsewhere (req, tr), and components
// that only answers have.
func parseComponent(item httpsfv.Item) (component, error) {
	name, isText := item.Value.(string)
	c := component{name: name}
	parameters := item.Params.Names()
	switch {
	case !isText || name == "" || strings.Trim(name, nameCharacters) != "":
		return c, fmt.Errorf("%v is no component's name", item.Value)
	case name == "@query-param" && slices.Equal(parameters, []string{"name"}):
		value, _ := item.Params.Get("name")
		c.param, _ = value.(string)
		if plain, err := url.PathUnescape(c.param); c.param == "" || err != nil || formEncode(plain) != c.param {
			return c, errors.New("the name of @query-param is not encoded as RFC 9421 says")
		}
	case len(parameters) > 0:
		return c, fmt.Errorf("%s;%s is not supported", name, parameters[0])
	case strings.HasPrefix(name, "@") && !slices.Contains(derived, name):
		return c, fmt.Errorf("%s is not supported", name)
	}
	return c, nil
}

// String is the component's identifier in the signature base.
func (c component) String() string {
	if c.param != "" {
		return fmt.Sprintf("%q;name=%q", c.name, c.param)
	}
	return fmt.Sprintf("%q", c.name)
}

// covered reports whether components say c, on their own or within something more.
func covered(components []component, c component) bool {
	return !slices.ContainsFunc(c.parts(), func(part string) bool {
		return !slices.ContainsFunc(components, func(has component) bool {
			return slices.Contains(has.parts(), part) || c.param != "" && slices.Contains(has.parts(), "@query")
		})
	})
}

func (c component) parts() []string {
	switch parts := targetParts[c.name]; {
	case parts != nil:
		return parts
	case c.param != "":
		return []string{c.String()}
	default:
		return []string{c.name}
	}
}

var (
	errAbsent    = errors.New("it is not there")
	errLineBreak = errors.New("it holds a line break")
	errQuery     = errors.New("the query is not written as a form is")
)

// value returns the component's value, none of which can be taken for the next
// line of the signature base.
func (c component) value(r *Request) (string, error) {
	value, err := c.text(r)
	if err == nil && strings.ContainsAny(value, "\r\n") {
		return "", errLineBreak
	}
	return value, err
}

func (c component) text(r *Request) (string, error) {
	t := splitURL(r.URL)
	switch c.name {
	case "@method":
		return r.Method, nil
	case "@target-uri":
		return r.URL, nil
	case "@scheme":
		return t.scheme, nil
	case "@authority":
		return t.authority, nil
	case "@path":
		return cmp.Or(t.path, "/"), nil
	case "@query":
		return cmp.Or(t.query, "?"), nil
	case "@request-target":
		return cmp.Or(t.path, "/") + t.query, nil
	case "@query-param":
		return t.parameter(c.param)
	}
	fields := r.Header[http.CanonicalHeaderKey(c.name)]
	if len(fields) == 0 {
		return "", errAbsent
	}
	trimmed := make([]string, len(fields))
	for i, field := range fields {
		trimmed[i] = strings.Trim(field, " \t")
	}
	return strings.Join(trimmed, ", "), nil
}

// target is the URI that a request is for, in the normal form of RFC 9110
// section 4.2.3.
type target struct {
	scheme, authority string
	path              string
	query             string // with its question mark
}

// splitURL leaves everything as it is written that a parser could write otherwise.
func splitURL(address string) (t target) {
	scheme, rest, _ := strings.Cut(address, "://")
	t.scheme = strings.ToLower(scheme)
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority, rest = rest[:i], rest[i:]
	} else {
		rest = ""
	}
	t.authority = strings.ToLower(authority)
	if port := map[string]string{"http": ":80", "https": ":443"}[t.scheme]; port != "" {
		t.authority = strings.TrimSuffix(t.authority, port)
	}
	t.path = rest
	if i := strings.IndexByte(rest, '?'); i >= 0 {
		t.path, t.query = rest[:i], rest[i:]
	}
	return t
}

// fields are those of the query. Its spelling does not matter for them.
func (t target) fields() (url.Values, error) {
	fields, err := url.ParseQuery(strings.TrimPrefix(t.query, "?"))
	if err != nil {
		return nil, errQuery
	}
	return fields, nil
}

func (t target) parameter(encoded string) (string, error) {
	fields, err := t.fields()
	if err != nil {
		return "", err
	}
	name, _ := url.PathUnescape(encoded) // it was parsed
	switch values := fields[name]; len(values) {
	case 0:
		return "", errAbsent
	case 1:
		return formEncode(values[0]), nil
	default:
		return "", errConflict
	}
}

// formEncode encodes as a form's serializer does (the URL Standard, section 5.2),
// except that a blank is not a plus (RFC 9421 section 2.2.8).
func formEncode(text string) string {
	return strings.NewReplacer("+", "%20", "%2A", "*", "~", "%7E").Replace(url.QueryEscape(text))
}
