package chaos

import (
	"bufio"
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hookpass/hookpass/internal/programs"
)

// redisServer is a Redis that keeps what it has confirmed.
type redisServer struct {
	*testing.T
	dir     string
	command *exec.Cmd
	outages []outage
}

// outage is a time in which Redis took nothing.
type outage struct{ from, to time.Duration }

func startRedis(t *testing.T, dir string) *redisServer {
	t.Helper()
	s := &redisServer{T: t, dir: dir}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *redisServer) socket() string { return filepath.Join(s.dir, "redis.sock") }

// start returns when Redis answers.
func (s *redisServer) start() {
	s.Helper()
	programs.Need(s, "redis-server")
	s.command = exec.CommandContext(context.WithoutCancel(s.Context()), "redis-server", "--port", "0", "--unixsocket", s.socket(),
		"--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always")
	output, err := s.command.StdoutPipe()
	if err != nil {
		s.Error(err)
		return
	}
	if err := s.command.Start(); errors.Is(err, exec.ErrNotFound) {
		s.Fatal("redis-server is not installed: Debian has it in the package redis-server")
	} else if err != nil {
		s.Error(err)
		return
	}
	lines := bufio.NewScanner(output)
	for !strings.Contains(lines.Text(), "eady to accept connections") {
		if !lines.Scan() {
			s.Error("redis-server ended")
			return
		}
	}
	go func() {
		for lines.Scan() {
			continue // or it would wait for a reader
		}
	}()
}

func (s *redisServer) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// fail returns a function that stops Redis for a while, or kills it.
func (s *redisServer) fail(l *lab, d *rand.Rand) func() {
	return func() {
		from := l.now()
		defer func() { s.outages = append(s.outages, outage{from, l.now()}) }()
		if d.IntN(2) == 0 {
			_ = s.command.Process.Signal(syscall.SIGSTOP)
			rest(s.Context(), time.Second)
			_ = s.command.Process.Signal(syscall.SIGCONT)
			return
		}
		s.kill()
		rest(s.Context(), 300*time.Millisecond)
		s.start()
	}
}
