package webhook

import (
	"fmt"
	"strings"
)

// maxSignatures bounds how many signatures of one delivery are tried. Providers
// send one for each active secret: two, at most a handful.
const maxSignatures = 16

// format is how signatures, and a timestamp with them, are written in a value.
type format struct {
	parts      []formatPart
	separator  string // one character between parts; empty where the value is one part
	positional bool   // parts without a prefix are told apart by their order
}

type formatPart struct {
	prefix, suffix string
	timestamp      bool // else a signature
}

func (f format) hasTimestamp() bool {
	for _, p := range f.parts {
		if p.timestamp {
			return true
		}
	}
	return false
}

func parseFormat(text string) (format, error) {
	if text == "" {
		text = "{signature}"
	}
	bad := func(problem string) (format, error) {
		return format{}, fmt.Errorf(`%w: signature format %q %s: write it like "sha256={signature}", "t={timestamp},v1={signature}" or "v1,{signature} ..."`, ErrScheme, text, problem)
	}
	var f format
	if whole, repeated := strings.CutSuffix(text, "..."); repeated {
		if whole == "" {
			return bad("repeats nothing")
		}
		last := len(whole) - 1
		f.separator = whole[last:]
		part, ok := parsePart(whole[:last])
		if !ok || part.timestamp || strings.Contains(part.suffix, f.separator) {
			return bad("must repeat one {signature}")
		}
		f.parts = []formatPart{part}
		return f, nil
	}

	for rest := text; rest != ""; {
		// A part ends at the separator, which is the first character behind the
		// first placeholder that has another one to follow.
		end := len(rest)
		if brace := strings.IndexByte(rest, '}'); brace >= 0 && strings.Contains(rest[brace:], "{") {
			if f.separator == "" {
				f.separator = rest[brace+1 : brace+2]
			}
			cut := strings.Index(rest[brace:], f.separator)
			if cut < 0 || f.separator == "{" {
				return bad("needs a separator between its placeholders")
			}
			end = brace + cut
		}
		part, ok := parsePart(rest[:end])
		if !ok {
			return bad("has a part without {signature} or {timestamp}")
		}
		f.parts = append(f.parts, part)
		f.positional = f.positional || (part.prefix == "" && f.separator != "")
		rest = strings.TrimPrefix(rest[end:], f.separator)
	}
	signatures, timestamps := 0, 0
	for _, p := range f.parts {
		if p.timestamp {
			timestamps++
		} else {
			signatures++
		}
	}
	if signatures != 1 || timestamps > 1 {
		return bad("needs {signature} once, and {timestamp} at most once")
	}
	return f, nil
}

func parsePart(text string) (formatPart, bool) {
	for _, name := range []string{"{signature}", "{timestamp}"} {
		if before, after, found := strings.Cut(text, name); found {
			return formatPart{prefix: before, suffix: after, timestamp: name == "{timestamp}"},
				!strings.ContainsAny(before+after, "{}")
		}
	}
	return formatPart{}, false
}

// found collects what a delivery's signature values hold.
type found struct {
	signatures [maxSignatures]string
	count      int
	timestamp  string
	conflict   bool // two timestamps that differ, or more signatures than are tried
}

func (c *found) add(p formatPart, text string) bool {
	text, ok := strings.CutPrefix(text, p.prefix)
	if !ok {
		return false
	}
	if text, ok = strings.CutSuffix(text, p.suffix); !ok {
		return false
	}
	switch {
	case !p.timestamp && c.count < maxSignatures:
		c.signatures[c.count] = text
		c.count++
	case p.timestamp && (c.timestamp == "" || c.timestamp == text):
		c.timestamp = text
	default:
		c.conflict = true
	}
	return true
}

// read adds what value holds to c. Parts that fit nothing are skipped, as
// providers add signature versions before they announce them.
func (f format) read(value string, c *found) {
	if f.separator == "" {
		c.add(f.parts[0], value)
		return
	}
	if f.positional {
		f.readPositional(value, c)
		return
	}
	for item := range strings.SplitSeq(value, f.separator) {
		item = strings.TrimSpace(item)
		for _, p := range f.parts {
			if c.add(p, item) {
				break
			}
		}
	}
}

func (f format) readPositional(value string, c *found) {
	for i, p := range f.parts {
		item, rest, more := strings.Cut(value, f.separator)
		if more == (i == len(f.parts)-1) {
			c.conflict = true
			return
		}
		c.add(p, item)
		value = rest
	}
}

// write is the inverse of read, for one signature.
func (f format) write(signature, timestamp string) string {
	var b strings.Builder
	for i, p := range f.parts {
		if i > 0 {
			b.WriteString(f.separator)
		}
		b.WriteString(p.prefix)
		if p.timestamp {
			b.WriteString(timestamp)
		} else {
			b.WriteString(signature)
		}
		b.WriteString(p.suffix)
	}
	return b.String()
}
