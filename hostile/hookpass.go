package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/logging"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"

	"golang.org/x/sys/unix"

	_ "github.com/hookpass/hookpass"
)

// asHookpass is set for the process that is attacked: this same program, which
// has all of hookpass in it, so that nothing is built twice.
const asHookpass = "HOSTILE_IS_HOOKPASS"

// beHookpass does not return where this process is the one that is attacked.
func beHookpass() {
	if os.Getenv(asHookpass) != "" {
		caddy.CustomBinaryName = "hookpass"
		caddycmd.Main()
		os.Exit(0)
	}
}

// patience is how long anything may take before it counts as broken.
const patience = time.Minute

// site is a port of hookpass.
type site struct {
	name    string
	tls     bool
	options string // of Caddy's server
	address string
}

// hookpass is the process that is attacked.
type hookpass struct {
	dir              string
	open, tls, brief *site // without TLS, with it, and without patience
	command          *exec.Cmd
	output           lockedBuffer
	exited           chan struct{}
	reserved         []int // sockets that keep the ports
	admin            *http.Client
}

// maxBuffered is the budget of bytes that bodies may take.
const maxBuffered = 64 << 20

func (h *hookpass) sites() []*site { return []*site{h.open, h.tls, h.brief} }

// startHookpass returns when every port of it listens.
func startHookpass(ctx context.Context, dir string, c crowd, application string) (*hookpass, error) {
	h := &hookpass{
		dir:  dir,
		open: &site{name: "open", options: "protocols h1 h2c\n expected_underscore_headers Hookpass_*\n expected_dot_headers Hookpass.*"},
		tls:  &site{name: "tls", tls: true, options: "protocols h1 h2 h3"},
		// A forger who sends slowly is kept no longer than a test may take.
		brief: &site{name: "brief", options: "protocols h1 h2c\n timeouts {\n read_header 1s\n idle 1s\n }"},
	}
	socket := filepath.Join(dir, "admin.sock")
	h.admin = &http.Client{Timeout: patience, Transport: &http.Transport{
		MaxConnsPerHost: 1,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	if err := writeCertificate(dir); err != nil {
		return nil, err
	}
	for _, s := range h.sites() {
		var err error
		if s.address, err = h.reserve(ctx); err != nil {
			return nil, err
		}
	}
	err := h.start(ctx, c, application)
	return h, err
}

func (h *hookpass) start(ctx context.Context, c crowd, application string) error {
	config := filepath.Join(h.dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(h.config(c, application)), 0o600); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	h.command = exec.CommandContext(context.WithoutCancel(ctx), program, "run", "--config", config) //nolint:gosec // itself
	h.command.Env = append(os.Environ(), asHookpass+"=1", "HOME="+h.dir, "XDG_CONFIG_HOME="+h.dir, "XDG_DATA_HOME="+h.dir)
	h.command.Stderr = &h.output
	if err := h.command.Start(); err != nil {
		return err
	}
	h.exited = make(chan struct{})
	go func() {
		_ = h.command.Wait()
		close(h.exited)
	}()
	for deadline := time.Now().Add(patience); ; {
		if h.listens(ctx) {
			return nil
		}
		if !h.alive() || time.Now().After(deadline) || ctx.Err() != nil {
			h.stop()
			return fmt.Errorf("hookpass does not start:\n%s", h.output.String())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (h *hookpass) listens(ctx context.Context) bool {
	for _, s := range h.sites() {
		connection, err := s.dial(ctx)
		if err != nil {
			return false
		}
		_ = connection.Close()
	}
	_, err := h.vitals(ctx)
	return err == nil
}

func (h *hookpass) alive() bool {
	select {
	case <-h.exited:
		return false
	default:
		return true
	}
}

func (h *hookpass) stop() {
	_ = h.command.Process.Kill()
	<-h.exited
	h.admin.CloseIdleConnections()
	for _, socket := range h.reserved {
		_ = unix.Close(socket)
	}
	h.reserved = nil
}

// crashed tells what the process said of a panic, if there was one.
func (h *hookpass) crashed() string {
	text := h.output.String()
	if at := strings.Index(text, "panic"); at >= 0 {
		return text[at:min(len(text), at+2000)]
	}
	if !h.alive() {
		return "hookpass has ended:\n" + text
	}
	return ""
}

func (h *hookpass) config(c crowd, application string) string {
	var text strings.Builder
	fmt.Fprintf(&text, `{
	admin unix/%s/admin.sock
	persist_config off
	storage_check off
	storage_clean_interval off
	auto_https off
	log {
		level WARN
		exclude http.handlers.reverse_proxy
	}
	webhooks {
		max_buffered %d
		delivery_log {
			output file %s/deliveries.log
		}
	}
`, h.dir, maxBuffered, h.dir)
	for _, s := range h.sites() {
		fmt.Fprintf(&text, "\tservers %s {\n%s\n}\n", s.address, s.options)
	}
	text.WriteString("}\n")
	for _, s := range h.sites() {
		host, port, _ := net.SplitHostPort(s.address)
		scheme := "http"
		if s.tls {
			scheme = "https"
		}
		fmt.Fprintf(&text, "%s://:%s {\n\tbind %s\n", scheme, port, host)
		if s.tls {
			fmt.Fprintf(&text, "\ttls %s/cert.pem %s/key.pem\n", h.dir, h.dir)
		}
		for _, e := range c.at(s) {
			text.WriteString(e.config(s, application))
		}
		text.WriteString("\thandle {\n\t\trespond 404\n\t}\n}\n")
	}
	return text.String()
}

// vitals is what must be as before once a request is over.
type vitals struct {
	goroutines, buffered, inFlight, waiters int
	heap, resident                          int64
	series                                  int // of metrics
}

func (v vitals) String() string {
	return fmt.Sprintf("%d goroutines, %d bytes of bodies, %d deliveries, %d waiters", v.goroutines, v.buffered, v.inFlight, v.waiters)
}

func (h *hookpass) vitals(ctx context.Context) (v vitals, err error) {
	text, err := h.ask(ctx, "/metrics")
	if err != nil {
		return v, err
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, "{")
		if _, labels, ok := strings.Cut(line, "} "); ok {
			value = strings.TrimSpace(labels)
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue // a comment
		}
		if strings.HasPrefix(name, "caddy_webhook_") {
			v.series++
		}
		switch name {
		case "go_goroutines":
			v.goroutines = int(n)
		case "caddy_webhook_buffered_bytes":
			v.buffered = int(n)
		case "caddy_webhook_in_flight":
			v.inFlight += int(n)
		case "caddy_webhook_dedup_waiters":
			v.waiters = int(n)
		case "go_memstats_heap_inuse_bytes":
			v.heap = int64(n)
		case "process_resident_memory_bytes":
			v.resident = int64(n)
		}
	}
	return v, nil
}

// value returns one metric that has no labels.
func (h *hookpass) value(ctx context.Context, name string) (float64, error) {
	text, err := h.ask(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	_, value, found := strings.Cut(text, "\n"+name+" ")
	if !found {
		return 0, fmt.Errorf("there is no metric %s", name)
	}
	value, _, _ = strings.Cut(value, "\n")
	return strconv.ParseFloat(value, 64)
}

func (h *hookpass) ask(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		return "", err
	}
	answer, err := h.admin.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", path, answer.Status)
	}
	return string(text), err
}

// settle waits until nothing is left of the requests before, and returns what is
// left if that does not come.
func (h *hookpass) settle(ctx context.Context, before vitals) (v vitals, left bool, err error) {
	deadline := time.Now().Add(patience)
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		v, err = h.vitals(ctx)
		if err != nil {
			return v, false, err
		}
		if v.goroutines <= before.goroutines && v.buffered == 0 && v.inFlight == 0 && v.waiters == 0 {
			return v, false, nil
		}
		if time.Now().After(deadline) {
			return v, true, nil
		}
		time.Sleep(pause)
	}
}

// dial opens a connection, over TLS where the site has it.
func (s *site) dial(ctx context.Context, protocols ...string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: patience}
	if !s.tls {
		return dialer.DialContext(ctx, "tcp", s.address)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: s.tlsConfig(protocols...)}).DialContext(ctx, "tcp", s.address)
}

