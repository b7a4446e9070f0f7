package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/hookpass/hookpass/webhook"
)

// errUnproven is returned when a delivery fared otherwise than it should.
var errUnproven = errors.New("the proof failed")

// proveThat starts hookpass in this process, and sends it a genuine delivery and
// a forged one.
func (b *beginning) proveThat(f first) (err error) {
	f.domain = "" // nobody could reach it here
	app, err := b.standIn(&f)
	if err != nil {
		return err
	}
	defer app()
	restore, err := b.testSecrets(&f)
	if err != nil {
		return err
	}
	defer restore()

	to, err := startProof(f, b.format)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, caddy.Stop()) }()

	b.print("A signed delivery:\n\n")
	if err := b.sendTo(f, to); err != nil {
		return fmt.Errorf("%w: %w", errUnproven, err)
	}
	b.print("And a forged one:\n\n")
	if err := b.sendTo(f, to, "--forge"); !errors.Is(err, errRefused) {
		return fmt.Errorf("%w: a forged delivery was not refused: %w", errUnproven, err)
	}
	b.print("It works: what is signed passes, what is forged does not.\n")
	return nil
}

// standIn takes the place of an application that is not there.
func (b *beginning) standIn(f *first) (end func(), err error) {
	if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", f.app); err == nil {
		return func() {}, conn.Close()
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b.print("Nothing answers at %s yet: a stand-in does.\n\n", f.app)
	f.app = listener.Addr().String()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = fmt.Fprintf(w, "the stand-in got %s %s\n", r.Header.Get("Hookpass-Event"), r.Header.Get("Hookpass-Delivery")) //nolint:gosec // plain text, to ourselves
	})}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}

// testSecrets makes up what the environment does not have yet.
func (b *beginning) testSecrets(f *first) (restore func(), err error) {
	made, set := testSecret(f.Scheme), []string{}
	restore = func() {
		for _, name := range set {
			_ = os.Unsetenv(name)
		}
	}
	need := func(name, value string) error {
		if os.Getenv(name) != "" {
			return nil
		}
		set = append(set, name)
		return os.Setenv(name, value)
	}
	if _, err := os.Stat(f.secretFile); f.secretFile != "" && err != nil {
		f.secretFile, f.secretEnv = "", "WEBHOOK_TEST_SECRET"
	}
	if f.secretEnv != "" {
		if os.Getenv(f.secretEnv) == "" {
			b.print("There is no secret yet: one that was just made up takes its place.\n\n")
		}
		err = need(f.secretEnv, made)
	}
	for _, name := range f.Parameters() {
		if b.format == formatEnv {
			err = errors.Join(err, need(sidecarVariable(name), made))
			err = errors.Join(err, need(variableOf(f.ID, name), os.Getenv(sidecarVariable(name))))
		} else {
			err = errors.Join(err, need(variableOf(f.ID, name), made))
			err = errors.Join(err, need(sidecarVariable(name), os.Getenv(variableOf(f.ID, name))))
		}
	}
	return restore, err
}

// testSecret fits every form that a secret may have: text, hex, base64.
func testSecret(scheme webhook.Scheme) string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	secret := hex.EncodeToString(random[:])
	if scheme.Type == webhook.TypeBasic {
		return "user:" + secret
	}
	return secret
}

// startProof returns where hookpass listens.
func startProof(f first, format string) (to string, err error) {
	for range 3 { // somebody else may get the port in between
		if to, err = startOnce(f, format); err == nil {
			break
		}
	}
	return to, err
}

func startOnce(f first, format string) (to string, err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return "", err
	}
	to = "http://" + address
	if f.publicURL != "" {
		f.publicURL = to
	}
	config, err := f.proofConfig(format, address)
	if err != nil {
		return "", err
	}
	return to, caddy.Load(config, true)
}

// proofConfig is what was written, as JSON, for a process of which nobody wants
// more.
func (f first) proofConfig(format, address string) ([]byte, error) {
	host, port, _ := strings.Cut(address, ":")
	caddyfile := strings.Replace(f.caddyfile(), ":"+firstPort+" {", "http://:"+port+" {\n\tbind "+host, 1)
	if format != formatCaddyfile {
		var err error
		if caddyfile, err = f.sidecarCaddyfile(address); err != nil {
			return nil, err
		}
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return nil, err
	}
	var config caddy.Config
	if err := json.Unmarshal(adapted, &config); err != nil {
		return nil, err
	}
	config.Admin = &caddy.AdminConfig{Disabled: true, Config: &caddy.ConfigSettings{Persist: new(bool)}}
	config.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}}
	config.AppsRaw["webhooks"] = json.RawMessage(`{"delivery_log":{"output":{"output":"discard"}}}`)
	return json.Marshal(config)
}

// sidecarCaddyfile is what hookpass sidecar makes of the environment.
func (f first) sidecarCaddyfile(address string) (string, error) {
	environ := []string{"HOOKPASS_LISTEN=" + address, "HOOKPASS_HEALTH_LISTEN=off", "HOOKPASS_ADMIN=off"}
	for line := range strings.Lines(f.environment()) {
		if !strings.HasPrefix(line, "#") {
			environ = append(environ, strings.TrimSpace(line))
		}
	}
	for _, name := range f.Parameters() {
		environ = append(environ, sidecarVariable(name)+"="+os.Getenv(sidecarVariable(name)))
	}
	flags := sidecarFlags{}
	if f.secretEnv != "" {
		environ = append(environ, f.secretEnv+"="+os.Getenv(f.secretEnv))
		flags["SECRET"] = []string{f.secretEnv}
	}
	config, err := readSidecar(environ, flags)
	if err != nil {
		return "", err
	}
	file, err := config.caddyfile(false)
	if err != nil {
		return "", err
	}
	return file.text.String(), nil
}

// sendTo does what "hookpass send" does.
func (b *beginning) sendTo(f first, to string, flags ...string) error {
	s := &send{input: strings.NewReader(""), output: b.output, now: b.now}
	set := s.flags()
	set.SetOutput(io.Discard)
	flags = append(flags, "--to", to+path(f.ID))
	switch {
	case f.secretFile != "":
		flags = append(flags, "--secret-file", f.secretFile)
	default:
		flags = append(flags, "--secret-env", f.secretEnv)
	}
	for _, name := range f.facts.Parameters {
		flags = append(flags, "--with", name+"="+os.Getenv(variableOf(f.ID, name)))
	}
	if err := set.Parse(flags); err != nil {
		return err
	}
	return s.run([]string{f.ID})
}
