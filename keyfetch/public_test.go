package keyfetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestPublicAddresses(t *testing.T) {
	for want, addresses := range map[bool]string{
		true: "8.8.8.8 52.94.236.248 1.1.1.1 172.15.255.255 172.32.0.0 100.63.255.255 100.128.0.0 2606:4700::1111 2a00:1450:4001::200e " +
			"::ffff:8.8.8.8 64:ff9b::808:808",
		false: "127.0.0.1 127.8.9.10 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 100.127.255.255 " +
			"192.0.0.8 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 " +
			":: ::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::127.0.0.1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1 " +
			"64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1:: 2001::1 2001:db8::1 3fff::1 100::1 4000::1",
	} {
		for text := range strings.FieldsSeq(addresses) {
			if got := public(netip.MustParseAddr(text)); got != want {
				t.Errorf("%s is public: %v, want %v", text, got, want)
			}
		}
	}
}

// nameServer answers questions for addresses of IPv4 with those that the name has,
// the first question with the first of them, and so on.
func nameServer(t *testing.T, names map[string][]string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	asked := map[string]int{}
	go func() {
		for packet := make([]byte, 512); ; {
			n, from, err := socket.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(packet[:n]); err != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			q := m.Questions[0]
			if texts := names[strings.TrimSuffix(q.Name.String(), ".")]; q.Type == dnsmessage.TypeA && len(texts) > 0 {
				text := texts[min(asked[q.Name.String()], len(texts)-1)]
				asked[q.Name.String()]++
				for one := range strings.FieldsSeq(text) {
					m.Answers = append(m.Answers, dnsmessage.Resource{
						Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
						Body:   &dnsmessage.AResource{A: netip.MustParseAddr(one).As4()},
					})
				}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = socket.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

// What a name leads to counts, and not how it is written.
func TestNothingInsideIsAskedForKeys(t *testing.T) {
	var connections atomic.Int64
	inside := httptest.NewUnstartedServer(serve("{}"))
	inside.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	inside.StartTLS()
	t.Cleanup(inside.Close)
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	resolver := nameServer(t, map[string][]string{
		"inside.example.com":  {"127.0.0.1"},
		"several.example.com": {"127.0.0.1 10.0.0.1 169.254.169.254"},
		"later.example.com":   {"192.168.0.1", "127.0.0.1"},
	})
	var failures []error
	cache := New(newOutbound(resolver), nil)
	cache.Failed = func(err error) { failures = append(failures, err) }
	for i, host := range []string{
		"inside.example.com", "several.example.com", "later.example.com", "later.example.com", "127.0.0.1", "127.1", "0", "0.0.0.0",
		"localhost", "LOCALHOST", "localhost.", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "0x7f000001", "2130706433", "017700000001", "127.0.0.1.",
	} {
		failures = nil
		address := fmt.Sprintf("https://%s:%s/%d", host, port, i)
		if _, err := cache.Keys(Request{URL: address}, ""); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: %v", host, err)
		}
		if err := cache.Visit(address); !errors.Is(err, ErrVisit) {
			t.Errorf("visiting %s: %v", host, err)
		}
		if len(failures) != 1 || strings.HasSuffix(host, "example.com") && !errors.Is(failures[0], errNotPublic) {
			t.Errorf("%s failed for another cause: %v", host, failures)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

// The proxy may be inside, and the names are its to resolve.
func TestTheProxyOfTheEnvironmentIsAsked(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	address, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	out := newOutbound(nil).(outbound)
	out.proxied.Proxy = http.ProxyURL(address)
	if err := New(out, nil).Visit("https://keys.example.com/"); !errors.Is(err, ErrVisit) {
		t.Error(err)
	}
	if want := "CONNECT keys.example.com:443"; len(asked) != 1 || asked[0] != want {
		t.Errorf("the proxy was asked %q, want %q", asked, want)
	}
	out.proxied.Proxy = func(*http.Request) (*url.URL, error) { return nil, errors.New("http://user:hunter2@") }
	if err := New(out, nil).Visit("https://keys.example.com/"); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a proxy that is none: %v", err)
	}
}