func (s *site) tlsConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		NextProtos:         protocols,
		InsecureSkipVerify: true, //nolint:gosec // the certificate was made by this process
		ClientSessionCache: sessions,
		ServerName:         "localhost",
	}
}

var sessions = tls.NewLRUClientSessionCache(16)

func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	facts := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, facts, facts, key.Public(), key)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "cert.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

// reserve returns an address whose port nobody else is given: a socket that is bound
// to it, and does not listen, keeps it. Caddy listens beside that, as it lets others
// share its ports (SO_REUSEPORT).
func (h *hookpass) reserve(ctx context.Context) (string, error) {
	for {
		socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return "", err
		}
		h.reserved = append(h.reserved, socket)
		if err := unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return "", err
		}
		if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			return "", err
		}
		bound, err := unix.Getsockname(socket)
		if err != nil {
			return "", err
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(bound.(*unix.SockaddrInet4).Port))
		// HTTP/3 needs the same port of UDP.
		packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
		if err == nil {
			return address, packets.Close()
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			return "", err
		}
	}
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

// genuinely sends a delivery and returns the status of its answer.
func (s *site) genuinely(ctx context.Context, l letter) (int, error) {
	connection, err := s.dial(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { _ = connection.Close() }()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(connection, l.fill(http1(genuine))); err != nil {
		return 0, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, err
}
