package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/internal/programs"
	"github.com/hookpass/hookpass/webhook"
)

// patience is for what happens in other processes.
const patience = time.Minute

// process is a hookpass that listens on sockets in a directory.
type process struct {
	*testing.T
	dir     string
	command *exec.Cmd
	output  output
	ended   chan struct{}
	exit    error // once ended
}

// output is what a process has written so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// socketDir is short enough for the names of sockets.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hookpass") //nolint:usetesting // the name of a socket has 107 bytes at most
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// sidecarEnvironment is a sidecar for saltare in front of the application.
func sidecarEnvironment(dir, app string, further ...string) []string {
	return append([]string{
		"HOOKPASS_PROVIDER=saltare",
		"HOOKPASS_SECRET=" + mark,
		"HOOKPASS_UPSTREAM=" + app,
		"HOOKPASS_LISTEN=unix/" + dir + "/site.sock|0600",
		"HOOKPASS_HEALTH_LISTEN=unix/" + dir + "/health.sock",
		"HOOKPASS_ADMIN=off",
	}, further...)
}

// launch starts hookpass and returns when it takes deliveries.
func launch(t *testing.T, dir string, environ []string, args ...string) *process {
	t.Helper()
	p := start(t, dir, environ, args...)
	p.await("it is ready", func() bool { return p.health() == nil })
	return p
}

func start(t *testing.T, dir string, environ []string, args ...string) *process {
	t.Helper()
	p := &process{T: t, dir: dir, ended: make(chan struct{})}
	p.command = exec.Command(os.Args[0], args...)
	p.command.Env = append([]string{"HOME=" + dir, asHookpass + "=1"}, environ...)
	p.command.Stdout, p.command.Stderr = &p.output, &p.output
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.exit = p.command.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("it wrote\n%s", p.output.String())
		}
	})
	return p
}

// await returns when what is waited for has happened.
func (p *process) await(what string, happened func() bool) {
	p.Helper()
	for deadline := time.Now().Add(patience); !happened(); time.Sleep(10 * time.Millisecond) {
		select {
		case <-p.ended:
			if !happened() {
				p.Fatalf("it ended (%v) before %s", p.exit, what)
			}
			return
		default:
		}
		if time.Now().After(deadline) {
			p.Fatalf("in a minute it was not true that %s", what)
		}
	}
}

func (p *process) signal(s os.Signal) {
	p.Helper()
	if err := p.command.Process.Signal(s); err != nil {
		p.Fatal(err)
	}
}

// health is what the command health makes of the process.
func (p *process) health() error {
	_, err := askHealth("unix/" + p.dir + "/health.sock")
	return err
}

func askHealth(address string, args ...string) (output string, err error) {
	var text bytes.Buffer
	h := &health{output: &text}
	flags := h.flags()
	if err := flags.Parse(append([]string{"--address", address}, args...)); err != nil {
		return "", err
	}
	err = h.run(context.Background())
	return text.String(), err
}

// post sends a body for saltare, signed with the secret.
func (p *process) post(path, id, secret string) (status int, answer string) {
	p.Helper()
	provider, err := catalog.Lookup("saltare")
	if err != nil {
		p.Fatal(err)
	}
	key, err := webhook.ParseSecret("", secret, provider.Scheme.Key)
	if err != nil {
		p.Fatal(err)
	}
	signer, err := webhook.NewSigner(provider.Scheme, key, nil)
	if err != nil {
		p.Fatal(err)
	}
	body := fmt.Sprintf(`{"event":"task.created","delivery_id":%q}`, id)
	signed := &webhook.Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
	if err := signer.Sign(signed, id, "task.created", time.Now()); err != nil {
		p.Fatal(err)
	}
	return p.send(path, body, signed.Header)
}

func (p *process) send(path, body string, header http.Header) (status int, answer string) {
	p.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.dir+"/site.sock")
		},
	}}
	req, err := http.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

func (p *process) wants(path, id, secret string, status int, answer string) {
	p.Helper()
	if got, text := p.post(path, id, secret); got != status || text != answer {
		p.Errorf("%s to %s is answered %d %q, want %d %q", id, path, got, text, status, answer)
	}
}

// stop ends the process as its platform does.
func (p *process) stop() {
	p.Helper()
	p.signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.Fatal("it does not end")
	}
	if p.exit != nil {
		p.Errorf("it ended with %v", p.exit)
	}
	if p.health() == nil {
		p.Error("it is healthy after its end")
	}
}

const forged = `{"error":"Invalid signature"}`

func newApplication(t *testing.T) (address string) {
	t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "handled %s %s", r.URL.Path, r.Header.Get("Hookpass-Delivery"))
	}))
	t.Cleanup(app.Close)
	return app.Listener.Addr().String()
}

