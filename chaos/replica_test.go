package chaos

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Who gives a forward up that was handled lets its retry pass: in a long run, a
// loaded machine would do so some day.
const (
	forwardTimeout        = time.Second
	patientForwardTimeout = 10 * time.Second
)

// binary is the path of a hookpass.
type binary string

// build compiles hookpass, with the given files in the place of its own.
func build(t *testing.T, overlay map[string]string) binary {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "hookpass")
	args := []string{"build", "-o", path}
	if overlay != nil {
		args = append(args, "-overlay", writeOverlay(t, dir, overlay))
	}
	command := exec.CommandContext(t.Context(), "go", append(args, "../cmd/hookpass")...)
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, output)
	}
	return binary(path)
}

// replica is one hookpass, which may be killed and started again.
type replica struct {
	lab            *lab
	hookpass       binary
	address, admin string

	mu          sync.Mutex // held while it is down, and while it is asked to reload
	command     *exec.Cmd
	incarnation string
	generation  int
	output      bytes.Buffer // of the process that runs
	killed      map[string]time.Duration
}

func (l *lab) startReplica(hookpass binary) *replica {
	l.Helper()
	r := &replica{
		lab: l, hookpass: hookpass, address: freeAddress(l.T), admin: freeAddress(l.T),
		killed: map[string]time.Duration{},
	}
	r.start()
	l.Cleanup(func() {
		_ = r.command.Process.Kill()
		_ = r.command.Wait()
	})
	return r
}

// config changes with each generation: Caddy does not load what it runs already.
func (r *replica) config() string {
	r.generation++
	timeout := forwardTimeout
	if r.lab.patient {
		timeout = patientForwardTimeout
	}
	var sites strings.Builder
	for _, p := range providers {
		fmt.Fprintf(&sites, `
	route /%[1]s {
		verify_webhook %[1]s %[2]s {
			forward_timeout %[3]s
		}
		reverse_proxy %[4]s {
			header_up %[5]s {env.INCARNATION}
		}
	}`, p.name, secret, timeout, r.lab.application.address, incarnationHeader)
	}
	log := "discard"
	if r.lab.log != nil {
		log = r.lab.log(r.lab)
	}
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	webhooks {
		%s
		max_buffered %d
		delivery_log {
			output %s
		}
	}
	log {
		level WARN
	}
}
http://%s {%s
}
`, r.admin, r.lab.dedup(r.lab), 256<<20+r.generation, log, r.address, &sites)
}

// start returns when the replica listens.
func (r *replica) start() {
	r.lab.Helper()
	dir := r.lab.TempDir()
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(r.config()), 0o600); err != nil {
		r.lab.Error(err)
		return
	}
	r.incarnation = fmt.Sprintf("%s-%d", r.address, r.generation)
	r.command = exec.CommandContext(context.WithoutCancel(r.lab.Context()), string(r.hookpass), "run", "--config", config)
	r.command.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir, "INCARNATION="+r.incarnation)
	r.output.Reset()
	r.command.Stderr = &r.output
	if err := r.command.Start(); err != nil {
		r.lab.Error(err)
		return
	}
	deadline := time.Now().Add(time.Minute)
	for {
		connection, err := new(net.Dialer).DialContext(r.lab.Context(), "tcp", r.address)
		if err == nil {
			connection.Close()
			return
		}
		if time.Now().After(deadline) || !rest(r.lab.Context(), 5*time.Millisecond) {
			r.lab.Errorf("hookpass does not start: %v", err)
			return
		}
	}
}

// kill returns a function that kills one of the replicas, as a crash does, and
// starts it again.
func (l *lab) kill(d *rand.Rand) func() {
	return func() {
		r := l.replicas[d.IntN(len(l.replicas))]
		r.mu.Lock()
		defer r.mu.Unlock()
		r.killed[r.incarnation] = l.now()
		if err := r.command.Process.Kill(); err != nil {
			l.Error(err)
		}
		_ = r.command.Wait()
		r.start()
	}
}

// reload gives every replica another configuration.
func (l *lab) reload() {
	for _, r := range l.replicas {
		r.mu.Lock()
		request, err := http.NewRequestWithContext(l.Context(), http.MethodPost, "http://"+r.admin+"/load", strings.NewReader(r.config()))
		if err != nil {
			l.Fatal(err)
		}
		request.Header.Set("Content-Type", "text/caddyfile")
		answer, err := http.DefaultClient.Do(request)
		switch {
		case err != nil:
			l.Errorf("reload: %v", err)
		case answer.StatusCode != http.StatusOK:
			l.Errorf("reload: %s", answer.Status)
		}
		if err == nil {
			answer.Body.Close()
		}
		r.mu.Unlock()
	}
}

// nextPort is below those that the kernel gives to whoever asks for any: what is
// killed must find its port free when it returns.
var nextPort atomic.Int64

func freeAddress(t *testing.T) string {
	t.Helper()
	const first, last = 12_000, 20_000
	for range last - first {
		port := first + (os.Getpid()+int(nextPort.Add(1)))%(last-first)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
