package capture

import (
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
)

// parseRaw reads a message of RFC 9112, with CRLF or, as editors leave it, LF.
func parseRaw(text []byte) (Request, error) {
	first, rest, _ := cutLine(text)
	words := strings.FieldsFunc(first, func(c rune) bool { return c == ' ' || c == '\t' })
	if len(words) < 2 || len(words) > 3 || len(words) == 3 && !strings.HasPrefix(words[2], "HTTP/") {
		return Request{}, malformed("%q is no line such as POST /in HTTP/1.1, nor does a curl command or a HAR begin so", cut(first))
	}
	r, err := newRequest(words[0])
	if err != nil {
		return r, err
	}
	host := ""
	for {
		line, after, more := cutLine(rest)
		rest = after
		if line == "" {
			break
		}
		name, value, found := strings.Cut(line, ":")
		if !found {
			return r, malformed("%q is no header field, and an empty line must stand before the body", cut(line))
		}
		named, err := r.add(name, value)
		if err != nil {
			return r, err
		}
		if named != "" {
			host = named
		}
		if !more {
			break
		}
	}
	r.Body = r.dechunked(rest)
	if err := r.locate(words[1], host); err != nil {
		return r, err
	}
	err = r.fit()
	return r, err
}

// cutLine returns the first line without its end.
func cutLine(text []byte) (line string, rest []byte, more bool) {
	before, rest, more := bytes.Cut(text, []byte("\n"))
	return string(bytes.TrimSuffix(before, []byte("\r"))), rest, more
}

// cut shortens what an error quotes: it may be anything.
func cut(text string) string {
	const enough = 40
	if len(text) > enough {
		return text[:enough] + "…"
	}
	return text
}

// dechunked returns the body without its framing. Many tools record it without, and
// leave the field.
func (r *Request) dechunked(body []byte) []byte {
	if !strings.EqualFold(r.Header.Get("Transfer-Encoding"), "chunked") {
		return body
	}
	r.Header.Del("Transfer-Encoding") // Go's server shows none either
	whole, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil {
		return body
	}
	return whole
}

// locate makes the address of a request target and the field Host.
func (r *Request) locate(target, host string) error {
	switch {
	case strings.Contains(target, "://"):
		return r.Address(target)
	case !strings.HasPrefix(target, "/"):
		return malformed("%q is no path such as /in", cut(target))
	case host != "":
		scheme := "https"
		if r.Header.Get("X-Forwarded-Proto") == "http" {
			scheme = "http"
		}
		return r.Address(scheme + "://" + host + target)
	}
	r.URL = target
	r.Path, r.Query, _ = strings.Cut(target, "?")
	return nil
}
