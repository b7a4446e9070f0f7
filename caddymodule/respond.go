package caddymodule

import (
	"errors"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/hookpass/hookpass/webhook"
)

// retryAfter is when a sender may come again, in seconds: by then most copies
// in flight have ended.
const retryAfter = "2"

// error answers with a status and one generic sentence of ours, or leaves the
// answer to the site's handle_errors.
func (x *exchange) error(status int, says string) error {
	switch status {
	case http.StatusServiceUnavailable:
		x.w.Header().Set("Retry-After", retryAfter)
	case http.StatusUnauthorized:
		if x.h.settings.scheme.Type == webhook.TypeBasic {
			// Some senders show their credentials only when asked (RFC 7617, section 2).
			x.w.Header().Set("WWW-Authenticate", `Basic realm="webhooks", charset="UTF-8"`)
		}
	case http.StatusMethodNotAllowed:
		x.w.Header().Set("Allow", http.MethodPost)
	}
	within := x.arrived.Add(x.h.settings.read)
	if !x.body.whole && x.r.ProtoMajor == 1 && x.r.ContentLength != 0 && !x.body.skip(x.w, x.r, within) {
		// Else net/http reads on before it answers, as it does not know Caddy's
		// wrapper of the body (golang.org/issue/15527): a forger who sends no
		// more could hold back the answer, and one who asked first ("Expect:
		// 100-continue") would be told to go on.
		x.w.Header().Set("Connection", "close")
		setReadDeadline(x.w, within)
	}
	if failure := x.siteHandles(status, says); failure != nil {
		return failure
	}
	if x.h.settings.emptyRefusal {
		return x.write(&webhook.Reply{Status: status})
	}
	return x.writeJSON(status, `{"error":"`+says+`"}`)
}

func (x *exchange) writeJSON(status int, text string) error {
	return x.write(&webhook.Reply{Status: status, Header: map[string]string{"Content-Type": "application/json"}, Body: text})
}

// siteHandles returns the error for handle_errors of this site, or nil if it takes
// none such. The server's error routes are those of all its sites, so they are
// asked.
func (x *exchange) siteHandles(status int, says string) error {
	server, ok := x.r.Context().Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || server.Errors == nil {
		return nil
	}
	failure := caddyhttp.Error(status, errors.New(says))
	r := server.Errors.WithError(x.r, failure)
	for _, route := range server.Errors.Routes {
		if matched, err := route.MatcherSets.AnyMatchWithError(r); err == nil && matched {
			return failure
		}
	}
	return nil
}

func (x *exchange) write(reply *webhook.Reply) error {
	header := x.w.Header()
	header.Set("X-Content-Type-Options", "nosniff") // a handshake's answer is the sender's text
	for name, value := range reply.Header {
		if httpguts.ValidHeaderFieldValue(value) {
			header.Set(name, value)
		}
	}
	x.w.WriteHeader(reply.Status)
	_, err := io.WriteString(x.w, reply.Body)
	return err
}
