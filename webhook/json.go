package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// unambiguous refuses a body that two JSON parsers may read differently: a
// repeated name, whose first value we would check and whose last value the
// application would use, or trailing data. Names count as repeated regardless
// of case, as encoding/json and others match them so.
func unambiguous(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if err := walk(dec); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: data behind the JSON body", ErrSignatureMalformed)
	}
	return nil
}

// signedAlone refuses a body in which something unsigned stands where the field
// at path, which t signs, belongs: an object or array, which would be signed as
// if it were absent, or elements behind the one that is signed.
func (t template) signedAlone(body []byte, path string) error {
	if t.uses(segmentBody) {
		return nil
	}
	for one := range strings.SplitSeq(path, "+") {
		if v := gjson.GetBytes(body, one); v.IsObject() || v.IsArray() {
			return fmt.Errorf("%w: the JSON body has more than a value in the place of a signed one", ErrSignatureMalformed)
		}
		names := strings.Split(one, ".")
		for i, name := range names {
			index, err := strconv.Atoi(name)
			if err != nil {
				continue
			}
			array := gjson.ParseBytes(body)
			if i > 0 {
				array = array.Get(strings.Join(names[:i], "."))
			}
			next := strings.Join(append(names[:i:i], strconv.Itoa(index+1)), ".")
			if array.IsArray() && gjson.GetBytes(body, next).Exists() && !t.signsWithin(next) {
				return fmt.Errorf("%w: the JSON body has elements that are not signed", ErrSignatureMalformed)
			}
		}
	}
	return nil
}

// signsWithin reports whether t signs the value at a JSON path, or one below it.
func (t template) signsWithin(path string) bool {
	return slices.ContainsFunc(t, func(s segment) bool {
		return s.kind == segmentJSON && strings.HasPrefix(s.text+".", path+".")
	})
}

func walk(dec *json.Decoder) error {
	type level struct {
		names map[string]bool // nil in an array
		value bool            // in an object: the next token is a value
	}
	var open []level
	for {
		token, err := dec.Token()
		if err != nil {
			return fmt.Errorf("%w: the body is not JSON", ErrSignatureMalformed)
		}
		top := len(open) - 1
		if name, ok := token.(string); ok && top >= 0 && open[top].names != nil && !open[top].value {
			name = strings.ToLower(name)
			if open[top].names[name] {
				return fmt.Errorf("%w: the JSON body repeats a name", ErrSignatureMalformed)
			}
			open[top].names[name] = true
			open[top].value = true
			continue
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			next := level{}
			if token == json.Delim('{') {
				next.names = map[string]bool{}
			}
			if top >= 0 {
				open[top].value = false
			}
			open = append(open, next)
			continue
		case json.Delim('}'), json.Delim(']'):
			open = open[:top]
		default:
			if top >= 0 {
				open[top].value = false
			}
		}
		if len(open) == 0 {
			return nil
		}
	}
}
