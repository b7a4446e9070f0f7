package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	official "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/hookpass/hookpass/internal/programs"
)

// appSecret is what the application verifies with, at the endpoints under /signed.
const appSecret = "whsec_bm9ib2R5IGtub3dzIGJ1dCBob29rcGFzcyBhbmQgdGhlIGFwcA=="

// handedOver is what an application got, and whether its library has to take it.
type handedOver struct {
	name    string
	secret  string
	header  http.Header
	body    []byte
	genuine bool
}

// Whoever the provider is, the application verifies with the library of Standard
// Webhooks, in whatever language: each is the official one.
func (l *lab) testHandedOver(t *testing.T) {
	var all []handedOver
	for _, sdk := range sdks {
		for name, body := range bodies {
			if got := l.gate.post(t, "signed/"+sdk.name, l.send(t, sdk, body)); got.Verdict != "forwarded" {
				t.Fatalf("the gate's outcome is %+v", got)
			}
			d := l.application.next(t)
			name = sdk.name + "/" + name
			altered := append(bytes.Clone(d.body), '\n')
			old := d.header.Clone()
			old.Set("Webhook-Timestamp", "1767225600")
			all = append(
				all,
				handedOver{name, appSecret, d.header, d.body, true},
				handedOver{name + " altered", appSecret, d.header, altered, false},
				handedOver{name + " dated otherwise", appSecret, old, d.body, false},
				handedOver{name + " of another", "whsec_YW5vdGhlciBzZWNyZXQgYW5vdGhlciBzZWM=", d.header, d.body, false},
			)
		}
	}
	for language, ask := range map[string]func(*testing.T, []handedOver) []string{
		"Go": askGo, "JavaScript": l.askJavaScript, "Python": askPython,
	} {
		t.Run(language, func(t *testing.T) {
			for i, refusal := range ask(t, all) {
				if (refusal == "") != all[i].genuine {
					t.Errorf("%s: the library says %q of\n%v\n%s", all[i].name, refusal, all[i].header, all[i].body)
				}
			}
		})
	}
}

func askGo(t *testing.T, all []handedOver) (refusals []string) {
	for _, d := range all {
		library, err := official.NewWebhook(d.secret)
		if err != nil {
			t.Fatal(err)
		}
		refusal := ""
		if err := library.Verify(d.body, d.header); err != nil {
			refusal = err.Error()
		}
		refusals = append(refusals, refusal)
	}
	return refusals
}

func (l *lab) askJavaScript(t *testing.T, all []handedOver) (refusals []string) {
	for _, d := range all {
		refusals = append(refusals, l.verify(t, sdk{name: "standardwebhooks", secret: d.secret}, delivery{header: d.header, body: d.body}))
	}
	return refusals
}

// pythonLibrary is the folder of the library for Python, which is published beside the
// one for Go, in the module of both.
func pythonLibrary(t *testing.T) string {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/standard-webhooks/standard-webhooks/libraries").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(module)), "python")
}

func askPython(t *testing.T, all []handedOver) (refusals []string) {
	type question struct {
		Secret string            `json:"secret"`
		Header map[string]string `json:"header"`
		Body   []byte            `json:"body"`
	}
	var questions []question
	for _, d := range all {
		q := question{d.secret, map[string]string{}, d.body}
		for name := range d.header {
			q.Header[name] = d.header.Get(name)
		}
		questions = append(questions, q)
	}
	input, err := json.Marshal(questions)
	if err != nil {
		t.Fatal(err)
	}
	const script = "application.py"
	if _, err := os.Stat(script); err != nil { // go test has to know that it is read
		t.Fatal(err)
	}
	programs.Need(t, "python3")
	command := exec.CommandContext(t.Context(), "python3", "-B", script)
	command.Env = append(os.Environ(), "PYTHONPATH="+pythonLibrary(t))
	command.Stdin, command.Stderr = bytes.NewReader(input), os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(output, &refusals); err != nil || len(refusals) != len(all) {
		t.Fatalf("%v, %d answers to %d questions", err, len(refusals), len(all))
	}
	return refusals
}
