package diagnosis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// node is a JSON value with its members in their order and its numbers as they are
// written.
type node struct {
	open     byte // { or [; zero: a value of its own
	text     string
	isString bool
	names    []string // of an object
	values   []*node
}

// deepest is more than a provider nests.
const deepest = 100

var errDeep = errors.New("nested too deep")

func parseJSON(text []byte) (*node, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	n, err := parseNode(dec, 0)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something is behind it")
	}
	return n, nil
}

func parseNode(dec *json.Decoder, depth int) (*node, error) {
	if depth > deepest {
		return nil, errDeep
	}
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		n := &node{open: byte(token)} //nolint:gosec // G115: a delimiter is ASCII
		for dec.More() {
			if n.open == '{' {
				name, err := dec.Token()
				if err != nil {
					return nil, err
				}
				n.names = append(n.names, name.(string)) // in an object, a name it is
			}
			value, err := parseNode(dec, depth+1)
			if err != nil {
				return nil, err
			}
			n.values = append(n.values, value)
		}
		_, err := dec.Token() // what closes it
		return n, err
	case string:
		return &node{text: token, isString: true}, nil
	case nil:
		return &node{text: "null"}, nil
	default:
		return &node{text: fmt.Sprint(token)}, nil
	}
}

// sort puts the members of each object into the order of their names, and reports
// whether they were in another one.
func (n *node) sort() (changed bool) {
	if n.open == '{' && !slices.IsSorted(n.names) {
		changed = true
		order := make([]int, len(n.names))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(n.names[a], n.names[b]) })
		names, values := slices.Clone(n.names), slices.Clone(n.values)
		for i, from := range order {
			n.names[i], n.values[i] = names[from], values[from]
		}
	}
	for _, value := range n.values {
		changed = value.sort() || changed
	}
	return changed
}

// signs are those that libraries escape or do not, as far as a document has them.
type signs struct{ slash, wide, html bool }

func (s *signs) add(text string) {
	s.slash = s.slash || strings.Contains(text, "/")
	s.html = s.html || strings.ContainsAny(text, htmlSigns)
	s.wide = s.wide || strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf })
}

func (n *node) signs(s *signs) {
	if n.isString {
		s.add(n.text)
	}
	for _, name := range n.names {
		s.add(name)
	}
	for _, value := range n.values {
		value.signs(s)
	}
}

// distinctEscapings are those that write a document with such signs differently.
func distinctEscapings(s signs) []escaping {
	var kept []escaping
	seen := map[escaping]bool{}
	for _, e := range escapings {
		effect := escaping{slash: e.slash && s.slash, ascii: e.ascii && s.wide}
		if s.html || s.wide {
			effect.html = e.html
		}
		effect.upper = e.upper && (effect.ascii || effect.html != "")
		if !seen[effect] {
			seen[effect] = true
			kept = append(kept, e)
		}
	}
	return kept
}

// layout is how a JSON library separates.
type layout struct{ name, comma, colon, indent string }

var layouts = []layout{
	{"compact", ",", ":", ""},
	{"with a blank behind commas and colons, as Python has it", ", ", ": ", ""},
	{"indented by two blanks", ",", ": ", "  "},
	{"indented by four blanks", ",", ": ", "    "},
	{"indented by tabs", ",", ": ", "\t"},
	{"indented by two blanks, with blanks around colons", ",", " : ", "  "},
}

// escaping is which characters a JSON library escapes beyond those that it must.
type escaping struct {
	name  string
	slash bool
	ascii bool // whatever is no ASCII
	upper bool // capitals in \u00E9
	html  string
}

var escapings = []escaping{
	{name: ""},
	{name: "with whatever is not ASCII escaped, as Python has it", ascii: true},
	{name: "with slashes escaped", slash: true},
	{name: "with slashes and whatever is not ASCII escaped, as PHP has it", slash: true, ascii: true},
	{name: "with the signs of HTML escaped, as Go has it", html: "<>&\u2028\u2029"},
	{name: "with the signs of HTML and whatever is not ASCII escaped, as .NET has it", ascii: true, upper: true, html: "<>&'+`\""},
}

// htmlSigns are all that any library escapes for the sake of HTML.
const htmlSigns = "<>&'+`\"\u2028\u2029"

// writtenAnew yields a document in the ways in which libraries write it. Each text is
// valid until the next.
func writtenAnew(text []byte) iter.Seq2[string, []byte] {
	return func(yield func(how string, text []byte) bool) {
		n, err := parseJSON(text)
		if err != nil {
			return
		}
		var has signs
		n.signs(&has)
		var written []byte
		for _, order := range []string{"", "with the members in the order of their names"} {
			if order != "" && !n.sort() {
				return
			}
			for _, l := range layouts {
				for _, e := range distinctEscapings(has) {
					words := slices.DeleteFunc([]string{l.name, e.name, order}, func(word string) bool { return word == "" })
					how := strings.Join(words, ", ")
					written = n.append(written[:0], l, e, 0)
					if !yield(how, written) {
						return
					}
					if written = append(written, '\n'); !yield(how+", and a line break at the end", written) {
						return
					}
				}
			}
		}
	}
}

func (n *node) append(to []byte, l layout, e escaping, depth int) []byte {
	switch {
	case n.isString:
		return e.append(to, n.text)
	case n.open == 0:
		return append(to, n.text...)
	}
	to = append(to, n.open)
	for i, value := range n.values {
		if i > 0 {
			to = append(to, l.comma...)
		}
		to = l.line(to, depth+1)
		if n.open == '{' {
			to = append(e.append(to, n.names[i]), l.colon...)
		}
		to = value.append(to, l, e, depth+1)
	}
	if len(n.values) > 0 {
		to = l.line(to, depth)
	}
	return append(to, n.open+2) // { and }, [ and ] are two apart
}

func (l layout) line(to []byte, depth int) []byte {
	if l.indent == "" {
		return to
	}
	to = append(to, '\n')
	for range depth {
		to = append(to, l.indent...)
	}
	return to
}

var short = map[rune]string{'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\b': `\b`, '\f': `\f`}

func (e escaping) append(to []byte, text string) []byte {
	unit := func(to []byte, u rune) []byte {
		digits := "0123456789abcdef"
		if e.upper {
			digits = "0123456789ABCDEF"
		}
		return append(to, '\\', 'u', digits[u>>12&15], digits[u>>8&15], digits[u>>4&15], digits[u&15])
	}
	to = append(to, '"')
	plain := 0 // where what needs no look begins
	for i, r := range text {
		if r >= '0' && r <= 'z' && r != '\\' && r != '<' && r != '>' && r != '`' || r == ' ' {
			continue
		}
		to = append(to, text[plain:i]...)
		plain = i + utf8.RuneLen(r)
		switch {
		case e.html != "" && strings.ContainsRune(e.html, r):
			to = unit(to, r)
		case short[r] != "":
			to = append(to, short[r]...)
		case r == '/' && e.slash:
			to = append(to, `\/`...)
		case r > 0xffff && e.ascii:
			high, low := utf16.EncodeRune(r)
			to = unit(unit(to, high), low)
		case r < ' ', r >= utf8.RuneSelf && e.ascii:
			to = unit(to, r)
		default:
			to = utf8.AppendRune(to, r)
		}
	}
	return append(append(to, text[plain:]...), '"')
}
