package hookpass_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookpass/hookpass/catalog"
	"github.com/hookpass/hookpass/internal/programs"
)

// block is a fenced block of a Markdown file.
type block struct {
	page, language, text string
	line                 int
}

func blocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	var open *block
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{page: path, language: fence, line: i + 1}
		case isFence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		}
	}
	return all
}

// Every command of the README is run, in its order, and prints what the README
// says. The one that runs all tests is the one that runs this. The page on
// deduplication speaks of the same example while it runs.
func TestREADME(t *testing.T) {
	var output string
	for _, b := range append(blocks(t, "README.md"), blocks(t, "docs/deduplication.md")...) {
		switch {
		case b.language == "text":
			wantLines(t, b, output)
		case b.language != "sh", b.text == "go test ./...\n":
		case strings.HasSuffix(b.text, "hookpass sidecar\n"): // the page on it runs the like
			b.text = strings.TrimSpace(b.text) + " --print-config"
			output = run(t, b)
		case strings.Contains(b.text, "hookpass run "):
			start(t, b.text)
		default:
			output = run(t, b)
		}
	}
}

// The page on the sidecar speaks of one beside an application, on ports of their
// own.
func TestSidecarOfTheDocs(t *testing.T) {
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer app.Close()
	_, port, err := net.SplitHostPort(app.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	listen, health := freePort(t), freePort(t)
	t.Setenv("HOOKPASS_LISTEN", ":"+listen)
	t.Setenv("HOOKPASS_HEALTH_LISTEN", ":"+health)
	t.Setenv("HOOKPASS_ADMIN", "off")
	here := strings.NewReplacer("bin/hookpass", dir+"/hookpass", "localhost:3000", "localhost:"+port, ":8080", ":"+listen)
	run(t, block{text: "go build -o " + dir + "/hookpass ./cmd/hookpass"})
	var output string
	for _, b := range blocks(t, "docs/sidecar.md") {
		b.text = here.Replace(b.text)
		switch {
		case b.language == "text":
			wantLines(t, b, output)
		case b.language == "sh" && strings.HasSuffix(b.text, "hookpass sidecar\n"):
			startOn(t, "exec env "+b.text, listen, health)
		case b.language == "sh":
			output = run(t, b)
		}
	}
}

func wantLines(t *testing.T, b block, output string) {
	t.Helper()
	rest := output
	for line := range strings.Lines(b.text) {
		_, after, found := strings.Cut(rest, strings.TrimSpace(line))
		if !found {
			t.Errorf("%s:%d: no %q in\n%s", b.page, b.line, line, output)
			return
		}
		rest = after
	}
}

func run(t *testing.T, b block) string {
	t.Helper()
	programs.Need(t, "curl", "openssl")
	out, err := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", b.text).CombinedOutput()
	if err != nil {
		t.Fatalf("%s:%d: %v\n%s", b.page, b.line, err, out)
	}
	return string(out)
}

// start runs the main job until the test ends, and returns when it listens.
func start(t *testing.T, command string) {
	t.Helper()
	for _, port := range []string{"8080", "3000", "2019"} {
		l, err := net.Listen("tcp", "localhost:"+port)
		if err != nil {
			t.Fatalf("the example needs port %s, which is taken: %v", port, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	startOn(t, command, "8080", "3000")
}

// startOn runs the command until the test ends, and returns when it listens on
// the ports.
func startOn(t *testing.T, command string, ports ...string) {
	t.Helper()
	var log bytes.Buffer
	cmd := exec.Command("bash", "-c", command)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // go run starts a child of its own
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	var exit error
	go func() {
		exit = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("%s%s", command, log.String())
		}
	})
	for _, port := range ports {
		for !listens(t.Context(), port) {
			select {
			case <-ended:
				t.Fatalf("%sended: %v", command, exit)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}

func listens(ctx context.Context, port string) bool {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", "localhost:"+port)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Every configuration in README and docs is valid as it stands.
func TestConfigurationsOfTheDocs(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "hookpass")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./cmd/hookpass").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = append(pages, "README.md")
	own := filepath.Join(dir, "providers")
	if err := os.Mkdir(own, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		for _, b := range blocks(t, page) {
			if b.language != "yaml" {
				continue
			}
			if err := os.WriteFile(filepath.Join(own, "acme.yaml"), []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, text := range map[string]string{"asana-secret": "f\n", "notion-token": "f\n", "stripe-ranges": "@elsewhere not client_ip 192.0.2.0/24\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	validate := func(name, file, text string) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, file)
			text = strings.NewReplacer("/var/log/hookpass", dir, "/var/lib/hookpass", dir, "/etc/hookpass", dir).Replace(text)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), binary, "validate", "--config", path)
			cmd.Env = append(os.Environ(), "STRIPE_WEBHOOK_SECRET=a", "REDIS_PASSWORD=a", "GITHUB_WEBHOOK_SECRET=a", "SALTARE_SECRET=b", "SALTARE_SECRET_OLD=c", "ACME_SECRET=d", "ACME_API_KEY=d", "DOCKER_HUB_WEBHOOK_SECRET=e", "APP_SECRET=f",
				"STRIPE_SECRET_EU=a", "STRIPE_SECRET_US=b", "SQUARE_SIGNATURE_KEY=c", "GITLAB_WEBHOOK_SECRET=d", "CONSOLE_PASSWORD_HASH=$2a$14$X3ulqf/iGxnf1k6oMZ.RZeJUoqI9PX2PM4rS5lkIKJXduLGXGPrt6")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	for _, page := range pages {
		for _, b := range blocks(t, page) {
			if file, is := map[string]string{"caddyfile": "Caddyfile", "json": "caddy.json"}[b.language]; is && (b.language != "json" || strings.Contains(b.text, `"apps"`)) {
				validate(fmt.Sprintf("%s:%d", page, b.line), file, b.text)
			}
		}
	}
	examples, err := filepath.Glob("docs/examples/*.caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(examples, "Caddyfile.example") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		validate(path, "Caddyfile", string(text))
	}
}

func TestProvidersOfTheREADME(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Providers\n")
	claim, _, _ := strings.Cut(section, ".")
	count := regexp.MustCompile(`more than (\d+) providers`).FindStringSubmatch(claim)
	if count == nil {
		t.Fatal("it does not say how many there are")
	}
	if n, err := strconv.Atoi(count[1]); err != nil || len(catalog.IDs()) <= n {
		t.Errorf("there are %d providers, not more than %s", len(catalog.IDs()), count[1])
	}
	for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(claim, -1) {
		if _, err := catalog.Lookup(quoted[1]); err != nil {
			t.Error(err)
		}
	}
}
