package keyfetch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// errNotPublic is returned for an address inside, where nobody publishes keys.
var errNotPublic = errors.New("not a public address")

// special are the networks within IPv4 and the global unicast of IPv6 that do not
// lead to a host of the internet, or lead to one of IPv4 by the grace of a relay:
// IANA's special-purpose registries, without those that [netip.Addr] knows.
var special = func() (networks []netip.Prefix) {
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
	} {
		networks = append(networks, netip.MustParsePrefix(text))
	}
	return networks
}()

var (
	global = netip.MustParsePrefix("2000::/3")
	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the rest is an address of IPv4
)

func public(a netip.Addr) bool {
	a = a.Unmap()
	if nat64.Contains(a) {
		bytes := a.As16()
		a = netip.AddrFrom4([4]byte(bytes[12:]))
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && !global.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(special, func(n netip.Prefix) bool { return n.Contains(a) })
}

// publicOnly is asked before every connection, with the address that the name has
// been resolved to: what a name server says later changes nothing.
func publicOnly(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotPublic, err)
	}
	if !public(to.Addr()) {
		return fmt.Errorf("%w: the name leads to %s", errNotPublic, to.Addr())
	}
	return nil
}

// outbound goes to public addresses alone, or to the proxy that the environment
// names, which may well be inside, and decides by itself where it leads.
type outbound struct{ direct, proxied *http.Transport }

func newOutbound(resolver *net.Resolver) http.RoundTripper {
	shared := http.DefaultTransport.(*http.Transport).Clone()
	shared.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	shared.MaxResponseHeaderBytes = maxSize
	o := outbound{shared.Clone(), shared}
	o.direct.Proxy = nil
	o.direct.DialContext = (&net.Dialer{Timeout: timeout, Control: publicOnly, Resolver: resolver}).DialContext
	return o
}

// RoundTrip implements [http.RoundTripper].
func (o outbound) RoundTrip(r *http.Request) (*http.Response, error) {
	proxy, err := o.proxied.Proxy(r)
	switch {
	case err != nil:
		return nil, errors.New("the environment names a proxy that is none") // the text may hold its password
	case proxy != (*url.URL)(nil):
		return o.proxied.RoundTrip(r)
	default:
		return o.direct.RoundTrip(r)
	}
}