func TestSidecar(t *testing.T) {
	dir := socketDir(t)
	p := launch(t, dir, sidecarEnvironment(dir, newApplication(t), "HOOKPASS_PATH=/hooks", "HOOKPASS_LOG=text"), "sidecar")
	p.wants("/hooks", "1", mark, 200, "handled /hooks 1")
	p.wants("/hooks", "1", mark, 200, duplicate)
	p.wants("/hooks/below", "2", mark, 200, "handled /hooks/below 2")
	p.wants("/hooks", "3", "another secret", 401, forged)
	p.wants("/hooksmith", "4", mark, 404, "")
	p.wants("/", "5", mark, 404, "")
	p.stop()
	text := p.output.String()
	if strings.Contains(text, mark) {
		t.Error("the log tells the secret")
	}
	if !strings.Contains(text, " forwarded saltare ") || strings.Contains(text, "{\"time\"") {
		t.Error("the log is not in text")
	}
}

// What --print-config prints is what runs, under the same environment.
func TestSidecarIsOutgrown(t *testing.T) {
	dir := socketDir(t)
	environ := sidecarEnvironment(dir, newApplication(t), "HOOKPASS_PATH=/hooks")
	printing := exec.Command(os.Args[0], "sidecar", "--print-config")
	printing.Env = append([]string{"HOME=" + dir, asHookpass + "=1"}, environ...)
	text, err := printing.Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, dir, environ, "run", "--config", file)
	p.wants("/hooks", "1", mark, 200, "handled /hooks 1")
	p.wants("/hooks", "2", "another secret", 401, forged)
	p.wants("/", "3", mark, 404, "")
	p.stop()
}

// A stop is told at once, and ends when what is in flight has been answered.
func TestSidecarDrains(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "handled late")
	}))
	defer app.Close()
	dir := socketDir(t)
	p := launch(t, dir, sidecarEnvironment(dir, app.Listener.Addr().String(), "HOOKPASS_GRACE_PERIOD=5m"), "sidecar")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		p.wants("/", "1", mark, 200, "handled late")
	}()
	select {
	case <-arrived:
	case <-time.After(patience):
		t.Fatal("nothing arrives")
	}
	p.signal(syscall.SIGTERM)
	p.await("it is not ready", func() bool { return p.health() != nil })
	if err := p.health(); !errors.Is(err, errNotReady) || !strings.HasSuffix(err.Error(), ": stopping") {
		t.Errorf("during the stop, its health is %v", err)
	}
	close(release)
	select {
	case <-answered:
	case <-time.After(patience):
		t.Fatal("the sender is not answered")
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatal("it does not end")
	}
	if p.exit != nil {
		t.Errorf("it ended with %v", p.exit)
	}
}

// A secret in a file is rolled by writing the file, and one that cannot be used
// changes nothing.
func TestSidecarFollowsItsSecrets(t *testing.T) {
	dir := socketDir(t)
	file := filepath.Join(dir, "secret")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	write(mark + "\n")
	p := launch(t, dir, sidecarEnvironment(dir, newApplication(t), "HOOKPASS_SECRET=", "HOOKPASS_SECRET_FILE="+file), "sidecar")
	p.wants("/", "1", mark, 200, "handled / 1")

	write("")
	p.await("the empty secret is told of", func() bool { return strings.Contains(p.output.String(), "HOOKPASS_SECRET_FILE: ") })
	p.wants("/", "2", mark, 200, "handled / 2")

	write(mark + "-new\n")
	p.await("the new secret is in force", func() bool {
		status, _ := p.post("/", "3", mark+"-new")
		return status == 200
	})
	p.wants("/", "4", mark, 401, forged)
	p.wants("/", "1", mark+"-new", 200, duplicate)
	p.stop()
	if text := p.output.String(); strings.Contains(text, mark) {
		t.Error("the log tells the secret")
	}
}

func TestSidecarReloadsOnSIGHUP(t *testing.T) {
	dir := socketDir(t)
	p := launch(t, dir, sidecarEnvironment(dir, newApplication(t)), "sidecar")
	p.wants("/", "1", mark, 200, "handled / 1")
	p.await("it has started", func() bool { return strings.Contains(p.output.String(), `"msg":"deliveries are taken"`) })
	p.signal(syscall.SIGHUP)
	p.await("it has reloaded", func() bool { return strings.Contains(p.output.String(), `"msg":"reloaded"`) })
	p.wants("/", "1", mark, 200, duplicate)
	p.stop()
}

// Whoever rolls a secret need not know whether hookpass has started yet. It has
// not while it reads a pipe that nobody has written to.
func TestSidecarSurvivesSIGHUPWhileStarting(t *testing.T) {
	dir := socketDir(t)
	file := filepath.Join(dir, "secret")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir, sidecarEnvironment(dir, newApplication(t), "HOOKPASS_SECRET=", "HOOKPASS_SECRET_FILE="+file), "sidecar")
	var pipe *os.File
	p.await("it reads the secret", func() (reads bool) {
		var err error
		pipe, err = os.OpenFile(file, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	})
	p.signal(syscall.SIGHUP)
	if err := os.WriteFile(file+".new", []byte(mark), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(file+".new", file), pipe.Close()); err != nil {
		t.Fatal(err)
	}
	p.await("it has reloaded", func() bool { return strings.Contains(p.output.String(), `"msg":"reloaded"`) })
	p.wants("/", "1", mark, 200, "handled / 1")
	p.stop()
}

