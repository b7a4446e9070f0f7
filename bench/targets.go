package main

import (
	"cmp"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	plain   = "plain reverse_proxy"
	product = "hookpass"
	floor   = "caddy respond"
	direct  = "no proxy"
	stock   = "stock caddy"
)

// target is something that deliveries can be sent through.
type target struct {
	name    string
	config  string // its file in configs/
	command []string
	// What it does not do, it is not measured at.
	verifies, deduplicates bool
	// edit changes the configuration. It may put files beside it, in dir.
	edit func(dir, config string) (string, error)
}

// Of Caddy as it comes only the memory is measured, of no proxy at all the latency,
// and of an answer by Caddy itself what it costs at the least to refuse.
var targets = []target{
	{name: plain, config: "plain.caddyfile", command: []string{"HOOKPASS", "run", "--config", "CONFIG", "--adapter", "caddyfile"}},
	{name: product, config: "hookpass.caddyfile", command: []string{"HOOKPASS", "run", "--config", "CONFIG", "--adapter", "caddyfile"}, verifies: true, deduplicates: true},
	{name: floor, config: "respond.caddyfile", command: []string{"HOOKPASS", "run", "--config", "CONFIG", "--adapter", "caddyfile"}},
	{name: "haproxy", config: "haproxy.cfg", command: []string{"haproxy", "-db", "-f", "CONFIG"}, verifies: true},
	{name: "nginx+njs", config: "nginx.conf", command: []string{"nginx", "-c", "CONFIG", "-g", "daemon off;"}, verifies: true},
	{name: stock, command: []string{"STOCK", "reverse-proxy", "--from", "http://LISTEN", "--to", "APPLICATION"}},
	{name: direct},
	{name: "express", config: "express.mjs", command: []string{"node", "CONFIG"}, verifies: true},
}

// does tells whether the case means anything to the target.
func (t target) does(c benchCase) bool {
	switch t.name {
	case stock:
		return false
	case direct:
		return c.fixed
	case floor:
		return c == allCases[0]
	}
	switch c.kind {
	case forged, stale, unsigned:
		return t.verifies
	case copied:
		return t.deduplicates
	default:
		return true
	}
}

func targetNamed(name string) target {
	return targets[slices.IndexFunc(targets, func(t target) bool { return t.name == name })]
}

var errNotInstalled = errors.New("not installed")

//go:embed configs
var configs embed.FS

// lab is what all targets share.
type lab struct {
	ctx         context.Context
	dir         string
	application string
	programs    map[string]string // those that were built, by their name in a command
	running     []*running
}

// running is a target that has been started.
type running struct {
	target
	dir     string // of its configuration and logs
	address string
	command *exec.Cmd
}

// build builds a program of this repository as releases, and Caddy's, are built.
func (l *lab) build(name, module, pkg string, flags ...string) error {
	program := filepath.Join(l.dir, name+".bin")
	release := []string{"build", "-tags", "nobadger,nomysql,nopgx", "-ldflags", "-s -w", "-o", program}
	command := exec.CommandContext(l.ctx, "go", slices.Concat(release, flags, []string{pkg})...) //nolint:gosec // into a folder of our own
	command.Dir = filepath.Join(benchDir(), module)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", pkg, err, output)
	}
	l.programs[name] = program
	return nil
}

// start returns when the target listens.
func (l *lab) start(t target) error {
	if t.name == direct {
		l.running = append(l.running, &running{target: t, address: l.application})
		return nil
	}
	program := cmp.Or(l.programs[t.command[0]], t.command[0])
	if _, err := exec.LookPath(program); err != nil {
		return fmt.Errorf("%w: %w", errNotInstalled, err)
	}
	address, err := freeAddress(l.ctx)
	if err != nil {
		return err
	}
	config, err := l.writeConfigs(t, address)
	if err != nil {
		return err
	}
	args := make([]string, len(t.command)-1)
	for i, arg := range t.command[1:] {
		args[i] = strings.NewReplacer("CONFIG", config, "LISTEN", address, "APPLICATION", l.application).Replace(arg)
	}
	log, err := os.Create(filepath.Join(l.dir, strings.ReplaceAll(t.name, " ", "-")+".log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                      // the target has its own
	command := exec.CommandContext(l.ctx, program, args...) //nolint:gosec // one of targets
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), "HOME="+l.dir, "XDG_CONFIG_HOME="+l.dir, "XDG_DATA_HOME="+l.dir,
		"CADDY_ADMIN=unix/"+filepath.Join(filepath.Dir(config), "admin.sock"))
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to stop its children, too
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	if err := command.Start(); err != nil {
		return err
	}
	l.running = append(l.running, &running{target: t, dir: filepath.Dir(config), address: address, command: command})
	return l.await(address, log.Name())
}

func (l *lab) await(address, log string) error {
	for deadline := time.Now().Add(20 * time.Second); ; {
		connection, err := new(net.Dialer).DialContext(l.ctx, "tcp", address)
		if err == nil {
			return connection.Close()
		}
		if l.ctx.Err() != nil || time.Now().After(deadline) {
			text, _ := os.ReadFile(log)
			return fmt.Errorf("it does not listen: %w\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// writeConfigs writes all files of configs/ for a target, with this run's
// addresses in them, and returns the path of the target's own.
func (l *lab) writeConfigs(t target, address string) (string, error) {
	dir := filepath.Join(l.dir, strings.ReplaceAll(t.name, " ", "-"))
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // nginx's workers read it as another user
		return "", err
	}
	entries, err := configs.ReadDir("configs")
	if err != nil {
		return "", err
	}
	values := strings.NewReplacer("LISTEN", address, "APPLICATION", l.application, "SECRET64", base64.StdEncoding.EncodeToString([]byte(secret)), "SECRET", secret, "DIR", dir, "BENCH", benchDir())
	for _, entry := range entries {
		text, err := configs.ReadFile("configs/" + entry.Name())
		if err != nil {
			return "", err
		}
		written := values.Replace(string(text))
		if t.edit != nil && entry.Name() == t.config {
			if written, err = t.edit(dir, written); err != nil {
				return "", err
			}
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), []byte(written), 0o644); err != nil { //nolint:gosec // as above
			return "", err
		}
	}
	return filepath.Join(dir, t.config), nil
}

func (l *lab) stop() {
	for len(l.running) > 0 {
		l.stopLast()
	}
}

func (l *lab) stopLast() {
	last := len(l.running) - 1
	if command := l.running[last].command; command != nil {
		_ = command.Cancel()
		_ = command.Wait()
	}
	l.running = l.running[:last]
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
