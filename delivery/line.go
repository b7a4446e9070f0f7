package delivery

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"
)

const (
	// maxText bounds each text of a line, in bytes. The ids and event types that
	// providers document are well below it; it is there for what they do not send.
	maxText = 256

	// maxHint bounds the one text that is ours, with some of theirs in it.
	maxHint = 1024

	timeLayout = "2006-01-02T15:04:05.000Z"
)

// line is a record in its written form. The logger writes into the line itself,
// so that a line taken from the pool brings its own buffer and its own encoder.
type line struct {
	text   []byte
	logger zerolog.Logger
}

func newLine() *line {
	l := new(line)
	l.logger = zerolog.New(l)
	return l
}

// Write implements io.Writer for the logger.
func (l *line) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	return len(p), nil
}

// encode replaces the line's text with the record as one JSON object and a
// newline.
func (l *line) encode(r *Record) {
	l.text = l.text[:0]
	e := l.logger.Log()
	addFields(e, r)
	e.Send()
}

func addFields(e *zerolog.Event, r *Record) {
	if !r.Time.IsZero() {
		// zerolog's own Time follows a process-wide format that is not ours to set.
		// AppendFormat needs room for nine digits of the second, to leave three.
		var stamp [len(timeLayout) + 6]byte
		e.Bytes("time", r.Time.UTC().AppendFormat(stamp[:0], timeLayout))
	}
	addText(e, "endpoint", r.Endpoint)
	addText(e, "provider", r.Provider)
	addText(e, "delivery_id", r.DeliveryID)
	addText(e, "event", r.Event)
	addText(e, "verdict", string(r.Verdict))
	addText(e, "reason", string(r.Reason))
	addText(e, "mode", string(r.Mode))
	addText(e, "replayed", string(r.Replayed))
	addText(e, "secret", r.Secret)
	if r.TimestampKnown {
		e.Int64("timestamp_age_ms", r.TimestampAge.Milliseconds())
	}
	if r.BodyBytes != 0 {
		e.Int64("body_bytes", r.BodyBytes)
	}
	if r.Verify != 0 {
		e.Int64("verify_us", r.Verify.Microseconds())
	}
	if r.Forward != 0 {
		e.Int64("forward_ms", r.Forward.Milliseconds())
	}
	if r.Status != 0 {
		e.Int("status", r.Status)
	}
	addText(e, "remote", r.Remote)
	addText(e, "request_id", r.RequestID)
	addText(e, "trace_id", r.TraceID)
	addBounded(e, "hint", r.Hint, maxHint)
}

func addText(e *zerolog.Event, key, s string) { addBounded(e, key, s, maxText) }

func addBounded(e *zerolog.Event, key, s string, most int) {
	if s != "" {
		e.Str(key, strings.Map(printable, bounded(s, most)))
	}
}

// bounded cuts a long text between two runes and marks the cut, so that nobody
// takes what is left for the whole.
func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// printable replaces what JSON lets pass unescaped and a reader must not meet:
// U+0085, U+2028 and U+2029 break a line for some, C1 controls drive terminals,
// directional marks make one text look like another. ASCII is the encoder's to
// escape.
func printable(r rune) rune {
	if r < utf8.RuneSelf || unicode.IsPrint(r) {
		return r
	}
	return utf8.RuneError
}
