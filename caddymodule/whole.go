package caddymodule

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/hookpass/hookpass/delivery"
	"github.com/hookpass/hookpass/webhook"
)

// hidden is what the scheme has in the body that must not be shown.
func (s *settings) hidden() delivery.Hidden {
	var h delivery.Hidden
	facts, err := s.scheme.Facts()
	if err != nil {
		return delivery.Hidden{All: true} // resolve has compiled the same scheme
	}
	for _, place := range facts.Body {
		switch kind, name, _ := strings.Cut(place, " "); kind {
		case "form":
			h.Form = append(h.Form, name)
		case "body":
			path, err := delivery.ParsePath(strings.ReplaceAll(name, "#", "*"))
			if err != nil { // as for the whole body
				h.All = true
			}
			h.JSON = append(h.JSON, path)
		default: // a form of several parts, in which nothing can be masked
			h.All = true
		}
	}
	return h
}

// arrival notes what is kept of a request should it be kept whole, before any
// handler changes it. Nothing is, unless the configuration says so.
func (x *exchange) arrival() *delivery.Whole {
	if recent := x.h.app.Recent; recent == nil || !recent.Bodies {
		return nil
	}
	w := &delivery.Whole{
		Arrived: x.asOf, Endpoint: x.h.settings.name, Server: serverName(x.r),
		Method: x.request.Method, URI: x.request.Path, Proto: x.r.Proto, Host: x.r.Host,
		Remote: x.r.RemoteAddr, Secure: x.r.TLS != nil,
		Base: seenURL(x.r), Header: x.r.Header.Clone(), Hidden: x.h.hidden,
	}
	if x.request.Query != "" {
		w.URI += "?" + x.request.Query
	}
	if x.r.TLS != nil {
		w.ServerName = x.r.TLS.ServerName
	}
	w.Local, _ = x.r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return w
}

// headOnly reports whether the request was refused before its body was read. What
// is skipped has been received, and is not there.
func (x *exchange) headOnly() bool {
	return !x.body.whole || x.body.buffer == nil && x.r.ContentLength != 0
}

// keepable is the request in the form in which it is kept.
func keepable(r *webhook.Request, masked map[string]bool, whole *delivery.Whole, headOnly bool) *delivery.Request {
	if headOnly {
		whole = nil
	}
	if whole != nil {
		whole.Body = r.Body
	}
	return &delivery.Request{Method: r.Method, Path: r.Path, Header: r.Header, Masked: masked, Whole: whole}
}

// again is the request once more, as Caddy's server would hand it over.
func again(ctx context.Context, w *delivery.Whole) (*http.Request, error) {
	address, err := url.ParseRequestURI(w.URI)
	if err != nil {
		return nil, err
	}
	if w.Local != nil {
		ctx = context.WithValue(ctx, http.LocalAddrContextKey, w.Local)
	}
	r, err := http.NewRequestWithContext(ctx, w.Method, "/", bytes.NewReader(w.Body))
	if err != nil {
		return nil, err
	}
	r.URL, r.RequestURI, r.Host, r.RemoteAddr = address, w.URI, w.Host, w.Remote
	r.GetBody = nil // what a server receives cannot be read anew
	r.Proto = w.Proto
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(w.Proto)
	r.Header = http.Header(w.Header).Clone()
	if w.Secure {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: w.ServerName}
	}
	return r, nil
}

// shown is a delivery with what may be seen of its body.
func (a *App) shown(kept delivery.Kept) json.RawMessage {
	if a.Recent == nil || !a.Recent.Bodies {
		return kept.Text
	}
	add := func(name string, value []byte) json.RawMessage {
		text := bytes.TrimSuffix(kept.Text, []byte("}"))
		return fmt.Appendf(slices.Clip(text), `,%q:%s}`, name, value)
	}
	if kept.Whole == nil {
		return add("body_withheld", quoted(notWhole))
	}
	kept.Text = add("replayable", []byte("true"))
	hidden := kept.Whole.Hidden
	hidden.JSON = slices.Concat(hidden.JSON, a.redact)
	body, err := hidden.Redact(kept.Whole.Body)
	switch {
	case err != nil:
		return add("body_withheld", quoted(err.Error()))
	case !utf8.Valid(body):
		return add("body_base64", quoted(base64.StdEncoding.EncodeToString(body)))
	default:
		return add("body", quoted(string(body)))
	}
}

// notWhole is why a body is not there.
var notWhole = fmt.Sprintf("it was not read whole, is larger than %d KiB, was sent while bodies were off, or has made room for newer ones", delivery.MaxWhole>>10)

// quoted is a text in JSON, in which what a terminal or a reader could take for
// something else is escaped.
func quoted(text string) []byte {
	plain, err := json.Marshal(text)
	if err != nil {
		return []byte(`""`) // which no text leads to
	}
	var b []byte
	for _, r := range string(plain) {
		switch high, low := utf16.EncodeRune(r); {
		case r < utf8.RuneSelf || unicode.IsPrint(r):
			b = utf8.AppendRune(b, r)
		case high != unicode.ReplacementChar:
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

// serverName is the name of Caddy's server that handles a request.
func serverName(r *http.Request) string {
	server, _ := r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if server == nil {
		return ""
	}
	return server.Name()
}

// asReceived is a kept delivery as a diagnosis sees it, at an endpoint as it is now.
func (s *settings) asReceived(w *delivery.Whole) webhook.Request {
	path, query, _ := strings.Cut(w.URI, "?")
	return webhook.Request{
		Method: w.Method, URL: cmp.Or(s.publicURL, w.Base) + w.URI, Path: path, Query: query,
		Header: http.Header(w.Header).Clone(), Body: w.Body,
	}
}
