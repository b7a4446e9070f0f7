//go:build unix

package caddymodule

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/net/dns/dnsmessage"
)

// fillDisk has no file of this process grow past the size until it is called again.
func fillDisk(t *testing.T, size uint64) (empty func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	set := func(limit syscall.Rlimit) {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			t.Fatal(err)
		}
	}
	empty = func() { set(before) }
	t.Cleanup(empty)
	set(syscall.Rlimit{Cur: size, Max: before.Max})
	return empty
}

// eventually waits for what happens soon, and needs no more than time.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("in vain: ", what)
		}
	}
}

// The log and the journal lose what the disk does not take, deliveries nothing; and
// once there is room, both go on, the journal with what it lacks.
func TestAFullDiskCostsNoDelivery(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dedup")
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = journalOption(dir)
	g.load(app, saltareSite)
	logged := func(id string) func() bool {
		return func() bool { return bytes.Contains(readFile(t, g.log.path), []byte(`"`+id+`"`)) }
	}
	lost := func() float64 { return gather(t, droppedLines)["caddy_webhook_log_lines_dropped_total"] }
	g.send("/", event{id: "before"}).wants(t, 200, "handled")
	eventually(t, "the first line", logged("before"))

	empty := fillDisk(t, uint64(len(readFile(t, g.log.path)))+20)
	const deliveries = 20 // more than the journal has room for
	for i := range deliveries {
		g.send("/", event{id: fmt.Sprint("during-", i)}).wants(t, 200, "handled")
		g.send("/", event{id: fmt.Sprint("during-", i)}).wants(t, 200, duplicateBody)
	}
	eventually(t, "lines are counted as lost", func() bool { return lost() == 2*deliveries })
	if n := gather(t, storeMetrics{})["journal_errors_total"]; n == 0 {
		t.Error("no errors of the journal are counted")
	}

	empty()
	g.send("/", event{id: "after"}).wants(t, 200, "handled")
	eventually(t, "the log goes on", logged("after"))
	eventually(t, "the journal is whole", func() bool {
		return bytes.Contains(readFile(t, g.caddyLog()), []byte("the journal is kept again, and complete"))
	})
	if n := lost(); n != 2*deliveries {
		t.Errorf("%v lines are lost, want %d", n, 2*deliveries)
	}
	var whole []string
	for line := range bytes.Lines(readFile(t, g.log.path)) {
		var fields struct {
			ID string `json:"delivery_id"`
		}
		if json.Unmarshal(line, &fields) == nil {
			whole = append(whole, fields.ID)
		}
	}
	if got := strings.Join(whole, " "); got != "before after" {
		t.Errorf("of the log %q is whole", got)
	}

	t.Run("through a restart", func(t *testing.T) {
		again := serve(t, app, "respond 500")
		again.options = journalOption(dir)
		again.load(app, saltareSite)
		for _, id := range []string{"before", "during-0", fmt.Sprint("during-", deliveries-1), "after"} {
			again.send("/", event{id: id}).wants(t, 200, duplicateBody)
		}
	})
}

// names is a name server that knows every name, and fails as it is told to.
type names struct {
	address string
	fails   atomic.Uint32 // with this code
}

func startNames(t *testing.T) *names {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	n := &names{address: socket.LocalAddr().String()}
	go func() {
		for packet := make([]byte, 512); ; {
			size, from, err := socket.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if err := m.Unpack(packet[:size]); err != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response, m.Additionals = true, nil
			m.RCode = dnsmessage.RCode(n.fails.Load())
			if q := m.Questions[0]; m.RCode == dnsmessage.RCodeSuccess && q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr("127.0.0.1").As4()},
				}}
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = socket.WriteTo(answer, from)
			}
		}
	}()
	return n
}

var nameFailures = map[string]dnsmessage.RCode{
	"the name is gone":        dnsmessage.RCodeNameError,
	"the name server fails":   dnsmessage.RCodeServerFailure,
	"the name server refuses": dnsmessage.RCodeRefused,
}