// Health tells the truth about Redis, too.
func TestSidecarWithoutRedis(t *testing.T) {
	programs.Need(t, "redis-server")
	dir := socketDir(t)
	socket := filepath.Join(dir, "redis.sock")
	redis := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "")
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = redis.Process.Kill()
		_ = redis.Wait()
	})
	p := launch(t, dir, sidecarEnvironment(dir, newApplication(t), "HOOKPASS_DEDUP=unix://"+socket, "HOOKPASS_DEDUP_ON_ERROR=reject"), "sidecar")
	p.wants("/", "1", mark, 200, "handled / 1")
	if err := redis.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.await("it is not ready", func() bool { return p.health() != nil })
	if err := p.health(); !errors.Is(err, errNotReady) || !strings.Contains(err.Error(), "Redis does not answer") {
		t.Errorf("its health is %v", err)
	}
	p.wants("/", "2", mark, 503, `{"error":"Unavailable, try again"}`)
	p.stop()
}

// A token is in the header or in the URL of every delivery, and Caddy logs both
// with an error.
func TestSidecarLogsNoToken(t *testing.T) {
	dir := socketDir(t)
	p := launch(t, dir, sidecarEnvironment(dir, "unix/"+dir+"/nobody.sock", "HOOKPASS_PROVIDER=gitlab"), "sidecar")
	header := http.Header{"X-Gitlab-Token": {mark}, "Webhook-Id": {"1"}, "X-Gitlab-Event-Uuid": {"1"}, "X-Gitlab-Event": {"Push Hook"}}
	if status, answer := p.send("/?token="+mark, "{}", header); status != http.StatusBadGateway {
		t.Errorf("it answers %d %s", status, answer)
	}
	p.stop()
	if text := p.output.String(); strings.Contains(text, mark) || !strings.Contains(text, "dial") {
		t.Errorf("the log tells the token, or nothing of the error: %s", text)
	}
}

func TestHealthTellsWhatItAsked(t *testing.T) {
	ready := `{"ready":true,"store":"memory","application":[{"address":"app:3000","reachable":false}]}`
	for _, tt := range []struct {
		status       int
		answer       string
		args         []string
		prints, says string
		cause        error
	}{
		{200, ready, nil, "ready; store: memory; app:3000: not reachable\n", "", nil},
		{200, ready, []string{"--json"}, ready + "\n", "", nil},
		{200, `{"ready":true,"store":"redis","outage":true}`, nil, "ready; store: redis, which does not answer\n", "", nil},
		{503, `{"ready":false,"reason":"stopping"}`, nil, "not ready: stopping\n", "stopping", errNotReady},
		{503, `{"ready":false,"reason":"stopping"}`, []string{"--json"}, `{"ready":false,"reason":"stopping"}` + "\n", "stopping", errNotReady},
		{404, "", nil, "", "404", errNotReady},
		{200, "<html>", nil, "", "invalid character", errNotReady},
	} {
		t.Run(tt.answer, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/readyz" {
					t.Errorf("it asks %s", r.URL)
				}
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.answer)
			}))
			defer server.Close()
			_, port, err := net.SplitHostPort(server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			printed, err := askHealth("127.0.0.1:"+port, tt.args...)
			if printed != tt.prints || !errors.Is(err, tt.cause) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("it prints %q and returns %v, want %q and %v", printed, err, tt.prints, tt.cause)
			}
		})
	}
	if _, err := askHealth("off"); !errors.Is(err, errNoHealth) {
		t.Errorf("of nobody, it says %v", err)
	}
	if _, err := askHealth("unix/" + t.TempDir() + "/nobody"); !errors.Is(err, errNotReady) {
		t.Errorf("of nobody, it says %v", err)
	}
}

// The console is for those alone who know the password, and tells of the sidecar's
// endpoint.
func TestSidecarServesTheConsole(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := socketDir(t)
	launch(t, dir, sidecarEnvironment(dir, "localhost:1", "HOOKPASS_CONSOLE="+address, "HOOKPASS_CONSOLE_USER=ann", "HOOKPASS_CONSOLE_PASSWORD_HASH_FILE="+secretFiles(t)+"/hash"), "sidecar")
	for password, want := range map[string]int{"": http.StatusUnauthorized, mark: http.StatusOK} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/webhooks/endpoints", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("ann", password)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != want || strings.Contains(string(text), `"name":"saltare"`) != (want == http.StatusOK) {
			t.Errorf("with the password %q: %s %s, %v", password, answer.Status, text, err)
		}
	}
}
