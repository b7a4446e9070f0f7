package hookpass_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hookpass/hookpass/internal/programs"
)

// setup is a machine on which somebody follows docs/handshakes.md.
type setup struct {
	*testing.T
	dir     string // in the place of /etc/hookpass and /var/log/hookpass
	address string // of the site
	replace *strings.Replacer
	log     *bytes.Buffer // what hookpass itself writes
	end     func()
	handled *[]string              // bodies that the application got
	meet    atomic.Pointer[func()] // what the application does with each, if anything
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// newSetup starts hookpass with no site yet.
func newSetup(t *testing.T) *setup {
	t.Helper()
	return newSetupOf(t, func(to string) { output(t, "go", "build", "-o", to, "./cmd/hookpass") })
}

// newSetupOf starts the binary that build makes.
func newSetupOf(t *testing.T, build func(to string)) *setup {
	t.Helper()
	s := &setup{T: t, dir: t.TempDir(), log: new(bytes.Buffer), handled: new([]string)}
	build(filepath.Join(s.dir, "hookpass"))
	var handling sync.Mutex
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if meet := s.meet.Load(); meet != nil {
			(*meet)()
		}
		handling.Lock()
		defer handling.Unlock()
		*s.handled = append(*s.handled, string(body))
	}))
	t.Cleanup(app.Close)
	site, listener, admin := freePort(t), freePort(t), freePort(t)
	s.address = "http://localhost:" + site
	s.replace = strings.NewReplacer("/etc/hookpass", s.dir, "/var/log/hookpass", s.dir, ":8080", ":"+site,
		"hookpass listen notion", "hookpass listen notion --address localhost:"+listener, "localhost:9099", "localhost:"+listener,
		"localhost:3000", app.Listener.Addr().String(), "ADMIN", "localhost:"+admin)
	s.configure("")
	command := exec.Command(filepath.Join(s.dir, "hookpass"), "run", "--config", filepath.Join(s.dir, "Caddyfile"))
	command.Stdout, command.Stderr = s.log, s.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	s.end = func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
	}
	t.Cleanup(s.end)
	s.await(admin)
	return s
}

