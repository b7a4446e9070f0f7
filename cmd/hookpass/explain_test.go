package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/diagnosis"
)

// explained executes the command with a capture on standard input.
func explained(input string, args ...string) (output string, err error) {
	var text bytes.Buffer
	e := &explain{inspection: inspection{input: strings.NewReader(input), output: &text, now: func() time.Time { return arrival }, keys: noKeys{}}}
	flags := e.flags()
	flags.SetOutput(io.Discard)
	if err := flags.Parse(append([]string{"--request", "-"}, args...)); err != nil {
		return "", err
	}
	err = e.run(flags.Args())
	return text.String(), err
}

const (
	githubSecret = "It's a Secret to Everybody"
	githubBody   = `{"action":"opened","number":7}`
	githubHead   = "POST /hooks/github HTTP/1.1\r\nHost: hooks.example.com\r\n" +
		"X-Hub-Signature-256: sha256=34fd4221cb1c8b95d142c6dc81775bb15fcd403d46608fdf114c11b6a0f525c5\r\n\r\n"

	saltareRequest = "POST /hooks/saltare HTTP/1.1\r\nHost: hooks.example.com\r\n" +
		"X-Saltare-Timestamp: 1767225600\r\n" +
		"X-Saltare-Signature: sha256=923c21b6f4cca713994cb4876eeab94a0795f5f788bb9eb34a8a8df7dfd62c53\r\n\r\n" +
		`{"event":"task.created","delivery_id":"0b7f1c52-6a0e-4c3b-9d0a-2f6f3f6f8a11","data":{"title":"Café ☕"}}`

	twilioCurl = `curl 'http://mycompany.com/myapp.php?foo=1&bar=2' -H 'X-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=' ` +
		`--data 'CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212'`
)

func TestExplain(t *testing.T) {
	t.Setenv("RIGHT", githubSecret)
	t.Setenv("WRONG", "another secret")
	t.Setenv("BLANK", githubSecret+" ")
	t.Setenv("SALTARE", "saltare-example-secret")
	t.Setenv("TWILIO", "12345")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(githubSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		input string
		args  []string
		says  string
	}{
		{"nothing wrong", githubHead + githubBody, []string{"--provider", "github", "--secret-env", "RIGHT"}, `POST "/hooks/github": genuine, proven`},
		{"an editor's line break", githubHead + githubBody + "\n", []string{"--provider", "github", "--secret-env", "RIGHT"}, "genuine"},
		{"a sender's line break", strings.Replace(githubHead, "\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n", 1) + "1f\r\n" + githubBody + " \r\n0\r\n\r\n", []string{"--provider", "github", "--secret-env", "RIGHT"}, "body_line_end"},
		{"secret in a file", githubHead + githubBody, []string{"--provider", "github", "--secret-file", file}, "genuine"},
		{"blank behind the secret", githubHead + githubBody, []string{"--provider", "github", "--secret-env", "BLANK"}, "secret_blanks, proven\n  The configured secret has blanks"},
		{"body written anew", githubHead + `{"action": "opened", "number": 7}`, []string{"--provider", "github", "--secret-env", "RIGHT"}, "body_rewritten, proven"},
		{"another secret", githubHead + githubBody, []string{"--provider", "github", "--secret-env", "WRONG"}, "unknown, not proven"},
		{"URL of a curl command", twilioCurl, []string{"--provider", "twilio", "--secret-env", "TWILIO"}, "url_scheme, proven"},
		{"the right URL beside it", twilioCurl, []string{"--provider", "twilio", "--secret-env", "TWILIO", "--url", "https://mycompany.com/myapp.php?foo=1&bar=2"}, "genuine"},
		{"age unknown", saltareRequest, []string{"--provider", "saltare", "--secret-env", "SALTARE"}, "genuine"},
		{"in time", saltareRequest, []string{"--provider", "saltare", "--secret-env", "SALTARE", "--at", "2026-01-01T00:04:59Z"}, "genuine"},
		{"too old", saltareRequest, []string{"--provider", "saltare", "--secret-env", "SALTARE", "--at", "2026-01-01T00:06:00Z"}, "too_old, proven\n  The delivery was signed 6m0s before it arrived, 1m0s more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, err := explained(tt.input, tt.args...)
			if errors.Is(err, errRejected) == strings.Contains(tt.says, "genuine") || !strings.Contains(output, tt.says) {
				t.Errorf("%v, %s; want %q", err, output, tt.says)
			}
			for _, secret := range []string{githubSecret, "another secret", "saltare-example"} {
				if strings.Contains(output, secret) {
					t.Errorf("it prints a secret: %s", output)
				}
			}
		})
	}
}

