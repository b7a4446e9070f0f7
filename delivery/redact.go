package delivery

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// The causes for which a body is not shown at all: where something of it must not
// be, and nobody can tell where that stands.
var (
	ErrSecretWhole = errors.New("it is a token as a whole")
	ErrNotJSON     = errors.New("it is no JSON object or array in which values could be redacted")
	ErrAmbiguous   = errors.New("it repeats a name, or is nested too deeply, to be redacted beyond doubt")
	ErrNotForm     = errors.New("it is no form with the field that has to be masked")
)

// redacted stands for a value that is not shown.
const redacted = "[redacted]"

// Hidden is what of a body is not shown. The zero value hides nothing.
type Hidden struct {
	JSON []Path   // values, in whose place "[redacted]" is shown
	Form []string // fields of a form, of which the same is done
	All  bool
}

// Path names values of a JSON body: names of fields, or positions of elements,
// joined by dots. "*" is any one of them, "**" any number, also none.
type Path struct{ steps []string }

const (
	anyStep  = "*"
	anySteps = "**"

	maxSteps = 32
	maxDepth = 1000
)

// ParsePath reads a path such as data.object.email, items.*.card or **.email. The
// error says what to write.
func ParsePath(text string) (Path, error) {
	steps := strings.Split(text, ".")
	for i, step := range steps {
		switch {
		case step == "" && text == "":
			return Path{}, errors.New("empty: write a path such as data.object.email")
		case step == "":
			return Path{}, fmt.Errorf("%q has a dot too many: write a path such as data.object.email", text)
		case step == "$":
			return Path{}, fmt.Errorf("%q: write the path without $", text)
		case strings.ContainsAny(step, "[]"):
			return Path{}, fmt.Errorf("%q: write elements of an array like items.*.card", text)
		case step != anyStep && step != anySteps && strings.Contains(step, anyStep):
			return Path{}, fmt.Errorf("%q: * stands for a whole name: write it alone between the dots, as in items.*.card", text)
		case step == anySteps && i == len(steps)-1:
			return Path{}, fmt.Errorf("%q ends in **: leave that out, as what is below a value goes with it", text)
		case step == anySteps && i > 0 && steps[i-1] == anySteps:
			return Path{}, fmt.Errorf("%q: write ** once", text)
		}
	}
	if len(steps) > maxSteps {
		return Path{}, fmt.Errorf("%q: a path has %d names at most", text, maxSteps)
	}
	return Path{steps}, nil
}

// Redact returns a body as it may be shown. The error is one of those above.
func (h Hidden) Redact(body []byte) ([]byte, error) {
	switch {
	case h.All:
		return nil, ErrSecretWhole
	case len(h.JSON) > 0 && len(h.Form) > 0:
		return nil, ErrNotJSON // it is a form, or else none with the field
	case len(h.JSON) > 0:
		return h.redactJSON(body)
	case len(h.Form) > 0:
		return h.redactForm(body)
	default:
		return body, nil
	}
}

func (h Hidden) redactForm(body []byte) ([]byte, error) {
	pairs, found := strings.Split(string(body), "&"), false
	for i, pair := range pairs {
		name, _, _ := strings.Cut(pair, "=")
		read, err := url.QueryUnescape(name)
		if err != nil || strings.Contains(pair, ";") { // which some take for a separator
			return nil, ErrNotForm
		}
		if slices.ContainsFunc(h.Form, func(field string) bool { return strings.EqualFold(field, read) }) {
			pairs[i], found = name+"="+redacted, true
		}
	}
	if !found {
		return nil, ErrNotForm
	}
	return []byte(strings.Join(pairs, "&")), nil
}

// level is an object or an array that is being read.
type level struct {
	names map[string]bool // in lower case; nil in an array
	next  int             // the position of the element that comes
	at    places
	value bool // in an object: the next token is a value
}

