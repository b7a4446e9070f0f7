package caddymodule

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hookpass/hookpass/internal/programs"
)

const redisPassword = "hunter2-redis"

// redisServer is a real Redis on a socket, which wants a password.
type redisServer struct {
	*testing.T
	dir     string
	command *exec.Cmd
}

func startRedis(t *testing.T) *redisServer {
	t.Helper()
	s := &redisServer{T: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *redisServer) start() {
	s.Helper()
	programs.Need(s, "redis-server")
	s.command = exec.CommandContext(s.Context(), "redis-server", "--port", "0", "--unixsocket", s.socket(), "--dir", s.dir,
		"--appendonly", "yes", "--appendfsync", "always", "--requirepass", redisPassword)
	output, err := s.command.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := s.command.Start(); errors.Is(err, exec.ErrNotFound) {
		s.Fatal("redis-server is not installed: Debian has it in the package redis-server")
	} else if err != nil {
		s.Fatal(err)
	}
	lines := bufio.NewScanner(output)
	for !strings.Contains(lines.Text(), "eady to accept connections") {
		if !lines.Scan() {
			s.Fatal("redis-server ended")
		}
	}
	go func() {
		for lines.Scan() {
			continue // or it would wait for a reader
		}
	}()
}

func (s *redisServer) stop() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

func (s *redisServer) socket() string { return filepath.Join(s.dir, "redis.sock") }

func (s *redisServer) option(words string) string {
	s.Setenv("HOOKPASS_TEST_REDIS_PASSWORD", redisPassword)
	return fmt.Sprintf("dedup redis unix://%s {\n password {env.HOOKPASS_TEST_REDIS_PASSWORD}\n%s\n}", s.socket(), words)
}

// What a replica has handled another one knows, as does the same one after a
// restart. Both are this process, one after the other.
func TestRedisRemembersForAllReplicas(t *testing.T) {
	redis := startRedis(t)
	app := newApplication(t)
	for i, want := range []string{"handled", duplicateBody, duplicateBody} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			g := &gate{T: t, address: freeAddress(t), log: newLogFile(t), options: redis.option("")}
			g.load(app, saltareSite)
			g.send("/", event{id: "1"}).wants(t, 200, want)
			g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
			id := fmt.Sprint("failed", i)
			app.status(http.StatusInternalServerError)
			g.send("/", event{id: id}).wants(t, 500, "")
			app.answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("handled")) })
			g.send("/", event{id: id}).wants(t, 200, "handled")
			g.lines() // which stops it
		})
	}
}

// A reload to Redis, from Redis, and to another prefix keeps what this process
// remembers.
func TestAReloadChangesTheStore(t *testing.T) {
	redis := startRedis(t)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	for _, option := range []string{redis.option(""), redis.option("prefix other:"), "", redis.option("")} {
		g.options = option
		g.load(app, saltareSite)
		g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
	}
}

func TestAnOutageOfRedis(t *testing.T) {
	for _, tt := range []struct {
		words  string
		status int
		body   string
	}{
		{"", 200, "handled"},
		{"on_error local", 200, "handled"},
		{"on_error reject", 503, `{"error":"Unavailable, try again"}`},
	} {
		t.Run(tt.words, func(t *testing.T) {
			redis := startRedis(t)
			app := newApplication(t)
			g := serve(t, app, saltareSite)
			g.options = redis.option(tt.words)
			g.load(app, saltareSite)
			g.send("/", event{id: "1"}).wants(t, 200, "handled")
			redis.stop()
			g.send("/", event{id: "1"}).wants(t, 200, duplicateBody) // known here
			a := g.send("/", event{id: "2"})
			a.wants(t, tt.status, tt.body)
			if tt.status == 503 && a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
			redis.start()
			for a = g.send("/", event{id: "3"}); a.status == 503; a = g.send("/", event{id: "3"}) {
				if t.Context().Err() != nil {
					t.Fatal("it does not find Redis again")
				}
			}
			a.wants(t, 200, "handled")
		})
	}
}

