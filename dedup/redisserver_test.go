package dedup

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/hookpass/hookpass/internal/programs"
)

// redisServer is a redis-server of its own, on a free port of the loopback.
type redisServer struct {
	t       testing.TB
	dir     string
	port    int
	args    []string
	log     bytes.Buffer
	process *exec.Cmd
	exited  chan struct{}
}

// startRedis runs a Redis until the test ends. It writes nothing to disk unless
// the arguments say so.
func startRedis(t testing.TB, args ...string) *redisServer {
	t.Helper()
	logging.Disable()
	s := &redisServer{t: t, dir: t.TempDir(), port: freePort(t), args: args}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// nextPort is below those that the kernel gives to whoever asks for any: a server
// that is started again must find its port free.
var nextPort atomic.Int64

func freePort(t testing.TB) int {
	t.Helper()
	const first, last = 20_000, 32_000
	for range last - first {
		port := first + (os.Getpid()+int(nextPort.Add(1)))%(last-first)
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func (s *redisServer) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

func (s *redisServer) url() string { return "redis://" + s.address() }

func (s *redisServer) start() {
	s.t.Helper()
	programs.Need(s.t, "redis-server")
	s.launch("redis-server", append(s.args, "--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--loglevel", "warning")...)
	s.await(s.options())
}

func (s *redisServer) launch(path string, args ...string) {
	s.t.Helper()
	s.process = exec.Command(path, args...)
	s.process.Stdout, s.process.Stderr = &s.log, &s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited, process := make(chan struct{}), s.process
	s.exited = exited
	go func() {
		_ = process.Wait()
		close(exited)
	}()
}

func (s *redisServer) options() *redis.Options {
	return &redis.Options{Addr: s.address(), MaxRetries: -1, DialerRetries: 1}
}

// await returns when the server answers.
func (s *redisServer) await(o *redis.Options) {
	s.t.Helper()
	client := redis.NewClient(o)
	defer client.Close()
	eventually(s.t, "Redis answers", func() bool {
		select {
		case <-s.exited:
			s.t.Fatalf("%v ended:\n%s", s.process, s.log.String())
		default:
		}
		err := client.Ping(s.t.Context()).Err()
		return err == nil || redis.HasErrorPrefix(err, "NOAUTH")
	})
}

// client is the server as the store sees it.
func (s *redisServer) client(t testing.TB) server {
	t.Helper()
	client, err := openRedis(RedisOptions{URLs: []string{s.url()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// do runs a command on a connection of its own.
func (s *redisServer) do(args ...any) any {
	s.t.Helper()
	value, err := s.try(args...)
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return value
}

func (s *redisServer) try(args ...any) (any, error) {
	client := redis.NewClient(s.options())
	defer client.Close()
	return client.Do(context.Background(), args...).Result()
}

func (s *redisServer) kill() { s.end(syscall.SIGKILL) }

// end sends a signal and returns when the process has ended.
func (s *redisServer) end(sig syscall.Signal) {
	s.signal(sig)
	<-s.exited
}

func (s *redisServer) signal(sig syscall.Signal) { _ = s.process.Process.Signal(sig) }

// eventually returns when f holds. Nothing that it is used for takes a tenth of
// the time that it gives.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within half a minute: %s", what)
		}
	}
}
