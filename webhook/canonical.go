package webhook

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// canonical writes JSON anew, as senders have it that sign what they have parsed
// and not what they send. It leaves out what has no meaning, the blanks, the
// order of members if they are sorted, and how a string's characters are escaped:
// two texts that it writes alike are the same document. Numbers stay as
// they are written, as parsers round them in ways of their own.
type canonical struct {
	text   string // valid JSON
	at     int
	sorted bool // members in the order of their names
	php    bool // strings as PHP's json_encode writes them, else as JSON.stringify does (ECMA-262)
}

// maxDepth is more than a provider nests. Members that are sorted are copied once
// on each level.
const maxDepth = 100

// canonicalJSON returns the error of a signature that cannot be checked if text
// is not JSON, or nested too deep.
func canonicalJSON(text []byte, c canonical) (string, error) {
	if !json.Valid(text) || !utf8.Valid(text) {
		return "", fmt.Errorf("%w: the body is not JSON", ErrSignatureMalformed)
	}
	c.text = string(text)
	written, ok := c.value(nil, 0)
	if !ok {
		return "", fmt.Errorf("%w: the JSON body is nested too deep", ErrSignatureMalformed)
	}
	return string(written), nil
}

// phpJSON is the value at a path as PHP writes it.
func phpJSON(body []byte, path string) (string, error) {
	value := gjson.GetBytes(body, path)
	if !value.Exists() {
		return "", fmt.Errorf("%w: the body lacks the JSON that is signed", ErrSignatureMalformed)
	}
	return canonicalJSON([]byte(value.Raw), canonical{php: true})
}

func (c *canonical) skipBlanks() {
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n", c.text[c.at]) >= 0 {
		c.at++
	}
}

// value appends the value that comes next.
func (c *canonical) value(to []byte, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return nil, false
	}
	c.skipBlanks()
	switch c.text[c.at] {
	case '{':
		return c.object(to, depth)
	case '[':
		return c.array(to, depth)
	case '"':
		return c.string(to), true
	}
	start := c.at
	for c.at < len(c.text) && strings.IndexByte(" \t\r\n,]}", c.text[c.at]) < 0 {
		c.at++
	}
	return append(to, c.text[start:c.at]...), true
}

func (c *canonical) array(to []byte, depth int) (_ []byte, ok bool) {
	to = append(to, '[')
	for first := true; c.more(']'); first = false {
		if !first {
			to = append(to, ',')
		}
		if to, ok = c.value(to, depth+1); !ok {
			return nil, false
		}
	}
	return append(to, ']'), true
}

// more passes what opens or separates, and reports whether something follows
// before the end, which it passes.
func (c *canonical) more(end byte) bool {
	c.skipBlanks()
	if c.text[c.at] != end {
		c.at++
		c.skipBlanks()
		if c.text[c.at] != end {
			return true
		}
	}
	c.at++
	return false
}

func (c *canonical) object(to []byte, depth int) ([]byte, bool) {
	type member struct{ name, text []byte }
	var members []member
	for c.more('}') {
		m := member{name: c.string(nil)}
		c.skipBlanks()
		c.at++ // the colon
		var ok bool
		if m.text, ok = c.value(nil, depth+1); !ok {
			return nil, false
		}
		members = append(members, m)
	}
	if c.sorted {
		slices.SortStableFunc(members, func(a, b member) int {
			return slices.Compare(a.name[1:len(a.name)-1], b.name[1:len(b.name)-1])
		})
	}
	to = append(to, '{')
	for i, m := range members {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(append(append(to, m.name...), ':'), m.text...)
	}
	return append(to, '}'), true
}

// string appends the string that comes next. It works on UTF-16, as half of a
// surrogate pair can be escaped, which makes no character.
func (c *canonical) string(to []byte) []byte {
	to = append(to, '"')
	for c.at++; c.text[c.at] != '"'; {
		r := c.character()
		if utf16.IsSurrogate(r) && strings.HasPrefix(c.text[c.at:], `\u`) {
			after := *c
			if pair := utf16.DecodeRune(r, after.character()); pair != utf8.RuneError {
				r, c.at = pair, after.at
			}
		}
		to = c.escaped(to, r)
	}
	c.at++
	return append(to, '"')
}

// character returns the character that comes next, or half of one.
func (c *canonical) character() rune {
	if c.text[c.at] != '\\' {
		r, size := utf8.DecodeRuneInString(c.text[c.at:])
		c.at += size
		return r
	}
	escape := c.text[c.at+1]
	c.at += 2
	if escape == 'u' {
		unit, _ := strconv.ParseUint(c.text[c.at:c.at+4], 16, 16) // it is valid
		c.at += 4
		return rune(unit)
	}
	for plain, short := range shortEscapes {
		if short[1] == escape {
			return plain
		}
	}
	return rune(escape) // a slash
}

func (c *canonical) escaped(to []byte, r rune) []byte {
	switch {
	case shortEscapes[r] != "":
		return append(to, shortEscapes[r]...)
	case r == '/' && c.php:
		return append(to, `\/`...)
	case r > 0xffff && c.php:
		high, low := utf16.EncodeRune(r)
		return fmt.Appendf(to, `\u%04x\u%04x`, high, low)
	case r < ' ', utf16.IsSurrogate(r), r >= utf8.RuneSelf && c.php:
		return fmt.Appendf(to, `\u%04x`, r)
	default:
		return utf8.AppendRune(to, r)
	}
}
