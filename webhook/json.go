package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
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