// While the application's name leads nowhere, nothing is handled, and nothing
// remembered.
func TestTheApplicationsNameIsGone(t *testing.T) {
	names := startNames(t)
	app := newApplication(t)
	_, port, err := net.SplitHostPort(app.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	g := serve(t, app, `
	verify_webhook saltare `+testSecret+`
	reverse_proxy app.example.com:`+port+` {
		transport http {
			resolvers `+names.address+`
			keepalive off
		}
	}
`)
	for name, code := range nameFailures {
		names.fails.Store(uint32(code))
		if a := g.send("/", event{id: name}); a.status != http.StatusBadGateway {
			t.Errorf("%s: answered %d", name, a.status)
		}
		if text := readFile(t, g.caddyLog()); !bytes.Contains(text, []byte("lookup app.example.com")) {
			t.Errorf("%s: the log does not name the cause: %s", name, text)
		}
		names.fails.Store(0)
		g.send("/", event{id: name}).wants(t, 200, "handled")
		g.send("/", event{id: name}).wants(t, 200, duplicateBody)
	}
	for i, line := range g.lines() {
		if want := []string{"failed", "forwarded", "duplicate"}[i%3]; line["verdict"] != want {
			t.Errorf("line %d: %v, want %s", i, line, want)
		}
	}
}

// Nothing listens where the application was, until it does again.
func TestTheApplicationRefusesConnections(t *testing.T) {
	app := newApplication(t)
	address := app.Listener.Addr().String()
	g := serve(t, app, saltareSite)
	app.Close()
	for range 3 {
		if a := g.send("/", event{id: "1"}); a.status != http.StatusBadGateway {
			t.Errorf("answered %d", a.status)
		}
	}
	if text := readFile(t, g.caddyLog()); !bytes.Contains(text, []byte("connection refused")) {
		t.Errorf("the log does not name the cause: %s", text)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	back := newApplication(t)
	server := &http.Server{Handler: back.Config.Handler, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
}

// While the name of whoever publishes the keys leads nowhere, nobody is taken on
// trust: senders are to come again, and pass then.
func TestTheNameOfPublishedKeysIsGone(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	source := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKey{Key: public})
	}))
	t.Cleanup(source.Close)
	_, port, err := net.SplitHostPort(source.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	names := startNames(t)
	transport := source.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Resolver: &net.Resolver{
		PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", names.address)
		},
	}}).DialContext
	var passed atomic.Int64
	before, began := publishedKeys, time.Now()
	publishedKeys = newKeySource(transport, func() time.Time { return began.Add(time.Duration(passed.Load())) })
	defer func() { publishedKeys = before }()

	app := newApplication(t)
	g := serve(t, app, `
	verify_webhook {
		name fetched
		scheme ed25519 {
			key public
			keys https://keys.example.com:`+port+`/{key_id}
			key_id header X-Key
			signature header X-Sig
			encoding hex
			signed {body}
		}
		dedup off
	}
	reverse_proxy APP
`)
	post := func(body string) answer {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url("/"), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Key", "k-1")
		r.Header.Set("X-Sig", hex.EncodeToString(ed25519.Sign(private, []byte("{}"))))
		return g.do(r)
	}
	for name, code := range nameFailures {
		names.fails.Store(uint32(code))
		for _, body := range []string{"{}", "forged"} {
			a := post(body)
			a.wants(t, 503, `{"error":"Unavailable, try again"}`)
			if a.header.Get("Retry-After") == "" {
				t.Errorf("%s: no Retry-After", name)
			}
		}
		passed.Add(int64(time.Hour)) // more than any pause
	}
	if n := len(app.calls()); n != 0 {
		t.Errorf("the application was called %d times", n)
	}
	if text := readFile(t, g.caddyLog()); !bytes.Contains(text, []byte("lookup keys.example.com")) {
		t.Errorf("the log does not name the cause: %s", text)
	}
	names.fails.Store(0)
	post("{}").wants(t, 200, "handled")
	post("forged").wants(t, 401, invalidBody)
}
