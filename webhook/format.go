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
	repeats    bool   // positional: what follows the last part is more of its kind
	sets       string // one character between repetitions of all parts; empty where they come once
}

type formatPart struct {
	prefix, suffix string
	holds          partKind
}

type partKind string

const (
	partSignature partKind = "{signature}"
	partTimestamp partKind = "{timestamp}"
	partExtra     partKind = "{extra}"
)

func (f *format) has(kind partKind) bool { return f.count(kind) > 0 }

func (f *format) count(kind partKind) (n int) {
	for _, p := range f.parts {
		if p.holds == kind {
			n++
		}
	}
	return n
}

// encodingCharacters are those of hex and of both base64 alphabets.
const encodingCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_="

func parseFormat(text string) (format, error) {
	if text == "" {
		text = "{signature}"
	}
	bad := func(problem string) (format, error) {
		return format{}, fmt.Errorf(`%w: signature format %q %s: write it like "sha256={signature}", "t={timestamp},v1={signature}", "v1,{signature} ..." or "{timestamp},{signature},..."`, ErrScheme, text, problem)
	}
	whole, between := text, ""
	if before, repeated := strings.CutSuffix(text, "..."); repeated {
		if before == "" {
			return bad("repeats nothing")
		}
		last := len(before) - 1
		whole, between = before[:last], before[last:]
	}

	var f format
	for rest := whole; rest != ""; {
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
			return bad("has a part without {signature}, {timestamp} or {extra}")
		}
		f.parts = append(f.parts, part)
		f.positional = f.positional || (part.prefix == "" && f.separator != "")
		rest = strings.TrimPrefix(rest[end:], f.separator)
	}
	if f.count(partSignature) != 1 || f.count(partTimestamp) > 1 || f.count(partExtra) > 1 {
		return bad("needs {signature} once, and {timestamp} and {extra} at most once")
	}
	if between != "" && !f.repeat(whole, between) {
		return bad("must repeat a {signature} behind a separator of its own")
	}
	if strings.ContainsAny(f.separator+f.sets, encodingCharacters) {
		return bad("has a separator that a signature may hold")
	}
	return f, nil
}

// repeat makes f, which is written as whole, one of repeated signatures. If what
// is between them also separates the parts, the last part alone is repeated,
// else all of them.
func (f *format) repeat(whole, between string) bool {
	last := f.parts[len(f.parts)-1]
	switch {
	case len(f.parts) == 1:
		f.separator = between
		return !strings.Contains(last.suffix, between)
	case between == f.separator:
		f.repeats = true
		return last.holds == partSignature
	default:
		f.sets = between
		return !strings.Contains(whole, between)
	}
}

func parsePart(text string) (formatPart, bool) {
	for _, kind := range []partKind{partSignature, partTimestamp, partExtra} {
		if before, after, found := strings.Cut(text, string(kind)); found {
			return formatPart{prefix: before, suffix: after, holds: kind},
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
	extra      string
	extras     bool // there are several extras that differ
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
	case p.holds == partSignature && c.count < maxSignatures:
		c.signatures[c.count] = text
		c.count++
	case p.holds == partTimestamp && (c.timestamp == "" || c.timestamp == text):
		c.timestamp = text
	case p.holds == partExtra && (c.extra == "" || c.extra == text):
		c.extra = text
	case p.holds == partExtra:
		c.extras = true
	default:
		c.conflict = true
	}
	return true
}

// read adds what value holds to c. Parts that fit nothing are skipped, as
// providers add signature versions before they announce them.
func (f *format) read(value string, c *found) {
	if f.sets == "" {
		f.readSet(value, c)
		return
	}
	for set := range strings.SplitSeq(value, f.sets) {
		if set != "" {
			f.readSet(set, c)
		}
	}
}

func (f *format) readSet(value string, c *found) {
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

func (f *format) readPositional(value string, c *found) {
	last := len(f.parts) - 1
	for i, p := range f.parts {
		item, rest, more := strings.Cut(value, f.separator)
		if i < last && !more || i == last && more && !f.repeats {
			c.conflict = true
			return
		}
		c.add(p, item)
		value = rest
	}
	for f.repeats && value != "" {
		item, rest, _ := strings.Cut(value, f.separator)
		c.add(f.parts[last], item)
		value = rest
	}
}

// write is the inverse of read, for one signature. {extra} stays empty: it means
// nothing here.
func (f *format) write(signature, timestamp string) string {
	var b strings.Builder
	for i, p := range f.parts {
		if i > 0 {
			b.WriteString(f.separator)
		}
		b.WriteString(p.prefix)
		switch p.holds {
		case partTimestamp:
			b.WriteString(timestamp)
		case partSignature:
			b.WriteString(signature)
		}
		b.WriteString(p.suffix)
	}
	return b.String()
}
