package hookpass_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// marks are the secrets of a whole installation, by the variable that holds each.
var marks = map[string]string{
	"MARK_TEXT":   "mark-of-a-shared-secret",
	"MARK_OLD":    "mark-of-an-old-secret",
	"MARK_WHSEC":  "whsec_" + base64.StdEncoding.EncodeToString([]byte("mark of a standard webhook")),
	"MARK_TOKEN":  "mark-of-a-static-token",
	"MARK_BASIC":  "user:mark-of-a-password",
	"MARK_VERIFY": "mark-of-a-verify-token",
	"MARK_SIGN":   "whsec_" + base64.StdEncoding.EncodeToString([]byte("mark of what signs anew")),
	"MARK_REDIS":  "mark-of-the-password-of-redis",
}

// marked are the texts by which one of the secrets would show, in any writing.
func marked() (texts []string) {
	for _, secret := range marks {
		key := []byte(strings.TrimPrefix(secret, "user:"))
		if text, is := strings.CutPrefix(secret, "whsec_"); is {
			key, _ = base64.StdEncoding.DecodeString(text)
		}
		texts = append(texts, strings.TrimPrefix(strings.TrimPrefix(secret, "whsec_"), "user:"), string(key),
			hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key), strings.Trim(fmt.Sprintf("%d", key), "[]"))
	}
	return append(texts, base64.StdEncoding.EncodeToString([]byte(marks["MARK_BASIC"])))
}

const markedSites = `{
	admin ADMIN
	persist_config off
	metrics
	log {
		output file /var/log/hookpass/caddy.log
	}
	webhooks {
		dedup redis redis://127.0.0.1:1/0 {
			password {env.MARK_REDIS}
		}
		delivery_log {
			output file /var/log/hookpass/deliveries.log
		}
		recent {
			bodies on
		}
		health localhost:HEALTH
	}
}
http://localhost:8080 {
	tracing
	route /saltare {
		verify_webhook saltare {
			secret {env.MARK_TEXT} current
			secret {env.MARK_OLD} old
			sign {env.MARK_SIGN}
		}
		reverse_proxy localhost:3000
	}
	route /standard {
		verify_webhook standard-webhooks {env.MARK_WHSEC}
		reverse_proxy localhost:3000
	}
	route /gitlab {
		verify_webhook gitlab {env.MARK_TOKEN}
		reverse_proxy localhost:3000
	}
	route /basic {
		verify_webhook chargebee {env.MARK_BASIC}
		reverse_proxy localhost:3000
	}
	route /facebook {
		verify_webhook facebook {
			secret {env.MARK_TEXT}
			with verify_token {env.MARK_VERIFY}
		}
		reverse_proxy localhost:3000
	}
	handle_path /console/* {
		webhook_console
	}
	respond 404
}
`

