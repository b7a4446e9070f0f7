package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/hookpass/hookpass/caddymodule"
)

// gate runs hookpass in this process, with an admin API of its own.
type gate struct{ site, admin string }

func startGate(t *testing.T) gate {
	t.Helper()
	g := gate{site: "http://" + freeAddress(t), admin: "unix/" + filepath.Join(t.TempDir(), "admin.sock")}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(`{
	admin `+g.admin+`
	persist_config off
	webhooks {
		delivery_log {
			output discard
		}
	}
	log {
		output discard
	}
}
`+g.site+` {
	route /by-id {
		verify_webhook saltare a-secret {
			name by-id
		}
		respond "handled"
	}
	route /by-body {
		verify_webhook saltare a-secret {
			name by-body
			dedup {
				key content
			}
		}
		respond "handled"
	}
	route /off {
		verify_webhook saltare a-secret {
			name off
			dedup off
		}
		respond "handled"
	}
}
`), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// deliver sends a delivery and returns what it was answered.
func (g gate) deliver(t *testing.T, path, id, body string) string {
	t.Helper()
	output, err := runAt(time.Now, "", "--secret", "a-secret", "--id", id, "--data", body, "--to", g.site+path, "saltare")
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	lines := strings.Split(strings.TrimSpace(output), "\n")
	return lines[len(lines)-1]
}

func (g gate) dedup(args ...string) (output string, err error) {
	var text bytes.Buffer
	m := &memory{output: &text}
	flags := m.flags()
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	m.address = g.admin
	err = m.run(flags.Args())
	return text.String(), err
}

const (
	handled   = "handled"
	duplicate = `{"received":true,"duplicate":true}`
)

func TestForgottenDeliveriesPassAgain(t *testing.T) {
	g := startGate(t)
	const body = `{"event":"x","delivery_id":"%"}`
	deliver := func(path, id, want string) {
		t.Helper()
		if got := g.deliver(t, path, id, strings.ReplaceAll(body, "%", id)); got != want {
			t.Errorf("%s of %s: answered %q, want %q", id, path, got, want)
		}
	}
	forget := func(args ...string) {
		t.Helper()
		if _, err := g.dedup(args...); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"/by-id", "/by-body"} {
		for _, id := range []string{"1", "2"} {
			deliver(path, id, handled)
			deliver(path, id, duplicate)
		}
	}

	forget("forget", "by-id", "1")
	deliver("/by-id", "1", handled)
	deliver("/by-id", "1", duplicate)
	deliver("/by-id", "2", duplicate)
	deliver("/by-body", "1", duplicate)

	file := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(body, "%", "1")), 0o600); err != nil {
		t.Fatal(err)
	}
	forget("--body", file, "forget", "by-body")
	deliver("/by-body", "1", handled)
	deliver("/by-body", "2", duplicate)

	if output, err := g.dedup("--all", "--json", "forget", "by-id"); err != nil || output != `{"endpoint":"by-id","forgotten":"all deliveries of by-id"}`+"\n" {
		t.Errorf("%v: %s", err, output)
	}
	deliver("/by-id", "1", handled)
	deliver("/by-id", "2", handled)
	deliver("/by-body", "1", duplicate)
}

func TestForgetNeedsToBeToldWhat(t *testing.T) {
	g := startGate(t)
	file := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args  string
		cause error
		says  string
	}{
		{"forget by-id 1", errNotRemembered, "1: not remembered at by-id"},
		{"forget by-id 1 2", errNotRemembered, "2: not remembered at by-id"},
		{"forget", errDedupUsage, "the name of an endpoint"},
		{"forget by-id", errDedupUsage, "--all"},
		{"--all forget by-id 1", errDedupUsage, "--all"},
		{"--all --body " + file + " forget by-id", errDedupUsage, "--all"},
		{"erase by-id", errDedupUsage, `"erase"`},
		{"--body none.json forget by-body", os.ErrNotExist, "none.json"},
		{"--all forget nobody", nil, "there are by-body, by-id, off"},
		{"--all forget off", nil, "off remembers nothing"},
		{"forget by-body 1", nil, "by-body knows deliveries by their body"},
		{"--body " + file + " forget by-id", nil, "by-id knows deliveries by their id"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			output, err := g.dedup(strings.Fields(tt.args)...)
			if err == nil || tt.cause != nil && !errors.Is(err, tt.cause) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %v with %q; it printed %q", err, tt.cause, tt.says, output)
			}
		})
	}
}

func TestWhatIsRememberedIsShown(t *testing.T) {
	g := startGate(t)
	for _, id := range []string{"1", "2", "3"} {
		g.deliver(t, "/by-id", id, `{"delivery_id":"`+id+`"}`)
	}
	output, err := g.dedup("--json", "list")
	if err != nil {
		t.Fatal(err)
	}
	var state caddymodule.DedupState
	if err := json.Unmarshal([]byte(output), &state); err != nil {
		t.Fatalf("%v in %s", err, output)
	}
	if state.Entries != 3 || state.Capacity != 1_000_000 || state.InFlight != 0 || state.Store != "memory" || state.Outage {
		t.Errorf("three deliveries are shown as %+v", state)
	}
	table, err := g.dedup()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{
		"in memory: 3 of at most 1000000 deliveries remembered",
		"by-id     saltare   provider  96h0m0s",
		"by-body   saltare   content   96h0m0s",
		"off       saltare   off       0s",
	} {
		if !strings.Contains(table, row) {
			t.Errorf("%q is not in\n%s", row, table)
		}
	}
}

func TestNobodyAnswersAtTheAdminAddress(t *testing.T) {
	g := gate{admin: freeAddress(t)}
	if _, err := g.dedup(); err == nil || !strings.Contains(err.Error(), g.admin) {
		t.Errorf("%v does not name %s", err, g.admin)
	}
}