func TestExplainAsJSON(t *testing.T) {
	t.Setenv("RIGHT", githubSecret)
	output, err := explained(strings.Replace(githubHead, "\r\n\r\n", "\r\nContent-Length: 31\r\n\r\n", 1)+githubBody+"\n", "--provider", "github", "--secret-env", "RIGHT", "--json")
	var f diagnosis.Finding
	if jsonErr := json.Unmarshal([]byte(output), &f); !errors.Is(err, errRejected) || jsonErr != nil || f.Cause != diagnosis.BodyLineEnd || !f.Proven {
		t.Errorf("%v, %s", err, output)
	}
}

// Of the requests in an archive, each is explained.
func TestExplainSeveral(t *testing.T) {
	t.Setenv("RIGHT", githubSecret)
	entry := func(body string) map[string]any {
		return map[string]any{"startedDateTime": "2026-01-01T00:00:00.000Z", "request": map[string]any{
			"method": "POST", "url": "https://hooks.example.com/hooks/github", "httpVersion": "HTTP/1.1",
			"headers": []any{
				map[string]any{"name": "Content-Type", "value": "application/json"},
				map[string]any{"name": "X-Hub-Signature-256", "value": "sha256=34fd4221cb1c8b95d142c6dc81775bb15fcd403d46608fdf114c11b6a0f525c5"},
			},
			"postData": map[string]any{"mimeType": "application/json", "text": body},
		}}
	}
	archive, err := json.Marshal(map[string]any{"log": map[string]any{"entries": []any{entry("{}"), entry(githubBody), entry(githubBody + "\n")}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "kept.har")
	if err := os.WriteFile(path, archive, 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := explained("", "--provider", "github", "--secret-env", "RIGHT", "--request", path)
	if !errors.Is(err, errRejected) || !strings.Contains(err.Error(), "2 of 3") || strings.Count(output, "POST ") != 3 || !strings.Contains(output, "unknown") || !strings.Contains(output, "genuine") || !strings.Contains(output, "body_line_end") {
		t.Errorf("%v, %s", err, output)
	}
}

func TestExplainRefuses(t *testing.T) {
	t.Setenv("RIGHT", githubSecret)
	for _, tt := range []struct {
		name string
		args []string
		says string
	}{
		{"no provider", []string{"--secret-env", "RIGHT"}, "by its header fields it could be of"},
		{"unknown provider", []string{"--provider", "githup", "--secret-env", "RIGHT"}, `did you mean "github"`},
		{"no secret", []string{"--provider", "github"}, "--secret-env NAME"},
		{"unset variable", []string{"--provider", "github", "--secret-env", "UNSET_VARIABLE"}, "--secret-env: secret is empty"},
		{"missing file", []string{"--provider", "github", "--secret-file", "/nowhere"}, "/nowhere"},
		{"secret of fetched keys", []string{"--provider", "google-pubsub", "--with", "audience=a", "--with", "service_account=b", "--secret-env", "RIGHT"}, "leave the secret out"},
		{"missing parameter", []string{"--provider", "solidgate", "--secret-env", "RIGHT"}, "=VALUE is missing"},
		{"no request", []string{"--request", "", "--provider", "github", "--secret-env", "RIGHT"}, "write the file with the request"},
		{"request that is not there", []string{"--request", "/nowhere", "--provider", "github", "--secret-env", "RIGHT"}, "/nowhere"},
		{"no request in it", []string{"--provider", "github", "--secret-env", "RIGHT"}, "no captured request"},
		{"address without a host", []string{"--provider", "github", "--secret-env", "RIGHT", "--url", "/hooks"}, "--url: "},
		{"time that is none", []string{"--at", "yesterday"}, "write a time such as"},
		{"folder that is not there", []string{"--providers", "/nowhere", "--provider", "x", "--secret-env", "RIGHT"}, "--providers: "},
		{"a word that is no flag", []string{"refused.http"}, "write the file with the request"},
	} {
		input := githubHead
		if tt.name == "no request in it" {
			input = ""
		}
		_, err := explained(input, tt.args...)
		if err == nil || errors.Is(err, errRejected) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v does not say %q", tt.name, err, tt.says)
		}
	}
}