func (s *setup) await(port string) {
	s.Helper()
	for !listens(s.Context(), port) {
		if s.Context().Err() != nil {
			s.Fatalf("nothing listens on %s\n%s", port, s.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// configure writes a Caddyfile of the page.
func (s *setup) configure(text string) {
	s.Helper()
	options := "{\n\tadmin ADMIN\n\tpersist_config off\n\twebhooks {\n\t\tdelivery_log {\n\t\t\toutput file /var/log/hookpass/deliveries.log\n\t\t}\n\t}\n"
	text, has := strings.CutPrefix(text, "{\n") // options of its own
	if !has {
		options += "}\n"
	}
	if err := os.WriteFile(filepath.Join(s.dir, "Caddyfile"), []byte(s.replace.Replace(options+text)), 0o600); err != nil {
		s.Fatal(err)
	}
}

// sh returns a command of the page, with what it writes besides.
func (s *setup) sh(text string) (*exec.Cmd, *bytes.Buffer) {
	programs.Need(s, "curl", "openssl")
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	s.Cleanup(cancel)
	command, output := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", s.replace.Replace(text)), new(bytes.Buffer)
	command.Env = append(os.Environ(), "PATH="+s.dir+":"+os.Getenv("PATH"))
	command.Stdout, command.Stderr = output, output
	return command, output
}

func (s *setup) run(text string) {
	s.Helper()
	command, output := s.sh(text)
	if err := command.Run(); err != nil {
		s.Fatalf("%s: %v\n%s\n%s", text, err, output, s.log)
	}
}

// reload returns once the configuration before no longer listens: until then, the
// kernel shares connections between the two.
func (s *setup) reload() {
	s.Helper()
	s.run("hookpass reload --force --config /etc/hookpass/Caddyfile")
	port, err := strconv.ParseUint(s.address[strings.LastIndexByte(s.address, ':')+1:], 10, 16)
	if err != nil {
		s.Fatal(err)
	}
	listener := regexp.MustCompile(fmt.Sprintf("(?m)^ *[0-9]+: [0-9A-F]+:%04X [0:]+ 0A ", port))
	for sockets, err := os.ReadFile("/proc/net/tcp6"); err == nil && len(listener.FindAll(sockets, -1)) > 1; sockets, err = os.ReadFile("/proc/net/tcp6") {
		time.Sleep(10 * time.Millisecond)
	}
}

// post wants the status, and returns the answer's header.
func (s *setup) post(status int, path, body string, header ...string) http.Header {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.address+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Close = true // a reload would close a connection that is kept
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	if answer.StatusCode != status {
		s.Errorf("answered %s, want %d", answer.Status, status)
	}
	if err := answer.Body.Close(); err != nil {
		s.Error(err)
	}
	return answer.Header
}

func signature(secret, body string) string {
	digest := hmac.New(sha256.New, []byte(secret))
	digest.Write([]byte(body))
	return hex.EncodeToString(digest.Sum(nil))
}

// tellsNobody fails the test if a log has one of the secrets.
func (s *setup) tellsNobody(secrets ...string) {
	s.Helper()
	s.end() // writes what is queued
	text := s.log.String()
	logs, err := filepath.Glob(filepath.Join(s.dir, "*.log"))
	if err != nil || len(logs) == 0 {
		s.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, path := range logs {
		log, err := os.ReadFile(path)
		if err != nil || len(log) == 0 {
			s.Errorf("%s: %d bytes, %v", path, len(log), err)
		}
		text += string(log)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			s.Errorf("a log has %s", secret)
		}
	}
}

const (
	asanaSecret = "b537207f20cbfa02357cf448134da559"
	notionToken = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
	planted     = "secret_planted"
)

// What a newcomer is told to do is done here, and what a stranger may try.
func TestHandshakesPage(t *testing.T) {
	page := map[string][]string{}
	for _, b := range blocks(t, "docs/handshakes.md") {
		page[b.language] = append(page[b.language], b.text)
	}
	s := newSetup(t)
	s.asana(page["caddyfile"][1:3], page["sh"][0])
	s.notion(page["caddyfile"][3:5], page["sh"][1])
	s.configure(page["caddyfile"][5])
	s.reload()
	if code := s.post(200, "/webhooks/vercel", "{}").Get("X-Vercel-Verify"); !strings.Contains(page["caddyfile"][5], "x-vercel-verify "+code+"\n") {
		t.Errorf("the code is %q", code)
	}
	s.tellsNobody(asanaSecret, notionToken, planted)
}

func (s *setup) asana(caddyfiles []string, command string) {
	const events = `{"events":[]}`
	s.configure(caddyfiles[0])
	s.run(command)
	if got := s.post(200, "/webhooks/asana", "{}", "X-Hook-Secret", asanaSecret).Get("X-Hook-Secret"); got != asanaSecret {
		s.Errorf("it gave back %q", got)
	}
	s.post(401, "/webhooks/asana", events, "X-Hook-Signature", signature(asanaSecret, events))

	if err := os.WriteFile(filepath.Join(s.dir, "asana-secret"), []byte(asanaSecret+"\n"), 0o600); err != nil {
		s.Fatal(err)
	}
	s.configure(caddyfiles[1]) // with an access log
	s.reload()
	s.post(200, "/webhooks/asana", events, "X-Hook-Signature", signature(asanaSecret, events))
	s.post(200, "/webhooks/asana", "{}", "X-Hook-Secret", planted)
	s.post(401, "/webhooks/asana", events, "X-Hook-Signature", signature(planted, events))
	if len(*s.handled) != 1 {
		s.Errorf("the application got %q", *s.handled)
	}
}

func (s *setup) notion(caddyfiles []string, command string) {
	const event = `{"id":"1","type":"page.created"}`
	s.configure(caddyfiles[0])
	s.reload()
	listening, output := s.sh(command)
	if err := listening.Start(); err != nil {
		s.Fatal(err)
	}
	s.await(strings.TrimPrefix(s.replace.Replace("localhost:9099"), "localhost:"))
	s.post(503, "/webhooks/notion", event)
	s.post(200, "/webhooks/notion", `{"verification_token":"`+notionToken+`"}`)
	if err := listening.Wait(); err != nil {
		s.Fatalf("%v\n%s", err, output)
	}
	kept := func() {
		s.Helper()
		file := filepath.Join(s.dir, "notion-token")
		text, err := os.ReadFile(file)
		if err != nil || string(text) != notionToken+"\n" {
			s.Errorf("the file has %q, %v", text, err)
		}
		if about, err := os.Stat(file); err != nil || about.Mode() != 0o600 {
			s.Errorf("the file is %v, %v", about, err)
		}
	}
	kept()
	s.post(502, "/webhooks/notion", `{"verification_token":"`+planted+`"}`) // nobody listens

	s.configure(caddyfiles[1])
	s.reload()
	s.post(200, "/webhooks/notion", event, "X-Notion-Signature", "sha256="+signature(notionToken, event))
	s.post(401, "/webhooks/notion", `{"verification_token":"`+planted+`"}`)
	s.post(401, "/webhooks/notion", event, "X-Notion-Signature", "sha256="+signature(planted, event))
	kept()
	if len(*s.handled) != 2 || (*s.handled)[1] != event {
		s.Errorf("the application got %q", *s.handled)
	}
}
