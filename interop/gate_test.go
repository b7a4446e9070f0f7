package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// binary is the path of hookpass as it is shipped.
type binary string

func build(t *testing.T) binary {
	t.Helper()
	watch(t, "..") // what the compiler opens
	path := filepath.Join(t.TempDir(), "hookpass")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../cmd/hookpass").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return binary(path)
}

// watch looks at what other processes open. go test keeps a result until
// something changes that the test itself has opened.
func watch(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// send runs "hookpass send" and expects it to succeed.
func (b binary) send(t *testing.T, args ...string) {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), string(b), append([]string{"send"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("hookpass send: %v\n%s", err, output)
	}
}

// gatekeeper is a running hookpass with an endpoint for each SDK.
type gatekeeper struct {
	address  string
	outcomes chan outcome
}

// outcome is what became of a delivery, by the answer and by the delivery log.
type outcome struct {
	Status          int `json:"-"`
	Verdict, Reason string
}

func startGate(t *testing.T, hookpass binary, application string) *gatekeeper {
	t.Helper()
	g := &gatekeeper{address: freeAddress(t), outcomes: make(chan outcome, 1)}
	dir := t.TempDir()
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, caddyfile(g.address, application), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), string(hookpass), "run", "--config", config)
	command.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	log, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	var startup strings.Builder
	for !strings.Contains(lines.Text(), "serving initial configuration") {
		if !lines.Scan() {
			t.Fatalf("hookpass run: %v\n%s", command.Wait(), &startup)
		}
		fmt.Fprintln(&startup, lines.Text())
	}
	go g.follow(lines)
	t.Cleanup(func() {
		for range g.outcomes {
			continue // a log that nobody reads would hold the process
		}
		_ = command.Wait() // ended by the test's context
	})
	return g
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func caddyfile(address, application string) []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "{\n\tadmin off\n}\nhttp://%s {\n", address)
	for _, sdk := range sdks {
		fmt.Fprintf(&text, "\troute /%s {\n\t\tverify_webhook %s %q\n\t\treverse_proxy %s\n\t}\n", sdk.name, sdk.provider, sdk.secret, application)
		fmt.Fprintf(&text, "\troute /signed/%s {\n\t\tverify_webhook %s {\n\t\t\tsecret %q\n\t\t\tsign %s\n\t\t}\n\t\treverse_proxy %s\n\t}\n", sdk.name, sdk.provider, sdk.secret, appSecret, application)
	}
	text.WriteString("}\n")
	return text.Bytes()
}

// follow reads the delivery log, which is among what hookpass logs.
func (g *gatekeeper) follow(lines *bufio.Scanner) {
	defer close(g.outcomes)
	for lines.Scan() {
		var line outcome
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Verdict != "" {
			g.outcomes <- line
		}
	}
}

// post sends a delivery to the endpoint of an SDK.
func (g *gatekeeper) post(t *testing.T, endpoint string, d delivery) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+g.address+"/"+endpoint, bytes.NewReader(d.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = d.header.Clone()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	select {
	case got, running := <-g.outcomes:
		if !running {
			t.Fatal("hookpass run has ended")
		}
		got.Status = answer.StatusCode
		return got
	case <-ctx.Done():
		t.Fatalf("status %d, and nothing in the delivery log", answer.StatusCode)
		return outcome{}
	}
}

// recorder is a server that keeps what it gets and answers 200.
type recorder struct {
	*httptest.Server
	deliveries chan delivery
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{deliveries: make(chan delivery, 10)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		r.deliveries <- delivery{header: req.Header, body: body}
	}))
	t.Cleanup(r.Close)
	return r
}

// next returns the delivery that somebody, now answered, has sent.
func (r *recorder) next(t *testing.T) delivery {
	t.Helper()
	select {
	case d := <-r.deliveries:
		return d
	default:
		t.Fatal("nothing has arrived")
		return delivery{}
	}
}
