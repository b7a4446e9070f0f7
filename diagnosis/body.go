package diagnosis

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"github.com/hookpass/hookpass/webhook"
)

// variant is a request as it may have been sent.
type variant struct {
	explanation
	request *webhook.Request
}

// body undoes what frameworks, relays and proxies do to a body.
func (s *search) body(error) (Finding, bool) {
	for v := range s.bodies() {
		_, err := s.matched(s.own, v.request)
		if err == nil {
			return v.proven(), true
		}
		if errors.Is(err, errLimit) {
			break
		}
	}
	return Finding{}, false
}

// bodies are the bodies that may have been sent, the likely ones first.
func (s *search) bodies() iter.Seq[variant] {
	return func(yield func(variant) bool) {
		if s.delivery.HeadOnly || len(s.delivery.Request.Body) == 0 {
			return
		}
		seen := map[uint64]bool{s.digest(s.delivery.Request.Body): true}
		more := true
		offer := func(x explanation, body []byte) bool {
			if !more || seen[s.digest(body)] || !s.spend(0, len(body)) {
				return more
			}
			seen[s.digest(body)] = true
			more = yield(variant{x, s.with(func(r *webhook.Request) { r.Body = body })})
			return more
		}
		for _, of := range []func([]byte, func(explanation, []byte) bool){lineEnds, compressions(s.left.Bytes), wrappings, s.rewritings, charsets, forms} {
			if more && s.spend(0, len(s.delivery.Request.Body)) {
				of(s.delivery.Request.Body, offer)
			}
		}
	}
}

const untouched = "Forward the body byte for byte, and let nothing in front of hookpass parse it."

func lineEnds(body []byte, offer func(explanation, []byte) bool) {
	lost := func(name string) explanation {
		return explanation{BodyLineEnd, "The body was sent with " + name + " at its end, which is lost.", untouched}
	}
	added := func(name string) explanation {
		return explanation{BodyLineEnd, "The body has " + name + " at its end that was not sent.", untouched}
	}
	if rest, ok := bytes.CutSuffix(body, []byte("\r\n")); ok {
		offer(added("CRLF"), rest)
		offer(explanation{BodyLineEnd, "The body was sent with a line break at its end, which has become CRLF.", untouched}, append(bytes.Clone(rest), '\n'))
	} else if rest, ok := bytes.CutSuffix(body, []byte("\n")); ok {
		offer(added("a line break"), rest)
		offer(explanation{BodyLineEnd, "The body was sent with CRLF at its end, which has become a bare line break.", untouched}, append(bytes.Clone(rest), "\r\n"...))
	}
	offer(lost("CRLF"), append(bytes.Clone(body), "\r\n"...))
	offer(lost("a line break"), append(bytes.Clone(body), '\n'))
	offer(explanation{BodyLineEnd, "The body has blanks or line breaks around it that were not sent.", untouched}, bytes.TrimSpace(body))
	unix := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	offer(explanation{BodyLineEnd, "The body was sent with plain line breaks, which have become CRLF.", untouched}, unix)
	offer(explanation{BodyLineEnd, "The body was sent with CRLF between its lines, which has become plain line breaks.", untouched}, bytes.ReplaceAll(unix, []byte("\n"), []byte("\r\n")))
	mark := []byte("\ufeff")
	if rest, ok := bytes.CutPrefix(body, mark); ok {
		offer(explanation{BodyLineEnd, "The body begins with a byte order mark that was not sent.", untouched}, rest)
	} else {
		offer(explanation{BodyLineEnd, "The body was sent with a byte order mark in front, which is lost.", untouched}, append(mark, body...))
	}
}

// compressions undoes gzip, zlib and deflate, but not more than most bytes of it.
func compressions(most int) func([]byte, func(explanation, []byte) bool) {
	const share = 4 // of what is left, for each format
	return func(body []byte, offer func(explanation, []byte) bool) {
		for _, format := range []struct {
			name string
			open func(io.Reader) (io.ReadCloser, error)
		}{
			{"gzip", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
			{"zlib", zlib.NewReader},
			{"deflate", func(r io.Reader) (io.ReadCloser, error) { return flate.NewReader(r), nil }},
		} {
			if plain, ok := inflated(body, format.open, most/share); ok {
				offer(explanation{BodyCompressed, "The signature covers the body before it was compressed (" + format.name + ").", "Turn compression off at the sender or in the proxy that does it: what was signed must arrive."}, plain)
			}
		}
	}
}

func inflated(body []byte, open func(io.Reader) (io.ReadCloser, error), most int) ([]byte, bool) {
	r, err := open(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, int64(most)+1))
	return plain, err == nil && len(plain) > 0 && len(plain) <= most
}