// redactJSON replaces the values in the text, so that everything else is shown as
// it was sent.
func (h Hidden) redactJSON(body []byte) ([]byte, error) {
	text := bytes.TrimSpace(body)
	if !utf8.Valid(text) || !json.Valid(text) || (text[0] != '{' && text[0] != '[') {
		return nil, ErrNotJSON
	}
	var shown []byte
	var open []level
	copied, hiding := 0, -1 // hiding: the depth below which nothing is shown
	at := startOf(h.JSON)   // of the value that comes
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	for {
		before := int(dec.InputOffset())
		token, err := dec.Token()
		if err != nil {
			return nil, ErrNotJSON
		}
		delim, _ := token.(json.Delim)
		closing := delim == '}' || delim == ']'
		if top := len(open) - 1; top >= 0 && !closing {
			l := &open[top]
			if name, isName := token.(string); isName && l.names != nil && !l.value {
				// Whoever reads it may take names for the same whose case differs.
				lower := strings.ToLower(name)
				if l.names[lower] {
					return nil, ErrAmbiguous
				}
				l.names[lower], l.value = true, true
				at = l.at.below(h.JSON, name)
				continue
			}
			if l.names == nil {
				at = l.at.below(h.JSON, fmt.Sprint(l.next))
				l.next++
			}
			l.value = false
		}
		if hiding < 0 && !closing && at.reached(h.JSON) {
			hiding = len(open)
			shown = append(shown, text[copied:valueStart(text, before)]...)
			shown = append(shown, `"`+redacted+`"`...)
		}
		switch delim {
		case '{', '[':
			l := level{at: at}
			if delim == '{' {
				l.names = map[string]bool{}
			}
			if open = append(open, l); len(open) > maxDepth {
				return nil, ErrAmbiguous
			}
		case '}', ']':
			open = open[:len(open)-1]
		}
		if hiding == len(open) {
			hiding, copied = -1, int(dec.InputOffset())
		}
		if len(open) == 0 {
			return append(shown, text[copied:]...), nil
		}
	}
}

// valueStart skips what may stand before a value.
func valueStart(text []byte, at int) int {
	for strings.IndexByte(" \t\r\n:,", text[at]) >= 0 {
		at++
	}
	return at
}

// places are how far a value has come on each path: bit n is set if its first n
// steps lead here.
type places []uint64

func startOf(paths []Path) places {
	at := make(places, len(paths))
	for i, path := range paths {
		at[i] = path.skip(1)
	}
	return at
}

// skip adds that "**" may be nothing.
func (p Path) skip(at uint64) uint64 {
	for n, step := range p.steps {
		if step == anySteps && at&(1<<n) != 0 {
			at |= 1 << (n + 1)
		}
	}
	return at
}

// below returns where a field of that name leads. One with dots may be meant by
// steps of its own.
func (at places) below(paths []Path, name string) places {
	whole := at.step(paths, name)
	if !strings.Contains(name, ".") {
		return whole
	}
	parts := at
	for part := range strings.SplitSeq(name, ".") {
		parts = parts.step(paths, part)
		for i := range parts {
			end := uint64(1) << len(paths[i].steps)
			whole[i] |= parts[i] & end // what is below a value goes with it
		}
	}
	for i := range parts {
		whole[i] |= parts[i]
	}
	return whole
}

func (at places) step(paths []Path, name string) places {
	next := make(places, len(paths))
	for i, path := range paths {
		for n, step := range path.steps {
			if at[i]&(1<<n) == 0 {
				continue
			}
			switch {
			case step == anySteps:
				next[i] |= 1 << n
			case step == anyStep || strings.EqualFold(step, name):
				next[i] |= 1 << (n + 1)
			}
		}
		next[i] = path.skip(next[i])
	}
	return next
}

// reached reports whether one of the paths ends here.
func (at places) reached(paths []Path) bool {
	for i, path := range paths {
		if at[i]&(1<<len(path.steps)) != 0 {
			return true
		}
	}
	return false
}
