package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// launchKeeping starts a hookpass that keeps bodies.
func launchKeeping(t *testing.T, dir, app string) *process {
	t.Helper()
	caddyfile := strings.NewReplacer("DIR", dir, "APP", app, "SECRET", mark).Replace(`{
	admin unix/DIR/admin.sock
	persist_config off
	webhooks {
		health unix/DIR/health.sock
		recent {
			bodies on
		}
	}
}
:80 {
	bind unix/DIR/site.sock
	verify_webhook saltare SECRET
	reverse_proxy APP
}
`)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(caddyfile), 0o600); err != nil {
		t.Fatal(err)
	}
	return launch(t, dir, nil, "run", "--config", file)
}

// ask runs a command that asks the process.
func (p *process) ask(args ...string) (output string, code int) {
	p.Helper()
	stdout, stderr, code := hookpass(p.T, append(args, "--address", "unix/"+p.dir+"/admin.sock")...)
	return stdout + stderr, code
}

// follow starts hookpass tail and returns its lines, and a function that has it end.
func (p *process) follow(args ...string) (next func() string, end func(os.Signal)) {
	p.Helper()
	command := exec.Command(os.Args[0], append([]string{"tail", "--address", "unix/" + p.dir + "/admin.sock"}, args...)...)
	command.Env = append(os.Environ(), asHookpass+"=1")
	pipe, err := command.StdoutPipe()
	if err != nil {
		p.Fatal(err)
	}
	told := new(output)
	command.Stderr = told
	if err := command.Start(); err != nil {
		p.Fatal(err)
	}
	watchdog := time.AfterFunc(3*patience, func() { _ = command.Process.Kill() })
	p.Cleanup(func() {
		watchdog.Stop()
		if command.ProcessState == nil {
			_ = command.Process.Kill()
			_ = command.Wait()
		}
		if p.Failed() {
			p.Logf("tail wrote\n%s", told)
		}
	})
	lines := bufio.NewScanner(pipe)
	next = func() string {
		p.Helper()
		if !lines.Scan() {
			p.Fatalf("it ended: %v, %s", lines.Err(), told)
		}
		return lines.Text()
	}
	end = func(s os.Signal) {
		p.Helper()
		if s == nil {
			_ = pipe.Close()
		} else if err := command.Process.Signal(s); err != nil {
			p.Fatal(err)
		}
		if err := command.Wait(); err != nil {
			p.Errorf("it ended with %v, %s", err, told)
		}
	}
	return next, end
}

func TestTailExplainAndReplayOfAProcess(t *testing.T) {
	var fails atomic.Bool
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Load() && r.Header.Get("Hookpass-Replay") == "" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer app.Close()
	dir := socketDir(t)
	p := launchKeeping(t, dir, app.Listener.Addr().String())
	p.wants("/in", "1", mark, 200, "")
	next, end := p.follow("--last", "1")
	wants := func(want string) {
		t.Helper()
		if line := next(); !strings.Contains(line, want) {
			t.Errorf("it shows %q, want %q", line, want)
		}
	}
	wants("\tsaltare\tforwarded\ttask.created\t1\t200\t")
	fails.Store(true)
	p.wants("/in", "2", mark, 500, "")
	wants("\tsaltare\tfailed\ttask.created\t2\t500\t")
	p.wants("/in", "3", `"`+mark+`"`, 401, forged)
	refused := next()
	number, _, _ := strings.Cut(refused, "\t")
	if !strings.Contains(refused, "\tsecret_quoted: ") {
		t.Errorf("it shows %q", refused)
	}

	if text, code := p.ask("explain", "--delivery", number); code != exitNo || !strings.Contains(text, `POST "/in": secret_quoted, proven`) {
		t.Errorf("%d, %s", code, text)
	}
	if text, code := p.ask("replay", number); code != exitNo || !strings.Contains(text, ": rejected signature_mismatch as delivery ") {
		t.Errorf("%d, %s", code, text)
	}
	wants("\trejected signature_mismatch (replayed)\t")
	if text, code := p.ask("replay", "2"); code != exitDone || !strings.Contains(text, ": forwarded as delivery ") {
		t.Errorf("%d, %s", code, text)
	}
	wants("\tforwarded (replayed)\ttask.created\t2\t200\t")

	// A reload ends the stream, and nothing is missed meanwhile.
	if text, code := p.ask("reload", "--force", "--config", filepath.Join(dir, "Caddyfile")); code != exitDone {
		t.Fatal(text)
	}
	fails.Store(false)
	p.wants("/in", "4", mark, 200, "")
	wants("\tforwarded\ttask.created\t4\t200\t")
	end(syscall.SIGTERM)

	_, end = p.follow()
	end(nil)
	p.stop()
}
