package console

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// marker is the header field that the page sends with what changes something: a
// browser lets no other site set it unasked.
const marker = "Hookpass-Console"

// permit tells why a request is not answered; nil if it is.
func permit(r *http.Request) error {
	if !authenticated(r) {
		if err := private(r); err != nil {
			return err
		}
	}
	return ours(r)
}

// authenticated tells whether a handler in front knows the user.
func authenticated(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	user, _ := repl.GetString("http.auth.user.id")
	return user != ""
}

const elsewhere = ": open it on this machine, as http://localhost and the port, or through ssh -L or kubectl port-forward; " +
	"or have Caddy authenticate users, with basic_auth beside webhook_console"

var (
	errNotLoopback = errors.New("the console answers without authentication to this machine alone" + elsewhere)
	errProxied     = errors.New("the console answers without authentication to nobody behind a proxy, which may let anybody in" + elsewhere)
	errHost        = errors.New("the console answers without authentication to requests for localhost, 127.0.0.1 and [::1] alone" + elsewhere)
	errOtherSite   = errors.New("the console takes this from its own page alone: another site may have caused the request")
)

// private tells why a request may not be that of somebody at this machine.
func private(r *http.Request) error {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok || !loopback(local.String()) || !loopback(r.RemoteAddr) {
		return errNotLoopback
	}
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || name == "X-Real-Ip" || strings.HasPrefix(name, "X-Forwarded-") {
			return errProxied
		}
	}
	// A name of somebody else's may resolve to this machine, and the browser then
	// takes that site's scripts for ours.
	switch host := (&url.URL{Host: r.Host}).Hostname(); host {
	case "localhost", "127.0.0.1", "::1":
		return nil
	default:
		return errHost
	}
}

func loopback(address string) bool {
	parsed, err := netip.ParseAddrPort(address)
	return err == nil && parsed.Addr().Unmap().IsLoopback()
}

// ours tells why a request may not be that of the page. What only looks may also
// come from no page at all, such as from curl.
func ours(r *http.Request) error {
	site := r.Header.Get("Sec-Fetch-Site")
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		if strings.HasPrefix(r.URL.Path, "/webhooks/") && site != "" && site != "same-origin" && site != "none" {
			return errOtherSite
		}
		return nil
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	same := err == nil && origin.Host != "" && origin.Host == r.Host
	if site != "" { // browsers leave it out where there is no TLS
		same = site == "same-origin"
	}
	if !same || r.Header.Get(marker) != "1" {
		return errOtherSite
	}
	return nil
}
