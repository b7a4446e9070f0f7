package sdks

import (
	"encoding/json"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/hookpass/hookpass/webhook"
)

// provider is what sdks.mjs says of one.
type provider struct {
	ID      string            `json:"id"`
	Signs   bool              `json:"signs"`   // the SDK signs, else hookpass's signer
	Keys    bool              `json:"keys"`    // what verifies is not what signs
	Secrets []string          `json:"secrets"` // empty for the usual ones
	Ageless bool              `json:"ageless"` // the SDK lets old deliveries pass
	With    map[string]string `json:"with"`
}

// keys are those of one account with a provider.
type keys struct {
	Secret string `json:"secret,omitempty"` // what the user of hookpass configures
	Key    string `json:"key,omitempty"`    // what signs, if that is not the secret
}

// task is a line that sdks.mjs reads.
type task struct {
	keys

	Action   string            `json:"action"`
	Provider string            `json:"provider,omitempty"`
	Note     string            `json:"note,omitempty"`
	Bare     bool              `json:"bare,omitempty"`
	Time     time.Time         `json:"time,omitzero"`
	ID       string            `json:"id,omitempty"`
	Event    string            `json:"event,omitempty"`
	Method   string            `json:"method,omitempty"`
	URL      string            `json:"url,omitempty"`
	Header   map[string]string `json:"header,omitempty"`
	Body     string            `json:"body,omitempty"`
}

// answer is a line that sdks.mjs writes: a delivery, or what the SDK says of one.
type answer struct {
	URL     string            `json:"url"`
	Header  map[string]string `json:"header"`
	Body    string            `json:"body"`
	Refusal string            `json:"refusal"`
	Crash   bool              `json:"crash"`
}

func setURL(t *testing.T, r *webhook.Request, address string) {
	t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.Path, r.Query = address, parsed.EscapedPath(), parsed.RawQuery
}

// node is the process of sdks.mjs.
type node struct {
	input   io.Writer
	answers *json.Decoder
}

// startNode starts node, and before that installs what package-lock.json pins
// unless that is installed.
func startNode(t *testing.T) *node {
	t.Helper()
	watch(t)
	const install = "npm ci --prefix interop/sdks"
	pinned, err := os.Stat("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	// npm writes this file last.
	installed, err := os.Stat("node_modules/.package-lock.json")
	if err != nil || installed.ModTime().Before(pinned.ModTime()) {
		t.Logf("the SDKs are not installed, or not these, running %q", install)
		command := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
		if output, err := command.CombinedOutput(); err != nil {
			t.Fatalf("the SDKs are not installed: run %q, which needs Node 20.19 or later: %v\n%s", install, err, output)
		}
	}
	command := exec.CommandContext(t.Context(), "node", "sdks.mjs")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() }) // ended by the test's context
	return &node{input, json.NewDecoder(output)}
}

// watch looks at the scripts. go test keeps a result until something changes that
// the test itself has looked at.
func watch(t *testing.T) {
	t.Helper()
	scripts, err := filepath.Glob("*.mjs")
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		if _, err := os.Stat(script); err != nil {
			t.Fatal(err)
		}
	}
}

// ask sends one task, and reads the answer into what answer points to.
func (n *node) ask(t *testing.T, task task, answer any) {
	t.Helper()
	line, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.input.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if err := n.answers.Decode(answer); err != nil {
		t.Fatalf("sdks.mjs: %v", err)
	}
}
