package main

import (
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	plain   = "plain reverse_proxy"
	product = "hookpass"
)

// target is something that deliveries can be sent through.
type target struct {
	name    string
	config  string // its file in configs/
	command []string
	// What it does not do, it is not measured at.
	verifies, deduplicates bool
}

var targets = []target{
	{name: plain, config: "plain.caddyfile", command: []string{"HOOKPASS", "run", "--config", "CONFIG", "--adapter", "caddyfile"}},
	{name: product, config: "hookpass.caddyfile", command: []string{"HOOKPASS", "run", "--config", "CONFIG", "--adapter", "caddyfile"}, verifies: true, deduplicates: true},
	{name: "haproxy", config: "haproxy.cfg", command: []string{"haproxy", "-db", "-f", "CONFIG"}, verifies: true},
	{name: "nginx+njs", config: "nginx.conf", command: []string{"nginx", "-c", "CONFIG", "-g", "daemon off;"}, verifies: true},
	{name: "express", config: "express.mjs", command: []string{"node", "CONFIG"}, verifies: true},
}

// does tells whether the case means anything to the target.
func (t target) does(c benchCase) bool {
	switch c.kind {
	case forged, stale, unsigned:
		return t.verifies
	case copied:
		return t.deduplicates
	default:
		return true
	}
}

var errNotInstalled = errors.New("not installed")

//go:embed configs
var configs embed.FS

// lab is what all targets share.
type lab struct {
	ctx         context.Context
	dir         string
	application string
	hookpass    string
	running     []*running
}

// running is a target that has been started.
type running struct {
	target
	dir     string // of its configuration and logs
	address string
	command *exec.Cmd
}

func (l *lab) buildHookpass() error {
	l.hookpass = filepath.Join(l.dir, "hookpass.bin")
	output, err := exec.CommandContext(l.ctx, "go", "build", "-o", l.hookpass, "github.com/hookpass/hookpass/cmd/hookpass").CombinedOutput() //nolint:gosec // into a folder of our own
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}

// start returns when the target listens.
func (l *lab) start(t target) error {
	program := t.command[0]
	if program == "HOOKPASS" {
		program = l.hookpass
	}
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
		args[i] = strings.ReplaceAll(arg, "CONFIG", config)
	}
	log, err := os.Create(filepath.Join(l.dir, t.name+".log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()                      // the target has its own
	command := exec.CommandContext(l.ctx, program, args...) //nolint:gosec // one of targets
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), "HOME="+l.dir, "XDG_CONFIG_HOME="+l.dir, "XDG_DATA_HOME="+l.dir)
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
	dir := filepath.Join(l.dir, t.name)
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
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), []byte(values.Replace(string(text))), 0o644); err != nil { //nolint:gosec // as above
			return "", err
		}
	}
	return filepath.Join(dir, t.config), nil
}

func (l *lab) stop() {
	for _, t := range l.running {
		_ = t.command.Cancel()
		_ = t.command.Wait()
	}
}

func freeAddress(ctx context.Context) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