// wrappings undoes what gateways put around a body, and does what they undo.
func wrappings(body []byte, offer func(explanation, []byte) bool) {
	text := strings.TrimSpace(string(body))
	put := func(into string) explanation {
		return explanation{BodyWrapped, "The body was put into " + into + " on the way.", "Have the gateway pass the body on as it is, or undo that before hookpass."}
	}
	taken := func(from string) explanation {
		return explanation{BodyWrapped, "The body was sent as " + from + ", and taken out of it on the way.", untouched}
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding, base64.RawURLEncoding} {
		if plain, err := encoding.DecodeString(text); err == nil && len(plain) > 0 {
			offer(put("base64"), plain)
		}
	}
	document := gjson.Parse(text)
	isJSON := gjson.Valid(text)
	if isJSON && document.Type == gjson.String {
		offer(put("a JSON string"), []byte(document.Str))
	}
	if isJSON && document.IsObject() {
		for _, name := range []string{"body", "rawBody", "raw_body", "payload", "data", "content"} {
			inner := document.Get(name)
			if inner.Type == gjson.String {
				offer(put(fmt.Sprintf("the member %q of a JSON object", name)), []byte(inner.Str))
				if plain, err := base64.StdEncoding.DecodeString(inner.Str); err == nil && len(plain) > 0 {
					offer(put(fmt.Sprintf("base64 in the member %q of a JSON object", name)), plain)
				}
			} else if inner.IsObject() || inner.IsArray() {
				offer(put(fmt.Sprintf("the member %q of a JSON object", name)), []byte(inner.Raw))
			}
		}
	}
	if fields, err := url.ParseQuery(text); err == nil && !isJSON && len(fields) == 1 {
		for name, values := range fields {
			if values[0] != "" {
				offer(put("a form"), []byte(values[0]))
			} else {
				offer(put("a form, as its name,"), []byte(name))
			}
		}
	}
	if isJSON {
		offer(taken("the field payload of a form"), []byte("payload="+url.QueryEscape(text)))
		offer(taken("the field data of a form"), []byte("data="+url.QueryEscape(text)))
		if document.IsObject() {
			form := url.Values{}
			document.ForEach(func(name, value gjson.Result) bool {
				form.Add(name.Str, value.String())
				return true
			})
			offer(explanation{BodyWrapped, "The body was sent as a form, and became JSON on the way.", untouched}, []byte(form.Encode()))
		}
	}
	offer(taken("base64"), []byte(base64.StdEncoding.EncodeToString(body)))
}

// charsets undoes a change from Latin-1 to UTF-8, and back.
func charsets(body []byte, offer func(explanation, []byte) bool) {
	const remedy = "Let nothing in front of hookpass decode the body: it is bytes, in the charset of the sender."
	if !utf8.Valid(body) {
		var wide []byte
		for _, b := range body {
			wide = utf8.AppendRune(wide, rune(b))
		}
		offer(explanation{BodyCharset, "The body was sent in UTF-8 and arrived in Latin-1.", remedy}, wide)
		return
	}
	var narrow []byte
	for _, r := range string(body) {
		if r > 0xff {
			return
		}
		narrow = append(narrow, byte(r)) //nolint:gosec // G115: it fits, as has just been seen
	}
	offer(explanation{BodyCharset, "The body was taken for Latin-1 and written in UTF-8, as often happens to text that is UTF-8 already.", remedy}, narrow)
}

// forms writes a form anew.
func forms(body []byte, offer func(explanation, []byte) bool) {
	text := string(body)
	fields, err := url.ParseQuery(text)
	if err != nil || gjson.Valid(text) || !strings.Contains(text, "=") {
		return
	}
	for _, written := range respelt(text, fields) {
		offer(explanation{BodyRewritten, "The form was parsed and written anew on the way: " + written.how + ".", untouched}, []byte(written.text))
	}
}

// Parsing JSON, and writing it, take as long as signing so many times as much.
const parsingCost, writingCost = 4, 2

// rewritings writes JSON anew.
func (s *search) rewritings(body []byte, offer func(explanation, []byte) bool) {
	if !s.spend(0, parsingCost*len(body)) {
		return
	}
	for how, text := range writtenAnew(body) {
		if !s.spend(0, writingCost*len(text)) || !offer(explanation{BodyRewritten, "The JSON was parsed and written anew on the way: it was signed " + how + ".", untouched}, text) {
			return
		}
	}
}