// Redis need not be there when hookpass starts.
func TestAStartWithoutRedis(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = "dedup redis redis://" + freeAddress(t)
	g.load(app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	g.send("/", event{id: "1"}).wants(t, 200, duplicateBody)
}

// The application's time ends before another replica may take the delivery over.
func TestALeaseEndsTheForward(t *testing.T) {
	redis := startRedis(t)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	for name, tt := range map[string]struct{ words, site, says string }{
		"long enough":    {"lease 36s", "", ""},
		"too short":      {"lease 30s", "", "write lease 31s or more there"},
		"short, as both": {"lease 3s", "forward_timeout 1s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			g.T, g.options = t, redis.option(tt.words)
			err := g.tryLoad(app, "verify_webhook saltare "+testSecret+" {\n"+tt.site+"\n}\nreverse_proxy APP")
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
	lease, err := (&DedupStore{Redis: &RedisStore{}}).lease(time.Minute)
	if err != nil || lease != time.Minute+leaseMargin {
		t.Errorf("%v, %v", lease, err)
	}
}

func TestWrongRedisSettings(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PASSWORD", redisPassword)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	for option, says := range map[string]string{
		"dedup redis redis://localhost {\n password {env.NOT_SET}\n}":                               "{env.NOT_SET} resolves to nothing",
		"dedup redis redis://:{env.NOT_SET}@localhost":                                              "{env.NOT_SET} resolves to nothing",
		"dedup redis http://u:{env.PASSWORD}@localhost":                                             "begins with neither redis://",
		"dedup redis rediss://localhost {\n tls_ca " + text + "\n}":                                 "holds no certificate",
		"dedup redis rediss://localhost {\n tls_ca " + dir + "/none\n}":                             "none",
		"dedup redis rediss://localhost {\n tls_certificate " + text + "\n tls_key " + text + "\n}": "PEM",
		"dedup redis redis://localhost {\n tls_ca " + text + "\n}":                                  "holds no certificate",
	} {
		t.Run(option, func(t *testing.T) {
			g.T, g.options = t, option
			err := g.tryLoad(app, saltareSite)
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want %q", err, says)
			} else if strings.Contains(err.Error(), redisPassword) {
				t.Errorf("%v shows a secret", err)
			}
		})
	}
}

func TestRedisIsMeasured(t *testing.T) {
	redis := startRedis(t)
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	g.options = redis.option("")
	g.load(app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	got := gather(t, storeMetrics{})
	for _, m := range redisMetrics {
		found := false
		for name, value := range got {
			found = found || strings.Contains(m.String(), `"caddy_webhook_dedup_`+name+`"`) && value == 0
		}
		if !found {
			t.Errorf("not zero or not there: %v", m.Desc)
		}
	}
	redis.stop()
	g.send("/", event{id: "2"}).wants(t, 200, "handled")
	if got := gather(t, storeMetrics{}); got["redis_claim_errors_total"] == 0 || got["redis_unshared_total"] != 1 {
		t.Errorf("an outage is measured as %v", got)
	}
}

// Wherever it is written, the password shows nowhere.
func TestRedisPasswordShowsNowhere(t *testing.T) {
	app := newApplication(t)
	g := serve(t, app, saltareSite)
	t.Setenv("PASSWORD", redisPassword)
	g.options = "dedup redis redis://user:{env.PASSWORD}@" + freeAddress(t) + "/0"
	g.load(app, saltareSite)
	g.send("/", event{id: "1"}).wants(t, 200, "handled")
	g.lines()
	for _, path := range []string{g.log.path, g.caddyLog()} {
		if text := readFile(t, path); strings.Contains(string(text), redisPassword) {
			t.Errorf("%s shows it", path)
		} else if path == g.caddyLog() && !strings.Contains(string(text), "Redis") {
			t.Errorf("the log tells nothing of the outage: %s", text)
		}
	}
}
