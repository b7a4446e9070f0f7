package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/webhook"
)

const testSecret = "hunter2-test-secret"

// application is what stands behind hookpass: it records what reaches it.
type application struct {
	*httptest.Server
	mu      sync.Mutex
	arrived []arrival
	answer  func(w http.ResponseWriter, r *http.Request)
}

type arrival struct {
	header http.Header
	body   string
	host   string
	length int64
	coding []string
}

// newApplication answers 200 until told otherwise.
func newApplication(t *testing.T) *application {
	a := &application{answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "handled") }}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = append(body, []byte(" BROKEN: "+err.Error())...)
		}
		a.mu.Lock()
		a.arrived = append(a.arrived, arrival{r.Header.Clone(), string(body), r.Host, r.ContentLength, r.TransferEncoding})
		answer := a.answer
		a.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *application) answers(f func(w http.ResponseWriter, r *http.Request)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

func (a *application) status(status int) {
	a.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func (a *application) calls() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]arrival(nil), a.arrived...)
}

// gate is a running Caddy with a site of ours.
type gate struct {
	*testing.T
	address string
	log     *logFile
	options string // further lines of the global option webhooks

	unforced bool // an unchanged configuration is not loaded
}

// caddyLog is the file of the log that is not of deliveries.
func (g *gate) caddyLog() string { return g.log.path + ".caddy" }

func (g *gate) url(path string) string { return "http://" + g.address + path }

// serve runs Caddy with the directives on a free port. APP stands for the
// application's address.
func serve(t *testing.T, app *application, directives string) *gate {
	t.Helper()
	g := &gate{T: t, address: freeAddress(t), log: newLogFile(t)}
	g.load(app, directives)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// load makes the directives the running configuration, as a reload does.
func (g *gate) load(app *application, directives string) {
	g.Helper()
	if err := g.tryLoad(app, directives); err != nil {
		g.Fatal(err)
	}
}

func (g *gate) tryLoad(app *application, directives string) error {
	g.Helper()
	config, err := g.config(app, directives)
	if err != nil {
		return err
	}
	err = caddy.Load(config, !g.unforced)
	g.awaitHandover()
	return err
}

func (g *gate) config(app *application, directives string) ([]byte, error) {
	site := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\twebhooks {\n\t\tdelivery_log {\n\t\t\toutput file %s\n\t\t}\n%s\n\t}\n\tlog {\n\t\toutput file %s\n\t}\n}\nhttp://%s {\n%s\n}\n", g.log.path, g.options, g.caddyLog(), g.address, directives)
	if app != nil {
		site = strings.ReplaceAll(site, "APP", app.Listener.Addr().String())
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(site), map[string]any{"filename": "Caddyfile"})
	return config, err
}

// awaitHandover waits until the listener of the configuration before, or of one that
// failed, is closed: a reload returns earlier, and until then the kernel shares connections
// between the two, and resets those that the old one did not accept.
func (g *gate) awaitHandover() {
	g.Helper()
	_, port, err := net.SplitHostPort(g.address)
	if err != nil {
		g.Fatal(err)
	}
	for listening(g.T, port) > 1 {
		runtime.Gosched()
	}
}

// listening counts the sockets that listen on the port, as Linux tells it.
func listening(t *testing.T, port string) int {
	t.Helper()
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		return 1
	}
	listener := regexp.MustCompile(fmt.Sprintf("(?m)^ *[0-9]+: [0-9A-F]+:%04X [0:]+ 0A ", n))
	return len(listener.FindAll(append(readFile(t, "/proc/net/tcp"), readFile(t, "/proc/net/tcp6")...), -1))
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// event is a delivery to be sent: signed for a provider, then perhaps spoilt.
type event struct {
	provider  string // default: saltare
	secret    string // default: testSecret
	id, event string
	body      string
	at        time.Time // default: now
	spoil     func(*http.Request)
}

// signedRequest carries the event, signed with the scheme in the catalogue.
func signedRequest(tb testing.TB, url string, e event) *http.Request {
	tb.Helper()
	if e.provider == "" {
		e.provider = "saltare"
	}
	if e.secret == "" {
		e.secret = testSecret
	}
	if e.at.IsZero() {
		e.at = time.Now()
	}
	if e.body == "" {
		e.body = fmt.Sprintf(`{"event":%q,"delivery_id":%q}`, e.event, e.id)
	}
	provider, err := catalog.Lookup(e.provider)
	if err != nil {
		tb.Fatal(err)
	}
	secret, err := webhook.ParseSecret("", e.secret, provider.Scheme.Key)
	if err != nil {
		tb.Fatal(err)
	}
	signer, err := webhook.NewSigner(provider.Scheme, secret, nil)
	if err != nil {
		tb.Fatal(err)
	}
	head := &webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(e.body)}
	if err := signer.Sign(head, e.id, e.event, e.at); err != nil {
		tb.Fatal(err)
	}
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, url, strings.NewReader(e.body))
	if err != nil {
		tb.Fatal(err)
	}
	maps.Copy(r.Header, head.Header)
	if e.spoil != nil {
		e.spoil(r)
	}
	return r
}

func (g *gate) request(path string, e event) *http.Request {
	g.Helper()
	return signedRequest(g, g.url(path), e)
}

type answer struct {
	status int
	body   string
	header http.Header
}

func (g *gate) send(path string, e event) answer {
	g.Helper()
	return g.do(g.request(path, e))
}

// client opens a connection for each request: one that is kept would be closed
// under it by a reload.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (g *gate) do(r *http.Request) answer {
	g.Helper()
	resp, err := client.Do(r)
	if err != nil {
		g.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		g.Fatal(err)
	}
	return answer{resp.StatusCode, string(body), resp.Header}
}

// wants fails the test unless the answer is as said.
func (a answer) wants(t testing.TB, status int, body string) {
	t.Helper()
	if a.status != status || a.body != body {
		t.Errorf("answered %d %q, want %d %q", a.status, a.body, status, body)
	}
}

// givesBack waits until no bytes of bodies are held any more, which is behind the
// answers.
func givesBack(t *testing.T) {
	t.Helper()
	held := buffers.used.Load()
	for deadline := time.Now().Add(time.Minute); held != 0 && time.Now().Before(deadline); held = buffers.used.Load() {
		runtime.Gosched()
	}
	if held != 0 {
		t.Errorf("%d bytes are still held", held)
	}
}

// logFile is a delivery log that can be read while it is written.
type logFile struct{ path string }

func newLogFile(t *testing.T) *logFile {
	return &logFile{t.TempDir() + "/deliveries.log"}
}

// lines stops Caddy, which writes what is queued, and returns all lines.
func (g *gate) lines() []map[string]any {
	g.Helper()
	if err := caddy.Stop(); err != nil {
		g.Fatal(err)
	}
	text := readFile(g.T, g.log.path)
	var lines []map[string]any
	for line := range bytes.Lines(text) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			g.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, fields)
	}
	return lines
}
