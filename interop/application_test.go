package interop

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each application of docs/application.md takes what hookpass forwards and, where it
// says that it can tell, nothing else.
func (l *lab) testDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/application.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```(js|python|go)\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) != 4 {
		t.Fatalf("%d applications", len(blocks))
	}
	for _, block := range blocks {
		language, text := block[1], block[2]
		verifies := strings.Contains(text, "APP_SECRET")
		name := language
		if !verifies {
			name += " on loopback"
		}
		t.Run(name, func(t *testing.T) {
			address, output := startApplication(t, language, text)
			gate := startGate(t, l.hookpass, address)
			d := l.send(t, sdks[0], plain)
			if got := gate.post(t, "signed/"+sdks[0].name, d); got.Status != http.StatusNoContent || got.Verdict != "forwarded" {
				t.Errorf("the gate's outcome is %+v", got)
			}
			if line, err := output.ReadString('\n'); err != nil || line != event+" "+d.id+"\n" {
				t.Errorf("the application writes %q, %v", line, err)
			}
			forged := http.Header{"Webhook-Id": {d.id}, "Webhook-Timestamp": {"1767225600"}, "Webhook-Signature": {"v1,AAAA"}}
			if !verifies {
				forged = http.Header{"Hookpass-Verified": {"none"}}
			}
			if status := postTo(t, "http://"+address, forged, d.body); status != http.StatusUnauthorized {
				t.Errorf("a forged one is answered %d", status)
			}
		})
	}
}

// startApplication runs an application on a port of its own until the test ends.
func startApplication(t *testing.T, language, text string) (address string, output *bufio.Reader) {
	t.Helper()
	address = freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	text = strings.ReplaceAll(text, "3000", port)
	var command *exec.Cmd
	switch language {
	case "js":
		command = exec.CommandContext(t.Context(), "node", "--input-type=module", "--eval", text)
	case "python":
		command = exec.CommandContext(t.Context(), python(t, text), "-B", "-c", text)
	case "go":
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		program := filepath.Join(dir, "application")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, filepath.Join(dir, "main.go")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		command = exec.CommandContext(t.Context(), program)
	}
	command.Env = append(os.Environ(), "APP_SECRET="+appSecret, "PYTHONPATH="+pythonLibrary(t), "PYTHONUNBUFFERED=1",
		"STRIPE_WEBHOOK_SECRET="+named(t, "stripe").secret, "GITHUB_WEBHOOK_SECRET="+named(t, "octokit").secret)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	var errors bytes.Buffer
	command.Stderr = &errors
	pipe, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = command.Wait() // ended by the test's context
		close(ended)
	}()
	t.Cleanup(func() { <-ended })
	for {
		connection, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			connection.Close()
			return address, bufio.NewReader(pipe)
		}
		select {
		case <-ended:
			t.Fatalf("it has ended: %s", &errors)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func postTo(t *testing.T, url string, header http.Header, body []byte) (status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}