// Whatever is asked of a hookpass that has genuine and forged deliveries behind it,
// by whatever door, no secret comes out, nor a token that a sender has shown.
func TestSecretsShowNowhere(t *testing.T) {
	traces := new(collector)
	collects := httptest.NewServer(traces)
	t.Cleanup(collects.Close)
	for name, value := range marks {
		t.Setenv(name, value)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collects.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	s := newSetup(t)
	health := freePort(t)
	configured := strings.ReplaceAll(s.replace.Replace(markedSites), "HEALTH", health)
	if err := os.WriteFile(filepath.Join(s.dir, "Caddyfile"), []byte(configured), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reload()
	said := map[string]string{}

	now := fmt.Sprint(time.Now().Unix())
	const body = `{"id":"1","event":"push","delivery_id":"1","object_kind":"push","event_type":"x","object":"page"}`
	timed := now + "." + body
	for _, secret := range []string{marks["MARK_TEXT"], marks["MARK_OLD"], "a guess", `"` + marks["MARK_TEXT"] + `"`, marks["MARK_TOKEN"]} {
		s.knock(said, "POST", "/saltare", body, "X-Saltare-Timestamp", now, "X-Saltare-Signature", "sha256="+signature(secret, timed))
		s.knock(said, "POST", "/facebook", body, "X-Hub-Signature-256", "sha256="+signature(secret, body))
		s.knock(said, "POST", "/standard", body, "Webhook-Id", "1", "Webhook-Timestamp", now, "Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString([]byte(signature(secret, body))))
		s.knock(said, "POST", "/gitlab", body, "X-Gitlab-Token", secret, "X-Gitlab-Event", "Push Hook")
		s.knock(said, "POST", "/basic", body, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("user:"+secret)))
	}
	s.knock(said, "POST", "/gitlab", body, "X-Gitlab-Token", marks["MARK_TOKEN"], "X-Gitlab-Event", "Push Hook", "X-Gitlab-Event-Uuid", "1")
	s.knock(said, "POST", "/basic", body, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(marks["MARK_BASIC"])))
	s.knock(said, "GET", "/facebook?hub.mode=subscribe&hub.challenge=7&hub.verify_token=guess", "")
	s.knock(said, "GET", "/facebook?hub.mode=subscribe&hub.challenge=7&hub.verify_token="+marks["MARK_VERIFY"], "")
	s.knock(said, "POST", "/saltare", strings.Repeat("x", 2<<20), "X-Saltare-Timestamp", now, "X-Saltare-Signature", "sha256="+signature("x", "x"))

	admin := "http://" + s.replace.Replace("ADMIN")
	for _, path := range []string{
		"/config/", "/config/apps", "/metrics", "/reverse_proxy/upstreams", "/webhooks/dedup", "/webhooks/deliveries?limit=1000", "/webhooks/endpoints",
		"/debug/vars", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/debug/pprof/allocs?debug=1",
	} {
		s.get(said, admin+path)
	}
	for _, path := range []string{"/livez", "/readyz", "/metrics"} {
		s.get(said, "http://localhost:"+health+path)
	}
	for _, path := range []string{"/", "/app.js", "/webhooks/endpoints", "/webhooks/deliveries?limit=1000"} {
		s.get(said, s.address+"/console"+path)
	}
	for number := 1; number <= 20; number++ {
		one := fmt.Sprint(admin, "/webhooks/deliveries/", number)
		s.get(said, one)
		s.get(said, one+"/diagnosis")
		s.ask(said, http.MethodPost, one+"/replay")
	}
	s.ask(said, http.MethodDelete, admin+"/webhooks/dedup/saltare?id=1")
	s.commands(said, admin)

	s.end() // which writes what is queued
	for _, pattern := range []string{"*.log", "Caddyfile"} {
		files, err := filepath.Glob(filepath.Join(s.dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || len(text) == 0 {
				t.Errorf("%s: %d bytes, %v", file, len(text), err)
			}
			said[file] = string(text)
		}
	}
	said["the process"] = s.log.String()
	if said["traces"] = traces.text(); !strings.Contains(said["traces"], "hookpass.verdict") {
		t.Errorf("no trace was sent: %q", said["traces"])
	}
	if len(*s.handled) < 3 {
		t.Errorf("the application got %d deliveries", len(*s.handled))
	}
	for where, text := range said {
		for _, mark := range marked() {
			if strings.Contains(text, mark) {
				t.Errorf("%s says %q", where, mark)
			}
		}
	}
	t.Logf("%d texts have none of %d marks", len(said), len(marked()))
}

// commands runs those of the binary against the process.
func (s *setup) commands(said map[string]string, admin string) {
	s.Helper()
	address := strings.TrimPrefix(admin, "http://")
	capture := filepath.Join(s.dir, "refused.http")
	if err := os.WriteFile(capture, []byte("POST /saltare HTTP/1.1\r\nHost: localhost\r\nX-Saltare-Timestamp: 1\r\nX-Saltare-Signature: sha256="+signature("guess", "1.{}")+"\r\nContent-Length: 2\r\n\r\n{}"), 0o600); err != nil {
		s.Fatal(err)
	}
	caddyfile := filepath.Join(s.dir, "Caddyfile")
	for _, line := range []string{
		"version", "build-info", "list-modules", "providers", "providers facebook", "completion bash",
		"adapt --config " + caddyfile, "validate --config " + caddyfile, "fmt " + caddyfile,
		"dedup --address " + address, "dedup list --json --address " + address, "dedup forget gitlab --all --address " + address,
		"explain --delivery 1 --address " + address, "explain --json --delivery 4 --address " + address, "replay 1 --address " + address,
		"explain --request " + capture + " --provider saltare --secret-env MARK_TEXT", "verify --request " + capture + " --provider saltare --secret-env MARK_TEXT",
		"sidecar --print-config --provider saltare --secret-env MARK_TEXT --sign-env MARK_SIGN --upstream localhost:1",
		"sidecar --print-config --provider saltare --secret-env MARK_TEXT --tolerance MARK",
		"sidecar --provider gitlab --secret-env MARK_BASIC --upstream nowhere:x",
		"health --address " + address, "reload --config " + caddyfile + " --address " + address,
	} {
		command := exec.CommandContext(s.Context(), filepath.Join(s.dir, "hookpass"), strings.Fields(line)...)
		output, err := command.CombinedOutput()
		if len(output) == 0 && err != nil {
			s.Errorf("%s: %v", line, err)
		}
		said["hookpass "+line] = string(output)
	}
}

// knock sends a request to the site, and keeps the answer.
func (s *setup) knock(said map[string]string, method, path, body string, header ...string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.address+path, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	r.Close = true
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	s.keep(said, fmt.Sprint(len(said), " ", method, " ", strings.Split(path, "?")[0]), r)
}

func (s *setup) get(said map[string]string, address string) {
	s.Helper()
	s.ask(said, http.MethodGet, address)
}

func (s *setup) ask(said map[string]string, method, address string) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, address, nil)
	if err != nil {
		s.Fatal(err)
	}
	s.keep(said, method+" "+address, r)
}

func (s *setup) keep(said map[string]string, name string, r *http.Request) {
	s.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return // a body that is too large is not read to its end
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Errorf("%s: %v", name, err)
	}
	header, err := json.Marshal(answer.Header)
	if err != nil {
		s.Fatal(err)
	}
	said[name] = fmt.Sprint(answer.Status, string(header), string(text))
}

// collector takes the traces.
type collector struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, _ = c.all.ReadFrom(r.Body)
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all.String()
}
